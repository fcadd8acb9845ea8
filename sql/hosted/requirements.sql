-- What the hosted edition stands on, checked before anything is created: each error says how to mend it.

SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL client_min_messages = warning;
SET LOCAL check_function_bodies = off;

DO $block$
DECLARE
  owner name := (SELECT pg_catalog.pg_get_userbyid(n.nspowner) FROM pg_catalog.pg_namespace AS n
                 WHERE n.nspname = 'cometchat');
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_extension AS e WHERE e.extname = 'cometchat_ext') THEN
    RAISE duplicate_object USING MESSAGE = 'the extension cometchat_ext is installed in this database',
      HINT = 'It has everything that this file would bring; docs/hosted.md says how to move.';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_extension AS e WHERE e.extname = 'http') THEN
    RAISE undefined_object USING MESSAGE = 'extension "http" is not installed',
      HINT = 'CREATE EXTENSION http WITH SCHEMA extensions; then run this file again.';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_extension AS e WHERE e.extname = 'pg_cron') THEN
    RAISE undefined_object USING MESSAGE = 'extension "pg_cron" is not installed',
      HINT = 'CREATE EXTENSION pg_cron; then run this file again.';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                 WHERE n.nspname = 'vault' AND c.relname = 'decrypted_secrets') THEN
    RAISE undefined_object USING MESSAGE = 'the Vault is not installed',
      HINT = 'CREATE EXTENSION supabase_vault CASCADE; then run this file again.';
  END IF;
  -- SECURITY: whoever owns the schema could have put functions of their own into it.
  IF owner <> current_user THEN
    RAISE insufficient_privilege USING
      MESSAGE = pg_catalog.format('schema "cometchat" belongs to %s', owner),
      HINT = 'Run this file as the role that installed it.';
  END IF;
  IF owner IS NULL AND EXISTS (SELECT FROM pg_catalog.pg_class AS c
                               JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                               WHERE n.nspname = 'public' AND c.relname = 'cometchat_users') THEN
    RAISE duplicate_table USING MESSAGE = 'relation "public.cometchat_users" already exists',
      HINT = 'Rename it, run this file, and copy its rows; see docs/hosted.md.';
  END IF;
END
$block$;

CREATE SCHEMA IF NOT EXISTS cometchat;
COMMENT ON SCHEMA cometchat IS
  'CometChat for operators: queue, state and switches. Do not expose it through PostgREST.';
