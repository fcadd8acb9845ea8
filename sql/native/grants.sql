-- Privileges of the extension's own role. After sql/grants.sql, which revokes all others.
--
-- SECURITY: not EXECUTE on enqueue(), which makes its callers trusted.

GRANT USAGE ON SCHEMA cometchat TO cometchat_ext;
GRANT SELECT, INSERT, UPDATE, DELETE ON cometchat.sync_state, cometchat.trigger_misses TO cometchat_ext;
GRANT SELECT, UPDATE ON cometchat.control TO cometchat_ext;
GRANT SELECT, INSERT, DELETE ON cometchat.pauses TO cometchat_ext;
GRANT SELECT, USAGE ON SEQUENCE cometchat.trigger_failures TO cometchat_ext;
GRANT SELECT ON cometchat.failed_users TO cometchat_ext;
GRANT EXECUTE ON FUNCTION
  cometchat.add_foreign_key(),
  cometchat.auth_users_id_is_uuid(),
  cometchat.auth_users_oid(),
  cometchat.backfill(),
  cometchat.backfill_page(uuid, integer, text),
  cometchat.calling_role(),
  cometchat.check_auth_users(),
  cometchat.check_profile(text),
  cometchat.configuration(),
  cometchat.create_auth_triggers(),
  cometchat.create_foreign_key(),
  cometchat.diff_all_auth_users(boolean),
  cometchat.diff_auth_users(uuid, integer, boolean),
  cometchat.diff_remote_users(),
  cometchat.drop_auth_triggers(),
  cometchat.has_auth_users(),
  cometchat.health_api(jsonb, jsonb),
  cometchat.health_auth_trigger(),
  cometchat.health_auth_users(),
  cometchat.health_extension(jsonb),
  cometchat.health_foreign_key(),
  cometchat.health_missed_changes(),
  cometchat.health_process_queue(jsonb),
  cometchat.health_queue(),
  cometchat.health_sending(jsonb),
  cometchat.health_worker(jsonb),
  cometchat.list_all_remote_users(),
  cometchat.list_auth_users(uuid, integer),
  cometchat.list_missing_users(text),
  cometchat.list_remote_users(integer, integer),
  cometchat.make_throttled_due(),
  cometchat.mark_due(uuid, text),
  cometchat.owns_mapping_table(),
  cometchat.process_queue_is_recent(),
  cometchat.remove_foreign_key(),
  cometchat.requeue_missed(),
  cometchat.restrict(),
  cometchat.resync_users(uuid[]),
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
