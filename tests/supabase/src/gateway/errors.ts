// What went wrong, as PostgREST answers it: the table from SQLSTATE to HTTP status, and the body
// {code, message, details, hint}.
import pg from 'pg';

export interface Problem {
  code: string;
  message: string;
  details: string | null;
  hint: string | null;
}

/** An answer of the gateway's own, that no SQL statement gave. */
export class Refusal extends Error {
  readonly status: number;
  readonly problem: Problem;

  constructor(status: number, code: string, message: string, details: string | null = null) {
    super(message);
    this.status = status;
    this.problem = { code, message, details, hint: null };
  }
}

/** The first rule that the SQLSTATE begins with. What none fits is 400: the caller's fault. */
const STATUSES: [prefix: string, status: number][] = [
  ['08', 503], // no connection
  ['09', 500],
  ['0L', 403],
  ['0P', 403],
  ['23503', 409],
  ['23505', 409],
  ['25006', 405], // writing in the read-only transaction of a GET
  ['21000', 500],
  ['25', 500],
  ['28', 403],
  ['2D', 500],
  ['38', 500],
  ['39', 500],
  ['3B', 500],
  ['40', 500],
  ['53400', 500],
  ['53', 503], // out of something
  ['54', 500],
  ['55', 500],
  ['57P01', 503], // the server ends the session
  ['57', 500], // cancelled, by a timeout too
  ['58', 500],
  ['F0', 500],
  ['HV', 500],
  ['P0001', 400], // RAISE without a code
  ['P0', 500],
  ['XX', 500],
  ['42883', 404],
  ['42P01', 404],
  ['42P17', 500],
];

export function statusOf(sqlstate: string, message: string, signedIn: boolean): number {
  if (sqlstate === '42501') return signedIn ? 403 : 401;
  if (sqlstate === '22023' && /^role .* does not exist$/s.test(message)) return 401; // the token's
  if (sqlstate === '21000' && message.endsWith('requires a WHERE clause')) return 400; // pg-safeupdate
  if (/^PT[1-5]\d\d$/.test(sqlstate)) return Number(sqlstate.slice(2));
  return STATUSES.find(([prefix]) => sqlstate.startsWith(prefix))?.[1] ?? 400;
}

/** The answer to whatever was thrown; what is neither of the two kinds is a bug, and thrown on. */
export function problemResponse(failure: unknown, signedIn: boolean): Response {
  if (failure instanceof Refusal) return respond(failure.status, failure.problem);
  if (failure instanceof pg.DatabaseError && failure.code) {
    const { code, message, detail = null, hint = null } = failure;
    return respond(statusOf(code, message, signedIn), { code, message, details: detail, hint });
  }
  if (failure instanceof Error && /^Connection terminated|ECONN|ENOENT/.test(failure.message)) {
    return respond(503, new Refusal(503, 'PGRST001', 'The connection to the database was lost.').problem);
  }
  throw failure;
}

function respond(status: number, problem: Problem): Response {
  const headers: Record<string, string> = { 'content-type': 'application/json; charset=utf-8' };
  if (status === 401) headers['www-authenticate'] = 'Bearer';
  return new Response(JSON.stringify(problem), { status, headers });
}
