-- The role that postgres_exporter connects as: it reads figures about the sync, and nothing about a person.
-- Run it as a superuser in each database that has the extension; then give the role a way to log in.

DO $block$
BEGIN
  CREATE ROLE cometchat_monitor LOGIN;
EXCEPTION WHEN duplicate_object THEN
  NULL; -- from another database
END
$block$;
GRANT pg_monitor TO cometchat_monitor;
GRANT USAGE ON SCHEMA cometchat TO cometchat_monitor;
GRANT SELECT ON cometchat.progress, cometchat.stats, cometchat.reconcile_progress TO cometchat_monitor;
-- Three columns of the queue: names and addresses are in others.
GRANT SELECT (next_attempt_at, claim, backlog) ON cometchat.sync_state TO cometchat_monitor;
GRANT EXECUTE ON FUNCTION cometchat.worker_status(), cometchat.health() TO cometchat_monitor;
