-- What pg_dump saves. It leaves out the rows of an extension's tables unless told otherwise.
--
-- Not cometchat.control and the counter: a restored database starts without them. An operator's pause is in
-- a table of its own, since CREATE EXTENSION makes the one row of control, and a second cannot be loaded.

CREATE TABLE cometchat.pauses (
  paused_at timestamptz PRIMARY KEY
);
COMMENT ON TABLE cometchat.pauses IS
  'One row while cometchat.pause() is in force: what pg_dump saves of it. A restored database is paused, too.';
COMMENT ON COLUMN cometchat.pauses.paused_at IS 'When it was called.';

CREATE FUNCTION cometchat.on_pause_changed() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  IF NEW.paused THEN
    INSERT INTO cometchat.pauses (paused_at) VALUES (COALESCE(NEW.paused_at, pg_catalog.now()))
    ON CONFLICT DO NOTHING;
  ELSE
    DELETE FROM cometchat.pauses AS p WHERE p.paused_at IS NOT NULL;
  END IF;
  RETURN NULL;
END
$function$;
COMMENT ON FUNCTION cometchat.on_pause_changed() IS
  'Trigger function: notes for pg_dump that cometchat.pause() or resume() was called.';

CREATE FUNCTION cometchat.on_pause_restored() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  UPDATE cometchat.control AS c SET paused = true, paused_at = NEW.paused_at
  WHERE c.only_row AND NOT c.paused;
  RETURN NULL;
END
$function$;
COMMENT ON FUNCTION cometchat.on_pause_restored() IS
  'Trigger function: pauses a database into which a pause is loaded.';

CREATE TRIGGER cometchat_pause AFTER UPDATE OF paused ON cometchat.control
FOR EACH ROW WHEN (OLD.paused IS DISTINCT FROM NEW.paused) EXECUTE FUNCTION cometchat.on_pause_changed();
CREATE TRIGGER cometchat_pause AFTER INSERT ON cometchat.pauses
FOR EACH ROW EXECUTE FUNCTION cometchat.on_pause_restored();
-- Tools load data with session_replication_role = replica. (Not so the other: where both tables are replicated, the
-- subscriber's row comes from the publisher.)
ALTER TABLE cometchat.pauses ENABLE ALWAYS TRIGGER cometchat_pause;

SELECT pg_catalog.pg_extension_config_dump('public.cometchat_users', '');
SELECT pg_catalog.pg_extension_config_dump('public.cometchat_users_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('cometchat.sync_state', '');
SELECT pg_catalog.pg_extension_config_dump('cometchat.trigger_misses', '');
SELECT pg_catalog.pg_extension_config_dump('cometchat.running_backfill', '');
SELECT pg_catalog.pg_extension_config_dump('cometchat.home', '');
SELECT pg_catalog.pg_extension_config_dump('cometchat.pauses', '');
