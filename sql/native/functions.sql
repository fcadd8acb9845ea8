-- Functions in C that the other files call. An edition without a library must bring functions of the same
-- names (see ../README.md).

-- Rights: whose a definer runs with, and who calls (src/pg/rights.rs).

CREATE FUNCTION cometchat.calling_role() RETURNS oid
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_calling_role_wrapper';
COMMENT ON FUNCTION cometchat.calling_role() IS
  'The role in force outside all functions; null inside a security-restricted operation.';

CREATE FUNCTION cometchat.switch_role() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_switch_role_wrapper';
COMMENT ON FUNCTION cometchat.switch_role() IS
  'Gives the rest of the calling definer the rights of the role cometchat_ext instead of its owner''s.';

CREATE FUNCTION cometchat.restrict() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_restrict_wrapper';
COMMENT ON FUNCTION cometchat.restrict() IS
  'Does what cometchat.switch_role() does, in a security-restricted operation: code that others have put '
  'on the tables that the definer writes gains nothing from its caller.';

CREATE FUNCTION cometchat.grant_usage_on_public() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_grant_usage_on_public_wrapper';
COMMENT ON FUNCTION cometchat.grant_usage_on_public() IS
  'Lets the role cometchat_ext use the schema public where that is not open to all roles.';

-- auth.users.
--
-- SECURITY: reading a table, even planning to read it, runs code of the table's owner. So no function in
-- SQL reads or changes auth.users: these do, each with the rights of the table's owner and inside a
-- security-restricted operation.

CREATE FUNCTION cometchat.list_auth_users(after uuid, max_users integer)
RETURNS TABLE (user_id uuid, suspended boolean, automatic boolean)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_list_auth_users_wrapper';
COMMENT ON FUNCTION cometchat.list_auth_users(uuid, integer) IS
  'The next users of auth.users by id: whether they are banned or deleted, and whether the settings '
  'let them be synced without being asked for.';

CREATE FUNCTION cometchat.check_auth_users() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_check_auth_users_wrapper';
COMMENT ON FUNCTION cometchat.check_auth_users() IS
  'Raises an error if auth.users, or a column that is needed, cannot be read with its owner''s rights.';

CREATE FUNCTION cometchat.diff_auth_users(from_id uuid, max_users integer, repair boolean) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'cometchat_diff_auth_users_wrapper';
COMMENT ON FUNCTION cometchat.diff_auth_users(uuid, integer, boolean) IS
  'Compares the sync state of so many users, from an id on, with auth.users: who was changed, banned or '
  'deleted without the trigger having seen it. With repair they are queued.';

CREATE FUNCTION cometchat.create_foreign_key() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_create_foreign_key_wrapper';
COMMENT ON FUNCTION cometchat.create_foreign_key() IS
  'Adds the foreign key from cometchat_users to auth.users, unless it exists.';

CREATE FUNCTION cometchat.remove_foreign_key() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_remove_foreign_key_wrapper';
COMMENT ON FUNCTION cometchat.remove_foreign_key() IS
  'Drops the foreign key from cometchat_users to auth.users, if it exists.';

CREATE FUNCTION cometchat.create_auth_triggers() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_create_auth_triggers_wrapper';
COMMENT ON FUNCTION cometchat.create_auth_triggers() IS
  'Creates the extension''s triggers on auth.users, replacing those that exist.';

CREATE FUNCTION cometchat.drop_auth_triggers() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_drop_auth_triggers_wrapper';
COMMENT ON FUNCTION cometchat.drop_auth_triggers() IS 'Drops the extension''s triggers on auth.users.';

-- IMMUTABLE: it depends on the two rows alone, and plpgsql need not take a snapshot for it.
CREATE FUNCTION cometchat.auth_user_differs(old record, new record) RETURNS boolean
LANGUAGE c IMMUTABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_auth_user_differs_wrapper';
COMMENT ON FUNCTION cometchat.auth_user_differs(record, record) IS
  'Whether two versions of a row of auth.users differ in a column that matters; compares stored values.';

-- Queue and worker.

-- Not STRICT: for a null argument Postgres would not check the right to call it.
CREATE FUNCTION cometchat.check_profile(profile text) RETURNS void
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cometchat_check_profile_wrapper';
COMMENT ON FUNCTION cometchat.check_profile(text) IS
  'Raises an error that says why CometChat would refuse this profile, if it would.';

CREATE FUNCTION cometchat.wake() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_wake_wrapper';
COMMENT ON FUNCTION cometchat.wake() IS
  'Wakes this database''s worker when the transaction commits, once however often it is called.';

CREATE FUNCTION cometchat.start_worker() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_start_worker_wrapper';
COMMENT ON FUNCTION cometchat.start_worker() IS
  'Starts this database''s worker when the transaction commits.';

CREATE FUNCTION cometchat.request_stats() RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_request_stats_wrapper';
COMMENT ON FUNCTION cometchat.request_stats() IS
  'What was counted of requests since the server''s start or reset_stats(): by class and outcome, by '
  'latency, and how many users a minute are being synced.';

CREATE FUNCTION cometchat.reset_stats() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_reset_stats_wrapper';
COMMENT ON FUNCTION cometchat.reset_stats() IS 'Starts the counting of cometchat.stats anew.';

CREATE FUNCTION cometchat.describe_user(user_id uuid, error_code text) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_describe_user_wrapper';
COMMENT ON FUNCTION cometchat.describe_user(uuid, text) IS
  'What the library knows of a user, and what to do about the error code; for cometchat.explain_user().';

CREATE FUNCTION cometchat.worker_status() RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_worker_status_wrapper';
COMMENT ON FUNCTION cometchat.worker_status() IS 'What shared memory holds about this database.';

CREATE FUNCTION cometchat.clear_warnings() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_clear_warnings_wrapper';
COMMENT ON FUNCTION cometchat.clear_warnings() IS
  'Forgets the warnings and the worker''s ends that cometchat.health() shows.';

CREATE FUNCTION cometchat.cron_job() RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_cron_job_wrapper';
COMMENT ON FUNCTION cometchat.cron_job() IS
  'The job of pg_cron that calls cometchat.process_queue(), and its latest run; null if there is none.';

CREATE FUNCTION cometchat.claim_batch(max_users integer) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'cometchat_claim_batch_wrapper';
COMMENT ON FUNCTION cometchat.claim_batch(integer) IS 'First step of cometchat.process_queue().';

CREATE FUNCTION cometchat.send_batch() RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'cometchat_send_batch_wrapper';
COMMENT ON FUNCTION cometchat.send_batch() IS 'Second step of cometchat.process_queue().';

CREATE FUNCTION cometchat.finish_batch() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'cometchat_finish_batch_wrapper';
COMMENT ON FUNCTION cometchat.finish_batch() IS 'Last step of cometchat.process_queue().';

-- CometChat.

CREATE FUNCTION cometchat.configuration() RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'cometchat_configuration_wrapper';
COMMENT ON FUNCTION cometchat.configuration() IS
  'Where requests go and where the key comes from, or what is missing. Never the key.';

CREATE FUNCTION cometchat.list_remote_users(page integer, per_page integer) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'cometchat_list_remote_users_wrapper';
COMMENT ON FUNCTION cometchat.list_remote_users(integer, integer) IS
  'One page of CometChat''s own list of users.';

CREATE FUNCTION cometchat.compare_remote_page(page integer) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'cometchat_compare_remote_page_wrapper';
COMMENT ON FUNCTION cometchat.compare_remote_page(integer) IS
  'A page of CometChat''s list compared with ours; waits while CometChat''s rate limit is used up.';

CREATE FUNCTION cometchat.show_progress(progress text) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_show_progress_wrapper';
COMMENT ON FUNCTION cometchat.show_progress(text) IS
  'Shows a comment before the statement in pg_stat_activity; null takes it away.';

CREATE FUNCTION cometchat.probe_api() RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'cometchat_probe_api_wrapper';
COMMENT ON FUNCTION cometchat.probe_api() IS
  'Sends one request, and says what is wrong if CometChat does not answer it or refuses the key.';
