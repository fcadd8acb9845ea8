-- What the hosted edition stands on, checked before anything is created: each error says how to mend it.

SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL client_min_messages = warning;
SET LOCAL check_function_bodies = off;
SET LOCAL standard_conforming_strings = on;

DO $block$
DECLARE
  owner name := (SELECT pg_catalog.pg_get_userbyid(n.nspowner) FROM pg_catalog.pg_namespace AS n
                 WHERE n.nspname = 'cometchat');
BEGIN
  IF pg_catalog.current_setting('server_version_num')::int < 150000 THEN
    RAISE feature_not_supported USING MESSAGE = 'PostgreSQL 15 or later is required',
      HINT = 'Upgrade the project in the dashboard: Settings, Infrastructure.';
  END IF;
  IF pg_catalog.getdatabaseencoding() <> 'UTF8' THEN
    RAISE feature_not_supported USING MESSAGE = 'the database''s encoding must be UTF8';
  END IF;
  IF EXISTS (SELECT FROM pg_catalog.pg_extension AS e WHERE e.extname = 'cometchat_ext') THEN
    RAISE duplicate_object USING MESSAGE = 'the extension cometchat_ext is installed in this database',
      HINT = 'It has everything that this file would bring; docs/hosted.md says how to move.';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_extension AS e WHERE e.extname = 'http') THEN
    RAISE undefined_object USING MESSAGE = 'extension "http" is not installed',
      HINT = 'CREATE EXTENSION http WITH SCHEMA extensions; then run this file again.';
  END IF;
  -- An extension's, or a superuser's as in a test: nobody else's function would run our jobs.
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_proc AS p
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
                 JOIN pg_catalog.pg_roles AS r ON r.oid = p.proowner
                 WHERE n.nspname = 'cron' AND p.proname = 'schedule' AND p.pronargs = 3 AND r.rolsuper) THEN
    RAISE undefined_object USING MESSAGE = 'extension "pg_cron" is not installed',
      HINT = 'CREATE EXTENSION pg_cron; then run this file again.';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                 WHERE n.nspname = 'vault' AND c.relname = 'decrypted_secrets') THEN
    RAISE undefined_object USING MESSAGE = 'the Vault is not installed',
      HINT = 'CREATE EXTENSION supabase_vault CASCADE; then run this file again.';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                 WHERE n.nspname = 'auth' AND c.relname = 'users' AND c.relkind IN ('r', 'p')) THEN
    RAISE undefined_table USING MESSAGE = 'there is no table auth.users',
      HINT = 'This file is for a Supabase project. Elsewhere install the extension cometchat_ext.';
  END IF;
  -- Who sees no user would take everybody for deleted.
  IF pg_catalog.has_schema_privilege('auth', 'USAGE') AND pg_catalog.row_security_active('auth.users') THEN
    RAISE insufficient_privilege USING
      MESSAGE = pg_catalog.format('row security hides auth.users from the role %s', CURRENT_USER),
      HINT = 'Run this file as the role postgres, which bypasses row security on supabase.com: SET ROLE postgres;';
  END IF;
  -- SECURITY: a superuser's rights would be those of every function here.
  IF (SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname = CURRENT_USER) THEN
    RAISE insufficient_privilege USING MESSAGE = 'this file must not be run by a superuser',
      HINT = 'Run it as the role postgres: SET ROLE postgres;';
  END IF;
  -- SECURITY: whoever owns the schema could have put functions of their own into it.
  IF owner <> CURRENT_USER THEN
    RAISE insufficient_privilege USING
      MESSAGE = pg_catalog.format('schema "cometchat" belongs to %s', owner),
      HINT = 'Run this file as the role that installed it.';
  END IF;
  -- SECURITY: and whoever may create in it.
  IF EXISTS (SELECT FROM pg_catalog.pg_namespace AS n, LATERAL pg_catalog.aclexplode(n.nspacl) AS a
             WHERE n.nspname = 'cometchat' AND a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner) THEN
    RAISE insufficient_privilege USING MESSAGE = 'other roles may create objects in schema "cometchat"',
      HINT = 'REVOKE CREATE ON SCHEMA cometchat FROM these roles, and look for objects of theirs.';
  END IF;
  IF owner IS NULL AND EXISTS (SELECT FROM pg_catalog.pg_class AS c
                               JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                               WHERE n.nspname = 'public' AND c.relname = 'cometchat_users') THEN
    RAISE duplicate_table USING MESSAGE = 'relation "public.cometchat_users" already exists',
      HINT = 'ALTER TABLE public.cometchat_users RENAME TO cometchat_users_before; run this file again, '
             'and copy its rows: see docs/hosted.md.';
  END IF;
END
$block$;

CREATE SCHEMA IF NOT EXISTS cometchat;
COMMENT ON SCHEMA cometchat IS
  'CometChat for operators: queue, state and switches. Do not expose it through PostgREST.';

-- An older version's functions may have other arguments or results. What an app's own object depends on stays,
-- and is replaced below; trigger functions are always replaced, so that their triggers stay.
DO $block$
DECLARE
  old record;
BEGIN
  FOR old IN
    SELECT 1 AS n, 'VIEW' AS kind, c.oid::pg_catalog.regclass::text AS name FROM pg_catalog.pg_class AS c
    WHERE c.relnamespace = 'cometchat'::pg_catalog.regnamespace AND c.relkind = 'v'
    UNION ALL
    SELECT 2, 'ROUTINE', p.oid::pg_catalog.regprocedure::text FROM pg_catalog.pg_proc AS p
    WHERE p.pronamespace = 'cometchat'::pg_catalog.regnamespace
      AND p.prorettype <> 'pg_catalog.trigger'::pg_catalog.regtype
    ORDER BY 1
  LOOP
    BEGIN
      EXECUTE pg_catalog.format('DROP %s %s', old.kind, old.name);
    EXCEPTION WHEN dependent_objects_still_exist THEN
      NULL;
    END;
  END LOOP;
END
$block$;
