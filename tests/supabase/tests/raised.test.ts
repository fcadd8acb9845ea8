// What is raised instead of answered, and the HTTP status that it carries, as with PostgREST.
//
// @supabase/lite calls a cancelled statement "SUP", and does not answer a call whose connection
// was ended: those two go through the other gateway only.
import { SignJWT } from 'jose';
import { createClient } from '@supabase/supabase-js';
import { beforeAll, describe, expect, test } from 'vitest';
import { RAISED, type Raised } from './expected_errors.ts';
import { signToken } from '../src/gateway/keys.ts';
import {
  ensure,
  eventually,
  GATEWAYS,
  POSTGREST,
  useStack,
  type GatewayName,
  type Person,
} from './support.ts';

const world = useStack();
const ENSURE = 'cometchat_ensure_user';

beforeAll(() => world.pauseWorker());

const sql = (text: string) => world.stack.cluster.sql(text);

type Outcome = { data: unknown; error: { code: string; message: string } | null; status: number };

/** Has a superuser interrupt the call while CometChat is silent. */
async function interrupted(ada: Person, by: 'pg_cancel_backend' | 'pg_terminate_backend'): Promise<Outcome> {
  await world.chat.break({ kind: 'hang_before_header', operation: 'create_user' });
  const call = ada.client.rpc(ENSURE).then((outcome) => outcome as Outcome);
  await eventually('a session is waiting for CometChat', async () => {
    const calls = `select ${by}(pid) from pg_stat_activity
                   where usename = 'authenticator' and state = 'active' and query like '%${ENSURE}%'
                   and pid in (select pid from pg_locks where locktype = 'advisory')`;
    return (await sql(calls)).length > 0;
  });
  return call;
}

/** A call with this token instead of a session's. */
async function withToken(gateway: GatewayName, token: string): Promise<Outcome> {
  const { publishable } = world.stack.keys;
  return createClient(world.url(gateway), publishable, { accessToken: async () => token }).rpc(ENSURE);
}

type Provocation = (ada: Person, gateway: GatewayName) => PromiseLike<Outcome>;

const PROVOCATIONS: Record<Raised, Provocation> = {
  'the user id is no UUID': (ada) => ada.client.rpc(ENSURE, { user_id: 'ada' }),
  'an argument is unknown': (ada) => ada.client.rpc(ENSURE, { nickname: 'Ada' }),
  'nobody is signed in': (_, gateway) => world.client(gateway).rpc(ENSURE),
  'signed-in people may not call it': async (ada) => {
    await sql(`revoke execute on function ${ENSURE} from authenticated`);
    try {
      return await ada.client.rpc(ENSURE);
    } finally {
      await sql(`grant execute on function ${ENSURE} to authenticated`);
    }
  },
  'the call is cancelled': (ada) => interrupted(ada, 'pg_cancel_backend'),
  'the connection is ended': (ada) => interrupted(ada, 'pg_terminate_backend'),
  'the session has expired': async (ada, gateway) => {
    const anHourAgo = Math.floor(Date.now() / 1000) - 3600;
    return withToken(
      gateway,
      await signToken(world.stack.keys, { sub: ada.id, role: 'authenticated' }, anHourAgo),
    );
  },
  'the session is forged': async (ada, gateway) => {
    const claims = new SignJWT({ sub: ada.id, role: 'authenticated' }).setProtectedHeader({ alg: 'HS256' });
    return withToken(gateway, await claims.setExpirationTime('1h').sign(new TextEncoder().encode('a guess')));
  },
};

describe.each(GATEWAYS)('through %s', (gateway) => {
  const expectations = RAISED.filter(([, , , , lite]) => lite || gateway === POSTGREST);

  test.each(expectations)('%s: %s with HTTP %i', async (when, code, expectedStatus, message) => {
    const ada = await world.signUp(gateway);

    const { data, error, status } = await PROVOCATIONS[when](ada, gateway);

    expect(data).toBeNull();
    expect(error).toMatchObject({ code, message });
    expect(status).toBe(expectedStatus);
  });
});

test('a call that was cancelled or terminated leaves nothing, and the next one succeeds', async () => {
  for (const by of ['pg_cancel_backend', 'pg_terminate_backend'] as const) {
    const ada = await world.signUp(POSTGREST);
    await interrupted(ada, by);
    expect(await world.stored(ada.id)).toBeUndefined();
    await world.chat.control('DELETE', '/faults');

    expect(await ensure(ada.client)).toMatchObject({ success: true, cometchatUid: ada.id });
  }
});
