-- Privileges of the extension's own role. After sql/grants.sql, which revokes all others.
--
-- SECURITY: not EXECUTE on enqueue(), which makes its callers trusted.

GRANT USAGE ON SCHEMA cometchat TO cometchat_ext;
GRANT SELECT, INSERT, UPDATE, DELETE ON cometchat.sync_state, cometchat.trigger_misses,
  cometchat.running_backfill, cometchat.home TO cometchat_ext;
GRANT SELECT, UPDATE ON cometchat.control TO cometchat_ext;
GRANT SELECT, INSERT, DELETE ON cometchat.pauses TO cometchat_ext;
GRANT SELECT, USAGE ON SEQUENCE cometchat.trigger_failures TO cometchat_ext;
GRANT SELECT ON cometchat.attempts, cometchat.failed_users, cometchat.sending_status TO cometchat_ext;
GRANT EXECUTE ON FUNCTION
  cometchat.add_foreign_key(),
  cometchat.allowance(jsonb),
  cometchat.auth_users_id_is_uuid(),
  cometchat.auth_users_oid(),
  cometchat.backfill(),
  cometchat.backfill_page(uuid, integer, text),
  cometchat.broken_check(text, text, text, jsonb),
  cometchat.calling_role(),
  cometchat.check_auth_users(),
  cometchat.check_profile(text),
  cometchat.compare_remote_page(integer),
  cometchat.configuration(),
  cometchat.continue_backfill(text, integer),
  cometchat.create_auth_triggers(),
  cometchat.create_foreign_key(),
  cometchat.describe_user(uuid, text),
  cometchat.cron_job(),
  cometchat.diff_all_auth_users(boolean),
  cometchat.diff_auth_users(uuid, integer, boolean),
  cometchat.diff_remote_users(),
  cometchat.drop_auth_triggers(),
  cometchat.has_auth_users(),
  cometchat.health_answer(jsonb),
  cometchat.health_auth_trigger(jsonb),
  cometchat.health_auth_users(jsonb),
  cometchat.health_checks(),
  cometchat.health_configuration(jsonb),
  cometchat.health_extension(jsonb),
  cometchat.health_failed_users(jsonb),
  cometchat.health_foreign_key(jsonb),
  cometchat.health_grants(jsonb),
  cometchat.health_jit(jsonb),
  cometchat.health_locks(jsonb),
  cometchat.health_missed_changes(jsonb),
  cometchat.health_missed_sign_ups(jsonb),
  cometchat.health_process_queue(jsonb),
  cometchat.health_queue(jsonb),
  cometchat.health_rate_limit(jsonb),
  cometchat.health_recent(jsonb),
  cometchat.health_replication(jsonb),
  cometchat.health_row_security(jsonb),
  cometchat.health_sending(jsonb),
  cometchat.health_trigger_errors(jsonb),
  cometchat.health_triggers(jsonb),
  cometchat.health_versions(jsonb),
  cometchat.health_worker(jsonb),
  cometchat.is_copy(),
  cometchat.is_unchanged(uuid, bigint),
  cometchat.health_write_access(jsonb),
  cometchat.list_all_remote_users(),
  cometchat.list_auth_users(uuid, integer),
  cometchat.list_missing_users(text),
  cometchat.list_remote_users(integer, integer),
  cometchat.make_throttled_due(),
  cometchat.mark_backlog(uuid[]),
  cometchat.mark_due(uuid, text),
  cometchat.owns_mapping_table(),
  cometchat.probe_api(),
  cometchat.process_queue_is_recent(),
  cometchat.region_hint(jsonb),
  cometchat.remove_foreign_key(),
  cometchat.request_stats(),
  cometchat.requeue_missed(),
  cometchat.reset_commands(text, text),
  cometchat.restrict(),
  cometchat.resync_users(uuid[]),
  cometchat.settle_here(),
  cometchat.show_progress(text),
  cometchat.setting_command(jsonb, text, text),
  cometchat.start_worker(),
  cometchat.wake(),
  cometchat.worker_status()
TO cometchat_ext;

-- pg_dump reads each table that it saves. The others are granted to all operators.
DO $block$
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'postgres' AND NOT rolsuper) THEN
    GRANT SELECT ON cometchat.pauses TO postgres;
  END IF;
END
$block$;

-- An event trigger, or a script that hardens a database, may turn row security on for every table there is. These
-- belong to the superuser, so it would apply to the extension.
DO $block$
DECLARE
  ours name;
BEGIN
  FOR ours IN SELECT c.relname FROM pg_catalog.pg_class AS c
              WHERE c.relnamespace = 'cometchat'::pg_catalog.regnamespace AND c.relkind = 'r' LOOP
    EXECUTE pg_catalog.format('ALTER TABLE cometchat.%I DISABLE ROW LEVEL SECURITY', ours);
    EXECUTE pg_catalog.format('CREATE POLICY cometchat_extension ON cometchat.%I TO cometchat_ext '
      'USING (true) WITH CHECK (true)', ours);
    EXECUTE pg_catalog.format('COMMENT ON POLICY cometchat_extension ON cometchat.%I IS %L', ours,
      'The extension itself sees and changes every row, should somebody turn row security on.');
  END LOOP;
END
$block$;
