// What one request came to: the extension's answer as it is, anything else mapped into its shape.
//
// Codes and numbers go into `error`, words of others never: a message of PostgREST's may quote a
// value, and one of fetch's a header.

import type { ClientErrorCode, CometChatFailure } from './answers.js';
import type { DatabaseErrorCode } from './codes.js';

/** What supabase-js resolves to, as far as it matters here. */
export interface RpcResponse {
  data: unknown;
  error: { message: string; code?: string } | null;
  status: number;
}

/** One request's result: the answer, and whether asking again may bring a better one. */
export interface Outcome {
  answer: { success: true; queued?: true } | CometChatFailure;
  /** The request, not CometChat, failed in a way that passes. */
  transient: boolean;
}

/** Reads a response. `token`: whether a success must bring one. */
export function outcomeOf({ data, error, status }: RpcResponse, token: boolean): Outcome {
  // Strings by force: a gateway's JSON may hold anything.
  if (error) return requestFailure(String(error.code ?? ''), String(error.message ?? ''), status);
  if (isAnswer(data, token)) return { answer: data, transient: false };
  // An empty 404, of which supabase-js makes this; or a function of that name that returns nothing.
  if (status === 204) return requestFailure('', '', status);
  // 2xx, but not ours: another function of that name, or a login page of the network's.
  return failure('API_ERROR', `Unexpected answer: HTTP ${status}`);
}

/** A failure in the shape that all failures have. */
export function failure(
  errorCode: DatabaseErrorCode | ClientErrorCode,
  error: string,
  transient = false,
): Outcome & { answer: CometChatFailure } {
  return { answer: { success: false, error, errorCode }, transient };
}

/** Types promise these fields, so whatever lacks one is no answer. Others may be there. */
function isAnswer(data: unknown, token: boolean): data is Outcome['answer'] {
  if (typeof data !== 'object' || data === null) return false;
  const is = data as Record<string, unknown>;
  return is.success === true
    ? typeof is.cometchatUid === 'string' && (!token || typeof is.authToken === 'string')
    : is.success === false && typeof is.errorCode === 'string' && typeof is.error === 'string';
}

/** PostgREST, Postgres, a gateway or the network said no. The first line that fits decides. */
function requestFailure(code: string, message: string, status: number): Outcome {
  // A gateway's own, such as the number 400, is no SQLSTATE of class 40.
  const known = /^([0-9A-Z]{5}|PGRST\w{3})$/.test(code) && status !== 0;
  const detail = known ? code : `HTTP ${status}`;
  const sqlstate = known && !code.startsWith('PGRST') ? code : '';

  if (status === 0) {
    // No response. Only fetch's own time limit can be told from the rest.
    return /^(Abort|Timeout)Error\b/.test(message)
      ? failure('TIMEOUT', 'Supabase did not answer in time', true)
      : failure('NETWORK', 'Supabase could not be reached', true);
  }
  if (code === '42501' || status === 401 || status === 403) {
    return failure('UNAUTHORIZED', `Unauthorized: ${detail}`);
  }
  if (/^(42883|PGRST(106|20[23]))$/.test(code) || status === 404 || status === 204) {
    return failure(
      'NOT_CONFIGURED',
      `CometChat is not properly configured: the function was not found (${detail}). Create the extension ` +
        "cometchat_ext in this database, then: notify pgrst, 'reload schema'",
    );
  }
  if (sqlstate.startsWith('22')) return failure('INVALID_INPUT', `Invalid input: ${detail}`);
  if (code === '25006') return failure('READ_ONLY', 'The database is read-only');
  // 57014: cancelled, 8 s into the statement as a rule: more of that helps nobody.
  if (code === '57014' || code === '55P03') return failure('TIMEOUT', `The database did not answer in time: ${detail}`);
  if (code === 'PGRST003' || [408, 504, 522, 524].includes(status)) {
    return failure('TIMEOUT', `The database did not answer in time: ${detail}`, true);
  }
  if (status === 429) return failure('RATE_LIMITED', `Too many requests: ${detail}`);
  // Connections, resources, shut-downs, and transactions that lost to another (class 40).
  if (/^(08|40|53|57P)/.test(sqlstate) || /^PGRST00[012]$/.test(code) || status === 503) {
    return failure('DATABASE', `Database error: ${detail}`, true);
  }
  if (sqlstate) return failure('DATABASE', `Database error: ${detail}`);
  return failure('API_ERROR', `Supabase answered with an error: ${detail}`, [502, 520, 521, 523].includes(status));
}
