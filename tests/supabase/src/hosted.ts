// The edition for supabase.com in the extension's place (COMETCHAT_EDITION=hosted, on PostgreSQL 17 with
// tools/hosted_extensions.sh): the SQL file beside the real pgsql-http, pg_cron and a work-alike of Vault.
import { chmod } from 'node:fs/promises';
import type { ChatApp } from './cluster.ts';

/** Whether this run is about it. */
export const isHosted = process.env.COMETCHAT_EDITION === 'hosted';

type Run = (program: string, args: string[]) => Promise<unknown>;
type Sql = (text: string, values?: unknown[]) => Promise<unknown>;

/** The lines of postgresql.conf. pg_cron works in one database of a server. */
export const conf = (dir: string): string[] => [
  "shared_preload_libraries = 'pg_cron'",
  "cron.database_name = 'postgres'",
  `cron.host = '${dir}'`,
];

type Psql = (role: string, ...files: string[]) => Promise<unknown>;

/** What the platform's dashboard does with a click, and then what its user does. */
export async function install(dir: string, root: string, app: ChatApp, psql: Psql, run: Run, sql: Sql): Promise<void> {
  const editions = `${root}/tests/editions`;
  await psql('supabase_admin', `${editions}/platform.sql`);
  await chmod(dir, 0o755);
  await run(`${root}/tools/hosted.sh`, [`${dir}/dist`]);
  await psql('postgres', `${dir}/dist/cometchat_hosted.sql`, `${editions}/loopback.sql`);
  await sql('select vault.create_secret($1, $2)', [app.apiKey, KEY]);
  for (const [name, value] of Object.entries(own(app))) await set(sql, app, `cometchat.${name}`, value);
  // As often as pg_cron can: the file asks for every five seconds.
  await sql(`set role postgres; select cron.schedule('cometchat', '1 second', 'CALL cometchat.process_queue()');
    select cometchat.resume(); reset role`);
}

const KEY = 'cometchat_api_key';

const own = (app: ChatApp) => ({ app_id: app.appId, region: app.region, api_base_url: app.baseUrl ?? '' });

/** A setting, for all sessions; null: as it was when the stack began; empty: none. The key is in Vault alone. */
export async function set(sql: Sql, app: ChatApp, setting: string, value: string | null): Promise<void> {
  const name = setting.replace(/^cometchat\./, '');
  if (name === 'api_key_file') {
    const secret = value === null ? app.apiKey : value;
    await sql('update vault.secrets set secret = $1 where name = $2', [secret, KEY]);
    return;
  }
  const wanted = value ?? own(app)[name as keyof ReturnType<typeof own>];
  if (!wanted) {
    await sql('delete from cometchat.settings where name = $1', [name]);
  } else {
    await sql(
      `insert into cometchat.settings values ($1, $2) on conflict (name) do update set value = excluded.value`,
      [name, wanted],
    );
  }
}
