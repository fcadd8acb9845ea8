// The gateway that is Supabase's own: @supabase/lite, its work-alike of the Data API and of Auth.
//
// It never gets to make auth.users: its `ensureSystemSchema()` would do that, and is not called, so
// that it lives on the fixture's tables, which Auth's own role owns. Traps besides those in lite.sql:
// it applies no per-role timeouts; SQLSTATEs that it does not know (57014, say) become "SUP" with
// 500; a call whose connection was ended is never answered. For all that there is src/gateway.
import { readFile } from 'node:fs/promises';
import { App } from '@supabase/lite';
import { createPostgresConnection, type PostgresConnection } from '@supabase/lite/postgres';
import type { Cluster } from './cluster.ts';
import type { Gateway } from './gateway/gateway.ts';
import type { Keys } from './gateway/keys.ts';

export async function openLite(cluster: Cluster, keys: Keys): Promise<Gateway> {
  await cluster.sql(await readFile(new URL('lite.sql', import.meta.url), 'utf8'));
  let { app, connection } = await connect(cluster, keys);
  return {
    handler: (request) => app.fetch(request),
    async reconnect() {
      const old = connection;
      ({ app, connection } = await connect(cluster, keys));
      await end(old);
    },
    stop: () => end(connection),
  };
}

/** Its own `close()` would wait for ever for a call whose connection was lost. */
const end = (connection: PostgresConnection) => connection.driver.end({ timeout: 5 });

async function connect(cluster: Cluster, keys: Keys) {
  const connection = createPostgresConnection({
    url: 'postgres://lite_gateway@localhost/postgres',
    postgresOptions: { host: cluster.dir, max: 8, onnotice: () => {} },
  });
  // The roles and their grants are there; unless it is told so, it makes its own.
  (connection as unknown as { rlsState: string }).rlsState = 'active';
  const app = new App({
    connection,
    auth: {
      enabled: true,
      jwt_secret: keys.jwtSecret,
      publishable_key: keys.publishable,
      secret_key: keys.secret,
    },
  });
  await app.init();
  return { app, connection };
}
