-- From the extension to the hosted edition, first half: keeps what the extension knows in the schema
-- cometchat_moved, and drops the extension. For a superuser, in the database that is then dumped, or in the same.
--
-- The second half: run cometchat_hosted.sql, set app_id and region, and run move_in.sql; see docs/hosted.md.
BEGIN;
-- auth.users is locked for a moment: who cannot have it soon must not keep sign-ups waiting. Try again then.
SET LOCAL lock_timeout = '2s';
SET LOCAL search_path = pg_catalog, pg_temp;
CREATE SCHEMA cometchat_moved;
REVOKE ALL ON SCHEMA cometchat_moved FROM PUBLIC;
CREATE TABLE cometchat_moved.cometchat_users AS SELECT * FROM public.cometchat_users;
CREATE TABLE cometchat_moved.sync_state AS SELECT * FROM cometchat.sync_state;
CREATE TABLE cometchat_moved.trigger_misses AS SELECT * FROM cometchat.trigger_misses;
CREATE TABLE cometchat_moved.running_backfill AS SELECT * FROM cometchat.running_backfill;
CREATE TABLE cometchat_moved.attached AS
  SELECT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = 'auth.users'::regclass
                   AND t.tgname = 'cometchat_insert') AS is_attached;
DROP EXTENSION cometchat_ext;
DO $block$
BEGIN
  IF EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = 'postgres') THEN
    GRANT USAGE ON SCHEMA cometchat_moved TO postgres;
    GRANT SELECT ON ALL TABLES IN SCHEMA cometchat_moved TO postgres;
  END IF;
END
$block$;
COMMIT;
