-- What the extension puts into a database, and who may use it. This is the public contract:
-- names, types and defaults are only ever added to.
SET search_path = public;

\d cometchat_users

-- Three functions. Not strict: NULL is an argument like any other. Definers with a fixed path.
SELECT proname AS function, pg_get_function_arguments(oid) AS arguments,
       pg_get_function_result(oid) AS returns
FROM pg_proc WHERE proname LIKE 'cometchat\_%' AND pronamespace = 'public'::regnamespace ORDER BY 1;
SELECT bool_and(prosecdef) AS definers, bool_and('search_path=pg_catalog, pg_temp' = ANY (proconfig)) AS path_is_fixed,
       bool_and(provolatile = 'v') AS volatile, bool_and(proparallel = 'u') AS not_parallel,
       bool_or(proisstrict) AS strict
FROM pg_proc WHERE proname LIKE 'cometchat\_%' AND pronamespace = 'public'::regnamespace;

-- Only a superuser creates it: the API key is the whole server's.
SELECT superuser, trusted, relocatable, schema, requires
FROM pg_available_extension_versions WHERE name = 'cometchat_ext' AND installed;

-- Privileges, beyond the owner's. Supabase's default privileges would have given everything to anon
-- and authenticated.
SELECT c.oid::regclass AS relation, a.grantee::regrole,
       string_agg(lower(a.privilege_type), ', ' ORDER BY a.privilege_type) AS may
FROM pg_class AS c, aclexplode(c.relacl) AS a
WHERE (c.relnamespace = 'cometchat'::regnamespace OR c.relname LIKE 'cometchat\_users%')
  AND c.relkind IN ('r', 'S') AND a.grantee <> c.relowner
GROUP BY c.oid, a.grantee ORDER BY c.oid::regclass::text, a.grantee::regrole::text;
SELECT p.oid::regprocedure AS function,
       string_agg(who, ', ' ORDER BY who) AS may_execute
FROM pg_proc AS p LEFT JOIN aclexplode(p.proacl) AS a ON a.grantee <> p.proowner
LEFT JOIN LATERAL (SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END) AS w(who) ON true
WHERE p.pronamespace = 'cometchat'::regnamespace
   OR (p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'cometchat\_%')
GROUP BY p.oid ORDER BY p.oid::regprocedure::text;
SELECT a.grantee::regrole AS role, a.privilege_type AS on_schema_cometchat
FROM pg_namespace AS n, aclexplode(n.nspacl) AS a
WHERE n.nspname = 'cometchat' AND a.grantee <> n.nspowner ORDER BY a.grantee::regrole::text;

-- Everything says what it is for.
SELECT count(*) AS without_comment
FROM pg_depend AS d
WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'cometchat_ext') AND d.deptype = 'e'
  AND d.classid IN ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_namespace'::regclass)
  AND (d.classid <> 'pg_class'::regclass OR (SELECT relkind FROM pg_class WHERE oid = d.objid) <> 'S')
  AND obj_description(d.objid, d.classid::regclass::text) IS NULL;

-- Settings. What decides where the key goes, or what it is, takes a superuser.
SELECT name, context, unit, boot_val FROM pg_settings WHERE name LIKE 'cometchat.%' ORDER BY name;

-- A misspelled setting is an error, not a new setting.
SET cometchat.apikey = 'x';
SET ROLE authenticated;
SET cometchat.api_base_url = 'https://evil.example';
-- The message differs between versions.
\set VERBOSITY sqlstate
SET cometchat.request_timeout = '1h';
\set VERBOSITY default
RESET ROLE;

-- The key can be set in the configuration file only, and is never shown.
SET cometchat.api_key = 'x';
ALTER SYSTEM SET cometchat.api_key = 'x';
SHOW cometchat.api_key;

-- One's own row, read-only.
INSERT INTO auth.users (id) VALUES ('00000000-0000-4000-8000-00000000c0a1'), ('00000000-0000-4000-8000-00000000c0a2');
INSERT INTO cometchat_users (user_id, cometchat_uid) SELECT id, id FROM auth.users;
SET ROLE authenticated;
SET request.jwt.claims = '{"sub": "00000000-0000-4000-8000-00000000c0a1", "role": "authenticated"}';
SELECT user_id FROM cometchat_users;
UPDATE cometchat_users SET cometchat_uid = 'mallory' WHERE true;
DELETE FROM cometchat_users WHERE true;
SET request.jwt.claims = '{"sub": "not-a-uuid", "role": "authenticated"}';
SELECT count(*) FROM cometchat_users;
SET request.jwt.claims = '';
SELECT count(*) FROM cometchat_users;
SET ROLE anon;
SELECT count(*) FROM cometchat_users;
SELECT cometchat_ensure_user();
SET ROLE service_role;
SELECT count(*) FROM cometchat_users;
-- Nor does a client see the operators' schema.
SET ROLE authenticated;
SELECT count(*) FROM cometchat.sync_state;
RESET ROLE;

-- A mapping goes with its user.
DELETE FROM auth.users WHERE id::text LIKE '%c0a_';
SELECT count(*) FROM cometchat_users;
