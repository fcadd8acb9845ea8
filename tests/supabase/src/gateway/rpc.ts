// POST and GET /rest/v1/rpc/FUNCTION, as PostgREST does it: named arguments from the body's keys;
// those that are absent are left out of the call, so that the function's defaults apply.
import pg from 'pg';
import { Refusal } from './errors.ts';
import type { Caller } from './keys.ts';
import { runAs, type Setting } from './transaction.ts';

interface Routine {
  names: string[];
  types: string[];
  defaults: number;
  volatile: boolean;
  settings: Setting[];
}

const quote = pg.escapeIdentifier;

export async function callFunction(
  pool: pg.Pool,
  caller: Caller,
  request: Request,
  name: string,
): Promise<string> {
  if (request.method !== 'POST' && request.method !== 'GET') {
    throw new Refusal(405, 'PGRST101', `Cannot use the ${request.method} method on RPC`);
  }
  const get = request.method === 'GET';
  const given = get ? Object.fromEntries(new URL(request.url).searchParams) : await body(request);
  const keys = Object.keys(given);
  const routine = await find(pool, name, keys);
  const text = get ? direct(name, keys, routine) : fromBody(name, keys, routine);
  return runAs(pool, caller, request, {
    readOnly: get || !routine.volatile,
    settings: routine.settings,
    text,
    values: get ? Object.values(given) : keys.length > 0 ? [JSON.stringify(given)] : [],
  });
}

/** The answer's JSON as text, whatever the function returns. */
const answer = (call: string) =>
  `select coalesce(to_json(pgrst_call.pgrst_scalar), 'null')::text from ${call}`;

function fromBody(name: string, keys: string[], routine: Routine): string {
  const call = (list: string) => `(select "public".${quote(name)}(${list}) as pgrst_scalar) pgrst_call`;
  if (keys.length === 0) return answer(call(''));
  const columns = keys.map((key) => `${quote(key)} ${typeOf(key, routine)}`).join(', ');
  const list = keys.map((key) => `${quote(key)} := pgrst_body.${quote(key)}`).join(', ');
  return answer(`json_to_record($1::json) as pgrst_body (${columns}), lateral ${call(list)}`);
}

function direct(name: string, keys: string[], routine: Routine): string {
  const list = keys.map((key, n) => `${quote(key)} := $${n + 1}::${typeOf(key, routine)}`).join(', ');
  return answer(`(select "public".${quote(name)}(${list}) as pgrst_scalar) pgrst_call`);
}

const typeOf = (key: string, routine: Routine) => routine.types[routine.names.indexOf(key)]!;

async function body(request: Request): Promise<Record<string, unknown>> {
  const text = await request.text();
  try {
    const value: unknown = text.trim() === '' ? {} : JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // the same answer
  }
  throw new Refusal(400, 'PGRST102', 'Empty or invalid json');
}

/** The function that knows all the given arguments and lacks none that it needs. */
async function find(pool: pg.Pool, name: string, keys: string[]): Promise<Routine> {
  const { rows } = await pool.query<Omit<Routine, 'settings'> & { config: string[] }>(
    `select coalesce(p.proargnames, '{}') as names, p.pronargdefaults::int as defaults,
            p.provolatile = 'v' as volatile, coalesce(p.proconfig, '{}') as config,
            array(select format_type(t, null) from unnest(p.proargtypes) with ordinality a (t, n) order by n) as types
     from pg_proc p where p.pronamespace = 'public'::regnamespace and p.prokind = 'f' and p.proname = $1`,
    [name],
  );
  const fits = rows.find(
    ({ names, defaults }) =>
      keys.every((key) => names.includes(key)) &&
      names.slice(0, names.length - defaults).every((needed) => keys.includes(needed)),
  );
  if (!fits) {
    const wanted = `public.${name}${keys.length > 0 ? `(${keys.join(', ')})` : ' without parameters'}`;
    throw new Refusal(404, 'PGRST202', `Could not find the function ${wanted} in the schema cache`);
  }
  const settings = fits.config
    .map((entry) => entry.split(/=(.*)/s).slice(0, 2) as Setting)
    .filter(([setting]) => setting === 'statement_timeout');
  return { ...fits, settings };
}
