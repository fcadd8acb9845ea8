// The errors, as supabase-js sees them: what is expected, written by hand from the documentation.

/** Answered: the call succeeds, and its data says what is wrong, and whether it is tried again. */
export const ANSWERED = [
  ['the app id is not set', 'NOT_CONFIGURED', 200, 'CometChat is not properly configured: app_id is missing', ''],
  ['the region is not set', 'NOT_CONFIGURED', 200, 'CometChat is not properly configured: region is missing', ''],
  ['the API key is not set', 'NOT_CONFIGURED', 200, 'CometChat is not properly configured: api_key is missing', ''],
  ["a stranger's id is given", 'UNAUTHORIZED', 200, 'Unauthorized', ''],
  ['a server names somebody who is not in auth.users', 'INVALID_INPUT', 200, 'Invalid input: unknown user', ''],
  ['a token is wanted for somebody whom CometChat does not know', 'USER_NOT_FOUND', 200, 'User not found in CometChat', ''],
  ["somebody was deactivated in CometChat's dashboard", 'USER_DEACTIVATED', 200, 'The user is deactivated in CometChat', ''],
  ['somebody is banned', 'USER_DEACTIVATED', 200, 'The user is deactivated in CometChat', ''],
  ['CometChat makes no token', 'TOKEN_FAILED', 200, 'Failed to generate auth token: ERR_BAD_REQUEST', ''],
  ['the API key is wrong', 'API_KEY_REJECTED', 200, 'CometChat rejected the API key: AUTH_ERR_APIKEY_NOT_FOUND', ''],
  ['the plan has no place for another user', 'PLAN_LIMIT', 200, 'CometChat plan limit reached: ERR_PLAN_QUOTA_RESTRICTION', ''],
  ["the app's rate is used up", 'RATE_LIMITED', 200, 'CometChat rate limit reached: ERR_TOO_MANY_REQUESTS', 'queued'],
  ["the person's own rate is used up", 'RATE_LIMITED', 200, 'Too many requests', ''],
  ['CometChat is silent', 'TIMEOUT', 200, 'CometChat did not answer in time', 'queued'],
  ['nobody listens there', 'NETWORK', 200, 'CometChat could not be reached: connection refused', 'queued'],
  ['CometChat fails', 'API_ERROR', 200, 'CometChat answered with an error: ERR_EXCEPTION', 'queued'],
  ['the request is a GET, which is read-only', 'READ_ONLY', 200, 'The database is read-only', ''],
  ['the row cannot be written', 'DATABASE', 200, 'Database error: P0001', ''],
] as const;

/**
 * Raised: the call fails, with a SQLSTATE or a code of PostgREST's, and whether @supabase/lite does
 * the same.
 */
export const RAISED = [
  ['the user id is no UUID', '22P02', 400, 'invalid input syntax for type uuid: "ada"', true],
  ['an argument is unknown', 'PGRST202', 404, 'Could not find the function public.cometchat_ensure_user(nickname) in the schema cache', true],
  ['nobody is signed in', '42501', 401, 'permission denied for function cometchat_ensure_user', true],
  ['signed-in people may not call it', '42501', 403, 'permission denied for function cometchat_ensure_user', true],
  ['the session has expired', 'PGRST303', 401, 'JWT expired', true],
  ['the session is forged', 'PGRST301', 401, 'No suitable key or wrong key type', true],
  ['the call is cancelled', '57014', 500, 'canceling statement due to user request', false],
  ['the connection is ended', '57P01', 503, 'terminating connection due to administrator command', false],
] as const;

export type Answered = (typeof ANSWERED)[number][0];
export type Raised = (typeof RAISED)[number][0];
