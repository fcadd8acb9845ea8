-- The statements that both editions run, each as a function: the text is that of src/store/sql/.
--
-- tools/hosted.sh writes a function for each of these lines. The parameters have no names, so that the text
-- finds them as $1 to $n, as it does in the native edition.

@statement auth_users_load (uuid[], text[], text[]) RETURNS TABLE (user_id uuid, suspended boolean, back_in_ms bigint, unconfirmed boolean, anonymous boolean, email text, phone text, names text[], avatars text[])
@statement auth_users_status (uuid[]) RETURNS TABLE (user_id uuid, suspended boolean)
@statement auth_users_page (uuid, bigint) RETURNS TABLE (user_id uuid, suspended boolean, anonymous boolean, confirmed boolean)
@statement auth_users_keep (uuid[]) RETURNS TABLE (user_id uuid)
@statement auth_users_present (uuid[]) RETURNS TABLE (user_id uuid)
@statement load (uuid[]) RETURNS TABLE (user_id uuid, mapped_uid text, token text, has_state boolean, overrides text, name_argument text, name_argument_base text, email_argument text, email_argument_base text, app_id text, cometchat_uid text, sent_profile text, sent_metadata text, sent_fields text[], deactivated boolean, revoke_pending boolean, requested boolean, claim bigint, wanted_revision bigint, outcomes bigint, attempts integer, unsettled_ms bigint)
@statement claim (bigint, bigint, bigint, bigint) RETURNS TABLE (user_id uuid, backlog boolean, import boolean)
@statement complete (bigint, uuid[], bigint[], text[], text[], boolean[], text[], text[], text[], text[], boolean[], boolean[], boolean[], bigint[], integer[], boolean[], text[], text[], text[], text[], boolean[], boolean[], bigint[], boolean[], integer[], bigint[], boolean[]) RETURNS bigint
@statement save (uuid, text, text, text, text, text, text[], boolean, boolean, text, text, text, text, bigint, boolean, bigint, boolean, bigint, bigint, bigint, bigint, boolean) RETURNS TABLE (overtaken boolean)
@statement queue_after_failure (uuid, text, text, text, text, bigint, text, boolean) RETURNS bigint
@statement forget (uuid, text, bigint, bigint, boolean) RETURNS bigint
@statement look_again (uuid, text, bigint) RETURNS bigint
@statement forget_token (uuid) RETURNS bigint
@statement doubt (uuid[], bigint) RETURNS bigint
@statement wipe (uuid[]) RETURNS bigint
@statement intend_to_deactivate (uuid[], text[], bigint, text) RETURNS bigint
@statement keep_deactivated (bigint, uuid[], text[], text[]) RETURNS bigint
@statement defer (bigint, uuid[], bigint[]) RETURNS bigint
@statement mark_failed (uuid, bigint, bigint, text) RETURNS bigint
@statement sessions () RETURNS TABLE (pid integer, backend_start timestamptz)
@statement stale_claims (bigint, integer[], timestamptz[]) RETURNS TABLE (user_id uuid, claim bigint)
@statement abandoned_claims (bigint, bigint) RETURNS TABLE (user_id uuid, claim bigint)
@statement free_claims (uuid[], bigint[], bigint) RETURNS bigint
@statement sending () RETURNS TABLE (paused boolean, has_home boolean, is_copy boolean, expects_auth_users boolean, last_run_is_ahead boolean)
@statement record_run (text) RETURNS bigint
@statement known_users (uuid, bigint) RETURNS TABLE (user_id uuid)
@statement next_attempts (uuid[]) RETURNS TABLE (user_id uuid, settled boolean, failed boolean, due_in_ms bigint)
@statement queue_changed (uuid[], boolean) RETURNS bigint
@statement queue_deleted (uuid[]) RETURNS bigint
@statement owners (text[]) RETURNS TABLE (cometchat_uid text, user_id uuid)
@statement cron_job () RETURNS TABLE (job text)
@statement catch_up_with_ids () RETURNS TABLE (moved_to bigint)
@statement make_plan_limited_due () RETURNS bigint
@statement clock_set_back (bigint) RETURNS bigint
