-- What cometchat.health() reads of the catalogs before it gives up its owner's rights: which other
-- roles' settings, sessions and locks there are.
--
-- SECURITY: catalogs only. No value of a setting of ours is read.

CREATE FUNCTION cometchat.setting_facts() RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT COALESCE(pg_catalog.jsonb_object_agg(s.name, pg_catalog.jsonb_build_object(
           'source', s.source, 'file', s.sourcefile, 'line', s.sourceline)), '{}')
  FROM pg_catalog.pg_settings AS s
  WHERE s.source <> 'default'
    AND (s.name ~ '^cometchat[.]'
         OR s.name IN ('default_transaction_read_only', 'session_replication_role', 'jit'))
$function$;
COMMENT ON FUNCTION cometchat.setting_facts() IS
  'Where the session has its settings from, for cometchat.health(). Never a value.';

CREATE FUNCTION cometchat.lock_facts() RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
           'relation', l.relation::regclass, 'mode', l.mode, 'pid', l.pid, 'role', a.usename,
           'state', a.state, 'prepared', p.gid,
           'seconds', pg_catalog.round(EXTRACT(epoch FROM pg_catalog.clock_timestamp()
                                       - COALESCE(a.xact_start, p.prepared))))
         ORDER BY l.pid, l.relation)
  FROM pg_catalog.pg_locks AS l
  JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
  LEFT JOIN pg_catalog.pg_locks AS x ON l.pid IS NULL AND x.pid IS NULL AND x.locktype = 'transactionid'
   AND x.granted AND x.virtualtransaction = l.virtualtransaction
  LEFT JOIN pg_catalog.pg_prepared_xacts AS p ON p.transaction = x.transactionid
  WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d
                      WHERE d.datname = pg_catalog.current_database())
    -- those that stop a reader, or a writer
    AND l.mode IN ('AccessExclusiveLock', 'ExclusiveLock', 'ShareRowExclusiveLock', 'ShareLock')
    AND ((n.nspname = 'cometchat' AND c.relkind IN ('r', 'S'))
         OR (n.nspname = 'public' AND c.relname = 'cometchat_users')
         OR (n.nspname = 'auth' AND c.relname = 'users'))
$function$;
COMMENT ON FUNCTION cometchat.lock_facts() IS
  'Sessions that have locked a table which the extension needs, for cometchat.health().';

-- A session that may be what ends the worker again and again. SECURITY: its number, not its statement.
CREATE FUNCTION cometchat.terminator() RETURNS integer
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT a.pid FROM pg_catalog.pg_stat_activity AS a
  WHERE a.backend_type = 'client backend' AND a.pid <> pg_catalog.pg_backend_pid()
    AND a.query ~* 'pg_terminate_backend'
  ORDER BY a.query_start DESC LIMIT 1
$function$;
COMMENT ON FUNCTION cometchat.terminator() IS
  'The session whose latest statement calls pg_terminate_backend(), for cometchat.health().';

-- What was granted when the extension was created or updated is what pg_init_privs has: sql/grants.sql
-- and sql/native/grants.sql are the one list.
CREATE FUNCTION cometchat.grant_facts() RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  WITH objects AS (
    SELECT p.oid, d.classid, 'ROUTINE' AS kind, p.oid::regprocedure::text AS name, p.proacl AS acl,
           pg_catalog.acldefault('f', p.proowner) AS standard
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
    JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'cometchat_ext'
    WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
    UNION ALL
    SELECT c.oid, d.classid, CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
           c.oid::regclass::text, c.relacl,
           pg_catalog.acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner)
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
    JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'cometchat_ext'
    WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND c.relkind IN ('r', 'v', 'S')
    UNION ALL
    SELECT n.oid, 'pg_namespace'::regclass, 'SCHEMA', n.oid::regnamespace::text, n.nspacl,
           pg_catalog.acldefault('n', n.nspowner)
    FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'cometchat'
  ), shipped AS (
    SELECT o.kind, o.name, a.grantee, a.privilege_type
    FROM objects AS o
    LEFT JOIN pg_catalog.pg_init_privs AS i
      ON i.objoid = o.oid AND i.classoid = o.classid AND i.objsubid = 0,
    LATERAL pg_catalog.aclexplode(COALESCE(i.initprivs, o.standard)) AS a
  ), found AS (
    SELECT o.kind, o.name, a.grantee, a.privilege_type
    FROM objects AS o, LATERAL pg_catalog.aclexplode(COALESCE(o.acl, o.standard)) AS a
  ), clients AS (
    SELECT 0::oid AS oid, 'PUBLIC' AS name
    UNION ALL SELECT r.oid, pg_catalog.quote_ident(r.rolname) FROM pg_catalog.pg_roles AS r
    WHERE r.rolname IN ('anon', 'authenticated')
  ), wrong AS (
    SELECT pg_catalog.format('%I lacks %s on %s', r.rolname, s.privilege_type, s.name) AS what,
           pg_catalog.format('GRANT %s ON %s %s TO %I;', s.privilege_type, s.kind, s.name, r.rolname)
             AS mend
    FROM (SELECT * FROM shipped EXCEPT SELECT * FROM found) AS s
    JOIN pg_catalog.pg_roles AS r ON r.oid = s.grantee AND NOT r.rolsuper
    UNION ALL
    SELECT pg_catalog.format('%s has %s on %s', c.name, f.privilege_type, f.name),
           pg_catalog.format('REVOKE %s ON %s %s FROM %s CASCADE;', f.privilege_type, f.kind, f.name,
                             c.name)
    FROM (SELECT * FROM found EXCEPT SELECT * FROM shipped) AS f JOIN clients AS c ON c.oid = f.grantee
    UNION ALL
    SELECT pg_catalog.format('%s has %s on column %I of %s', c.name, a.privilege_type, t.attname, o.name),
           pg_catalog.format('REVOKE %s (%I) ON TABLE %s FROM %s CASCADE;', a.privilege_type, t.attname,
                             o.name, c.name)
    FROM objects AS o
    JOIN pg_catalog.pg_attribute AS t ON o.kind = 'TABLE' AND t.attrelid = o.oid,
    LATERAL pg_catalog.aclexplode(t.attacl) AS a JOIN clients AS c ON c.oid = a.grantee
    UNION ALL
    SELECT pg_catalog.format('%I may not use the schema public', r.rolname),
           pg_catalog.format('GRANT USAGE ON SCHEMA public TO %I;', r.rolname)
    FROM pg_catalog.pg_roles AS r
    WHERE r.rolname IN ('authenticated', 'service_role', 'cometchat_ext')
      AND NOT pg_catalog.has_schema_privilege(r.oid, 'public', 'USAGE')
    UNION ALL
    SELECT pg_catalog.format('%I is a member of %I', r.rolname, g.rolname),
           pg_catalog.format('REVOKE %I FROM %I;', g.rolname, r.rolname)
    FROM pg_catalog.pg_auth_members AS m
    JOIN pg_catalog.pg_roles AS r ON r.oid = m.member AND r.rolname IN ('anon', 'authenticated')
    JOIN pg_catalog.pg_roles AS g ON g.oid = m.roleid
     AND g.rolname IN ('authenticated', 'service_role', 'postgres')
  )
  SELECT pg_catalog.jsonb_build_object('detail', pg_catalog.string_agg(w.what, ', ' ORDER BY w.what),
                                       'hint', pg_catalog.string_agg(w.mend, ' ' ORDER BY w.mend))
  FROM wrong AS w
$function$;
COMMENT ON FUNCTION cometchat.grant_facts() IS
  'How privileges differ from those that the extension came with, for cometchat.health(): too few for any '
  'role, or too many for clients.';

CREATE FUNCTION cometchat.catalog_facts() RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT pg_catalog.jsonb_build_object(
    'settings', cometchat.setting_facts(), 'locks', cometchat.lock_facts(),
    'grants', cometchat.grant_facts(), 'terminator', cometchat.terminator(),
    'preload', pg_catalog.current_setting('shared_preload_libraries', true))
$function$;
COMMENT ON FUNCTION cometchat.catalog_facts() IS
  'What cometchat.health() reads of the catalogs with its owner''s rights.';
