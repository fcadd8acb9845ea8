// The transaction that PostgREST makes of a request: the role's own settings, the role, the claims
// and the request, all of them for this transaction only, and then one statement.
import pg from 'pg';
import type { Caller } from './keys.ts';

/** Ends with this transaction: name and value. */
export type Setting = [name: string, value: string];

export interface Work {
  readOnly: boolean;
  /** What the function that is called sets for itself: statement_timeout, if it does. */
  settings?: Setting[];
  text: string;
  values: unknown[];
}

/** Runs `work` as the caller and gives back the first column of its one row. */
export async function runAs(pool: pg.Pool, caller: Caller, request: Request, work: Work): Promise<string> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    // PostgREST reads the roles' settings once; here that is done anew, so that they are never old.
    const ofRole = await settingsOf(client, caller.role);
    await client.query(`begin isolation level read committed ${work.readOnly ? 'read only' : 'read write'}`);
    try {
      // The role's settings come before the role: it is the login role that may set them. A timeout
      // that is set here counts from the next statement on.
      await set(client, [
        ['search_path', '"public", "extensions"'],
        ...ofRole,
        ['role', caller.role],
        ['request.jwt.claims', JSON.stringify({ ...caller.claims, role: caller.role })],
        ...describe(request),
        ...(work.settings ?? []),
      ]);
      const { rows } = await client.query<[string]>({
        text: work.text,
        values: work.values,
        rowMode: 'array',
      });
      await client.query('commit');
      return rows[0]![0];
    } catch (failure) {
      await client.query('rollback').catch((lost: Error) => (broken = lost));
      throw failure;
    }
  } finally {
    client.release(broken);
  }
}

async function set(client: pg.PoolClient, settings: Setting[]): Promise<void> {
  const calls = settings.map((_, n) => `set_config($${2 * n + 1}, $${2 * n + 2}, true)`);
  await client.query(`select ${calls.join(', ')}`, settings.flat());
}

/** `ALTER ROLE … SET` concerns logins; PostgREST applies it to the role that it switches to too. */
async function settingsOf(client: pg.PoolClient, role: string): Promise<Setting[]> {
  const { rows } = await client.query<Setting>({
    text: `
      select s.name, s.value
      from pg_roles r, unnest(r.rolconfig) entry,
           lateral (select split_part(entry, '=', 1), substr(entry, strpos(entry, '=') + 1)) s (name, value)
           join pg_settings p on p.name = s.name
      where r.rolname = $1 and pg_has_role(r.oid, 'member') and s.name <> 'default_transaction_isolation'
        and (p.context = 'user' or has_parameter_privilege(p.name, 'set'))`,
    values: [role],
    rowMode: 'array',
  });
  return rows;
}

function describe(request: Request): Setting[] {
  const headers = Object.fromEntries(request.headers);
  const cookies = (headers.cookie ?? '').split(';').map((pair) => pair.trim().split(/=(.*)/s).slice(0, 2));
  delete headers.cookie;
  return [
    ['request.method', request.method],
    ['request.path', new URL(request.url).pathname.replace(/^\/rest\/v1/, '')],
    ['request.headers', JSON.stringify(headers)],
    ['request.cookies', JSON.stringify(Object.fromEntries(cookies.filter(([name]) => name)))],
  ];
}
