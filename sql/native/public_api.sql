-- The three functions that clients call.
--
-- SECURITY: in C, and no definers: each statement takes on the rights that it needs (src/pg/rights.rs).
-- A fixed search_path: pg_temp is named, and last, since one that is not named is searched first for
-- types, and a caller's temporary domain called text or jsonb would then run its CHECK in our
-- statements. The planner's settings are those of src/pg/planning.rs: set once for a call, not for each
-- statement. src/calls/caller.rs decides from the role in force outside all functions who calls.

CREATE FUNCTION public.cometchat_ensure_user(
  user_id uuid DEFAULT NULL, display_name text DEFAULT NULL, email text DEFAULT NULL
) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 10000
SET search_path = pg_catalog, pg_temp
SET jit = off SET seq_page_cost = 100 SET random_page_cost = 1
AS 'MODULE_PATHNAME', 'cometchat_ensure_user_wrapper';
COMMENT ON FUNCTION public.cometchat_ensure_user(uuid, text, text) IS
  'Makes sure that the user exists in CometChat and answers with an auth token to log in with: '
  '{"success", "authToken", "cometchatUid", "error", "errorCode", "queued"}.';

CREATE FUNCTION public.cometchat_refresh_token(user_id uuid DEFAULT NULL) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 10000
SET search_path = pg_catalog, pg_temp
SET jit = off SET seq_page_cost = 100 SET random_page_cost = 1
AS 'MODULE_PATHNAME', 'cometchat_refresh_token_wrapper';
COMMENT ON FUNCTION public.cometchat_refresh_token(uuid) IS
  'Mints a new CometChat auth token, stores and returns it.';

CREATE FUNCTION public.cometchat_revoke_tokens(user_id uuid DEFAULT NULL) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE COST 10000
SET search_path = pg_catalog, pg_temp
SET jit = off SET seq_page_cost = 100 SET random_page_cost = 1
AS 'MODULE_PATHNAME', 'cometchat_revoke_tokens_wrapper';
COMMENT ON FUNCTION public.cometchat_revoke_tokens(uuid) IS
  'Logs the user out everywhere: forgets the stored token and flushes all tokens in CometChat.';
