// The extension's error codes. Generated from its table, crates/sync/src/error/code.rs, by
// BLESS=1 cargo test -p sync --test lists

/** A call that failed so is likely to succeed within seconds: `ensureUser` asks again by itself. */
export const SOON = [
  'RATE_LIMITED',
] as const;

/** A call that failed so may succeed after a while, without any change. */
export const LATER = [
  'TOKEN_FAILED',
  'TIMEOUT',
  'NETWORK',
  'API_ERROR',
  'DATABASE',
] as const;

/** A call that failed so needs a change first: in the call, the server's set-up or CometChat. */
export const LASTING = [
  'NOT_CONFIGURED',
  'UNAUTHORIZED',
  'INVALID_INPUT',
  'USER_NOT_FOUND',
  'USER_DEACTIVATED',
  'API_KEY_REJECTED',
  'PLAN_LIMIT',
  'READ_ONLY',
] as const;

/** Whether the same call may succeed later without any change. A code that is not known here: no. */
export function isTransient(errorCode: string): boolean {
  return isSoon(errorCode) || LATER.some((code) => code === errorCode);
}

/** Whether it is likely to within seconds. */
export function isSoon(errorCode: string): boolean {
  return SOON.some((code) => code === errorCode);
}

/** The codes that the extension answers with. Its README says what to do about each. */
export type DatabaseErrorCode = (typeof SOON)[number] | (typeof LATER)[number] | (typeof LASTING)[number];
