-- Who may do what: every object of the extension and every role, those that may do nothing included.
\getenv srcdir PG_ABS_SRCDIR
CREATE ROLE spec_app;
\set ECHO none
\i :srcdir/privileges.inc
\set ECHO all

-- spec_app is any role: it has what PUBLIC has. authd, authr, dashb, auth, storage and reader are
-- authenticated, authenticator, dashboard_user, supabase_auth_admin, supabase_storage_admin and
-- supabase_read_only_user; the last one and postgres may read all data, as pg_read_all_data does.
TABLE matrix;

-- No privileges for PUBLIC, no grant options, no privileges on columns.
SELECT count(*) FILTER (WHERE a.grantee = 0) AS to_public, count(*) FILTER (WHERE a.is_grantable) AS grantable,
       string_agg(DISTINCT a.grantee::regrole::text, ', ') AS to_whom
FROM ours, aclexplode(acl) AS a WHERE a.grantee <> owner;
SELECT count(*) FILTER (WHERE acl IS NULL) AS with_default_privileges, count(DISTINCT owner) AS owners,
       bool_and(rolsuper) AS a_superusers
FROM ours JOIN pg_roles ON pg_roles.oid = owner;
SELECT count(*) AS columns_with_privileges FROM ours JOIN pg_attribute ON attrelid = object AND class = 'pg_class'::regclass
WHERE attacl IS NOT NULL;

-- Row security.
SELECT name AS table, relrowsecurity AS row_security, polname AS policy, polcmd AS cmd, polpermissive AS permissive,
       ARRAY(SELECT CASE r WHEN 0 THEN 'PUBLIC' ELSE r::regrole::text END FROM unnest(polroles) AS r) AS roles
FROM ours JOIN pg_class AS c ON c.oid = object AND kind = 'r' LEFT JOIN pg_policy ON polrelid = c.oid
ORDER BY name COLLATE "C", polname;

-- Settings: which ones every user may set; no role was granted the others.
SELECT context, string_agg(replace(name, 'cometchat.', ''), ' ' ORDER BY name) AS settings
FROM pg_settings WHERE name LIKE 'cometchat.%' GROUP BY context ORDER BY context;
SELECT count(*) AS granted_settings FROM pg_parameter_acl WHERE parname LIKE 'cometchat.%';

-- On a plain database, whose owner is no superuser, with nothing granted by default.
CREATE DATABASE plain_matrix TEMPLATE template0 OWNER postgres;
\connect plain_matrix
CREATE EXTENSION cometchat_ext;
\set ECHO none
\i :srcdir/privileges.inc
\set ECHO all
TABLE matrix;

-- The same where default privileges grant everything to every role, with grant option.
CREATE TABLE before AS TABLE matrix;
SET client_min_messages = warning;
DROP EXTENSION cometchat_ext CASCADE;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON ROUTINES TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO spec_app WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO spec_app WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES GRANT ALL ON ROUTINES TO spec_app WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO spec_app WITH GRANT OPTION;
CREATE EXTENSION cometchat_ext;
\connect plain_matrix
\set ECHO none
\i :srcdir/privileges.inc
\set ECHO all
SELECT * FROM matrix EXCEPT SELECT * FROM before;
SELECT count(*) FILTER (WHERE a.grantee = 0) AS to_public, count(*) FILTER (WHERE a.is_grantable) AS grantable
FROM ours, aclexplode(acl) AS a WHERE a.grantee <> owner;

\connect spec
DROP DATABASE plain_matrix WITH (FORCE);
DROP ROLE spec_app;
