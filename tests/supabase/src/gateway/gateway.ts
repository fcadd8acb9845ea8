// The gateway of our own: the Data API as PostgREST has it, and enough of Auth, in front of Postgres.
//
// It exists beside @supabase/lite because no PostgREST and no Supabase Auth binary can be had for
// these tests, and lite neither applies the roles' timeouts nor has all status codes, anonymous
// sign-ins and the admin API.
import type pg from 'pg';
import type { Cluster } from '../cluster.ts';
import type { Handler } from '../http.ts';
import { Auth } from './auth.ts';
import { problemResponse } from './errors.ts';
import { identify, type Caller, type Keys } from './keys.ts';
import { callFunction } from './rpc.ts';
import { selectRows } from './select.ts';
import { upsertRow } from './upsert.ts';

export interface Gateway {
  handler: Handler;
  /** New connections to the database, which see what was set for it meanwhile. */
  reconnect: () => Promise<void>;
  stop: () => Promise<void>;
}

/** In front of the database that `pool` gives connections to. */
export function openGateway(cluster: Pick<Cluster, 'pool'>, keys: Keys): Gateway {
  let data = cluster.pool('authenticator', 10);
  const authPool = cluster.pool('supabase_auth_admin', 5);
  const auth = new Auth(authPool, keys);

  return {
    async handler(request) {
      const { pathname } = new URL(request.url);
      if (pathname.startsWith('/auth/v1/')) return auth.handle(request, pathname.slice('/auth/v1'.length));
      if (pathname.startsWith('/rest/v1/'))
        return dataApi(data, keys, request, pathname.slice('/rest/v1/'.length));
      return new Response(null, { status: 404 });
    },
    async reconnect() {
      const old = data;
      data = cluster.pool('authenticator', 10);
      await old.end();
    },
    async stop() {
      await data.end();
      await authPool.end();
    },
  };
}

async function dataApi(pool: pg.Pool, keys: Keys, request: Request, path: string): Promise<Response> {
  let caller: Caller | undefined;
  try {
    caller = await identify(request, keys);
    const name = /^rpc\/(.+)$/.exec(path)?.[1];
    if (!name && request.method === 'POST') {
      await upsertRow(pool, caller, request, decodeURIComponent(path));
      return new Response(null, { status: 201 });
    }
    const json = name
      ? await callFunction(pool, caller, request, decodeURIComponent(name))
      : await selectRows(pool, caller, request, decodeURIComponent(path));
    return new Response(json, { headers: { 'content-type': 'application/json; charset=utf-8' } });
  } catch (failure) {
    // Whoever is anon has not signed in, with or without a token that says so.
    return problemResponse(failure, caller !== undefined && caller.role !== 'anon');
  }
}
