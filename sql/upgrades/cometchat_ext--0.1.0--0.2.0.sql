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

-- What changed goes here, in the order of the files in sql/ (there is nothing yet).

-- Privileges of the objects that are new, as in ../grants.sql: first no role has any, then the right ones get theirs.
-- Objects that were there keep what they have, which an operator may have changed.
DO $block$
DECLARE
  new_routines pg_catalog.regprocedure[] := ARRAY[
    -- 'cometchat.name(uuid)'
  ]::pg_catalog.regprocedure[];
  new_relations pg_catalog.regclass[] := ARRAY[
    -- 'cometchat.name'
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
    NULL; -- EXECUTE pg_catalog.format('GRANT SELECT ON cometchat.name TO %I', grantee);
  END LOOP;
END
$block$;
-- As in ../native/grants.sql: GRANT EXECUTE ON FUNCTION cometchat.name(uuid) TO cometchat_ext;
