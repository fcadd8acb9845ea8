// POST /rest/v1/TABLE with one row and `on_conflict`: what `.from(…).upsert({…})` needs. Any other insert is
// refused, so that no test believes that it was done.
import pg from 'pg';
import { Refusal } from './errors.ts';
import type { Caller } from './keys.ts';
import { runAs } from './transaction.ts';

const quote = pg.escapeIdentifier;

export async function upsertRow(pool: pg.Pool, caller: Caller, request: Request, table: string): Promise<void> {
  const preferred = request.headers.get('prefer') ?? '';
  if (!preferred.includes('resolution=merge-duplicates')) unsupported('an insert');
  if (preferred.includes('return=representation')) unsupported('select() after upsert()');
  const key = new URL(request.url).searchParams.get('on_conflict') ?? unsupported('upsert() without onConflict');
  const row: unknown = await request.json();
  if (typeof row !== 'object' || row === null || Array.isArray(row)) unsupported('several rows');
  const columns = Object.keys(row);
  const list = columns.map(quote).join(', ');
  const merged = columns.map((column) => `${quote(column)} = excluded.${quote(column)}`).join(', ');
  const name = `"public".${quote(table)}`;
  await runAs(pool, caller, request, {
    readOnly: false,
    text: `with upserted as (
      insert into ${name} (${list}) select ${list} from json_populate_record(null::${name}, $1::json)
      on conflict (${quote(key)}) do update set ${merged} returning 1)
      select count(*)::text from upserted`,
    values: [JSON.stringify(row)],
  });
}

function unsupported(what: string): never {
  throw new Refusal(501, 'UNSUPPORTED', `this gateway of the tests cannot do ${what}`);
}
