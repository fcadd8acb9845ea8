// GET /rest/v1/TABLE with `select` and `eq` filters: what `.from(…).select(…).eq(…)` needs. Whatever
// else PostgREST can do is refused, so that no test believes that it was done.
import pg from 'pg';
import { Refusal } from './errors.ts';
import type { Caller } from './keys.ts';
import { runAs } from './transaction.ts';

const quote = pg.escapeIdentifier;

export async function selectRows(
  pool: pg.Pool,
  caller: Caller,
  request: Request,
  table: string,
): Promise<string> {
  if (request.method !== 'GET')
    throw new Refusal(405, 'PGRST117', `Unsupported HTTP method: ${request.method}`);
  if (/vnd\.pgrst/.test(request.headers.get('accept') ?? '')) unsupported('single()');
  await mustExist(pool, table);
  let columns = '*';
  const conditions: string[] = [];
  const values: string[] = [];
  for (const [key, value] of new URL(request.url).searchParams) {
    if (key === 'select') {
      if (!/^(\*|\w+(,\w+)*)$/.test(value)) unsupported(`select=${value}`);
      columns = value === '*' ? '*' : value.split(',').map(quote).join(', ');
    } else if (/^\w+$/.test(key) && value.startsWith('eq.')) {
      values.push(value.slice('eq.'.length));
      conditions.push(`${quote(key)} = $${values.length}`);
    } else {
      unsupported(`${key}=${value}`);
    }
  }
  const where = conditions.length > 0 ? `where ${conditions.join(' and ')}` : '';
  const rows = `select ${columns} from "public".${quote(table)} ${where}`;
  return runAs(pool, caller, request, {
    readOnly: true,
    text: `select coalesce(json_agg(source), '[]')::text from (${rows}) source`,
    values,
  });
}

async function mustExist(pool: pg.Pool, table: string): Promise<void> {
  const { rowCount } = await pool.query(
    `select from pg_class where relnamespace = 'public'::regnamespace and relname = $1 and relkind in ('r', 'v', 'p')`,
    [table],
  );
  if (rowCount === 0) {
    throw new Refusal(404, 'PGRST205', `Could not find the table 'public.${table}' in the schema cache`);
  }
}

function unsupported(what: string): never {
  throw new Refusal(501, 'UNSUPPORTED', `this gateway of the tests cannot do ${what}`);
}
