-- Makes of a database of 0.1.0 what CREATE EXTENSION of 0.2.0 creates. docs/recipes.md, "A SQL object", says
-- what belongs here; tests/scenarios/tests/upgrade.rs compares the two, object by object.

-- SECURITY: as in ../schema.sql.
SET LOCAL search_path = pg_catalog, pg_temp;

-- A preloaded library is that of the server's last start: of a new function in C it would not know.
DO $block$
DECLARE
  library text := cometchat.worker_status() ->> 'library_version';
BEGIN
  IF pg_catalog.string_to_array(library, '.')::integer[] < ARRAY[0, 2, 0] THEN
    RAISE object_not_in_prerequisite_state USING
      MESSAGE = pg_catalog.format('the library that is loaded is cometchat_ext %s', library),
      DETAIL = 'The update is for the library of 0.2.0.',
      HINT = 'Restart the server (or, where the library is not preloaded, connect again), then repeat the command.';
  END IF;
END
$block$;

-- What changed, in the order of the files in sql/.

-- auth_users.sql: a user who is not in auth.users is a warning, not an error.
CREATE OR REPLACE FUNCTION cometchat.add_foreign_key() RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off
SET lock_timeout = '5s'
AS $function$
BEGIN
  IF NOT cometchat.has_auth_users() THEN
    RETURN false;
  END IF;
  UPDATE cometchat.control SET expects_auth_users = true WHERE only_row AND NOT expects_auth_users;
  PERFORM cometchat.create_foreign_key();
  RETURN true;
EXCEPTION
  WHEN invalid_foreign_key OR undefined_column OR datatype_mismatch OR insufficient_privilege THEN
    RAISE WARNING 'foreign key from cometchat_users to auth.users was not created'
      USING DETAIL = SQLERRM, HINT = 'auth.users needs a primary key (id uuid).';
    RETURN false;
  -- cometchat_users is older than auth.users, say.
  WHEN foreign_key_violation THEN
    RAISE WARNING 'foreign key from cometchat_users to auth.users was not created'
      USING DETAIL = 'cometchat_users has users who are not in auth.users.',
            HINT = 'Nothing else needs the key. To have it, insert them into auth.users or delete their rows, '
                   'then SELECT cometchat.enable_auth_trigger();';
    RETURN false;
END
$function$;

-- native/dump.sql: an operator's pause is dumped.
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
-- Tools load data with session_replication_role = replica.
ALTER TABLE cometchat.control ENABLE ALWAYS TRIGGER cometchat_pause;
ALTER TABLE cometchat.pauses ENABLE ALWAYS TRIGGER cometchat_pause;
SELECT pg_catalog.pg_extension_config_dump('cometchat.pauses', '');
INSERT INTO cometchat.pauses (paused_at)
SELECT COALESCE(c.paused_at, pg_catalog.now()) FROM cometchat.control AS c WHERE c.paused;

-- Privileges of the objects that are new, as in ../grants.sql: first no role has any, then the right ones get theirs.
-- Objects that were there keep what they have, which an operator may have changed.
DO $block$
DECLARE
  new_routines pg_catalog.regprocedure[] := ARRAY[
    'cometchat.on_pause_changed()', 'cometchat.on_pause_restored()'
  ]::pg_catalog.regprocedure[];
  new_relations pg_catalog.regclass[] := ARRAY[
    'cometchat.pauses'
  ]::pg_catalog.regclass[];
  object record;
  grantee text;
BEGIN
  FOR object IN
    SELECT 'ROUTINE' AS kind, p.oid::pg_catalog.regprocedure::text AS name, a.grantee
    FROM pg_catalog.pg_proc AS p,
         pg_catalog.aclexplode(COALESCE(p.proacl, pg_catalog.acldefault('f', p.proowner))) AS a
    WHERE p.oid = ANY (new_routines) AND a.grantee <> p.proowner
    UNION
    SELECT 'TABLE', c.oid::pg_catalog.regclass::text, a.grantee
    FROM pg_catalog.pg_class AS c,
         pg_catalog.aclexplode(COALESCE(c.relacl, pg_catalog.acldefault('r', c.relowner))) AS a
    WHERE c.oid = ANY (new_relations) AND a.grantee <> c.relowner
  LOOP
    EXECUTE pg_catalog.format('REVOKE ALL ON %s %s FROM %s CASCADE', object.kind, object.name,
      CASE object.grantee WHEN 0 THEN 'PUBLIC' ELSE object.grantee::pg_catalog.regrole::text END);
  END LOOP;
  FOR grantee IN
    SELECT rolname FROM pg_catalog.pg_roles WHERE rolname IN ('postgres', 'service_role') AND NOT rolsuper
  LOOP
    IF grantee = 'postgres' THEN
      GRANT SELECT ON cometchat.pauses TO postgres; -- for pg_dump
    END IF;
  END LOOP;
END
$block$;
-- As in ../native/grants.sql.
GRANT SELECT, INSERT, DELETE ON cometchat.pauses TO cometchat_ext;
