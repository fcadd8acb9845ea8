-- Checks that the names are free, and creates the private schema.

-- SECURITY: a user who may create objects in public must not have them called by the superuser who
-- creates the extension: an operator for exactly our types, say, would be preferred to pg_catalog's.
SET LOCAL search_path = pg_catalog, pg_temp;

-- An app that has such a table of its own has a server route, as a rule; docs/migrate.md replaces it.
DO $block$
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_class AS c
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
             WHERE n.nspname = 'public' AND c.relname = 'cometchat_users') THEN
    RAISE duplicate_table USING MESSAGE = 'relation "public.cometchat_users" already exists',
      DETAIL = 'The extension creates a table of this name and does not replace an existing one.',
      HINT = 'docs/migrate.sql of cometchat_ext moves it to another schema, creates the extension, and '
             'copies its rows and tokens; see docs/migrate.md.';
  END IF;
  IF EXISTS (SELECT FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'cometchat') THEN
    RAISE duplicate_schema USING MESSAGE = 'schema "cometchat" already exists',
      HINT = 'Rename it: ALTER SCHEMA cometchat RENAME TO cometchat_before_ext; see docs/migrate.md.';
  END IF;
END
$block$;

CREATE SCHEMA cometchat;
COMMENT ON SCHEMA cometchat IS
  'CometChat for operators: queue, state and switches. Do not expose it through PostgREST.';
