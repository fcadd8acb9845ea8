-- Checks of the installation, for cometchat.health(): the role of the extension and its version.

CREATE FUNCTION cometchat.health_extension(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  check_name := 'extension role';
  SELECT NOT (r.rolcanlogin OR r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication
              OR r.rolbypassrls OR m.members IS NOT NULL),
         COALESCE('cometchat_ext has members or is a member: ' || m.members,
                  'cometchat_ext has no members' || CASE
                    WHEN r.rolcanlogin OR r.rolsuper OR r.rolcreaterole OR r.rolcreatedb
                         OR r.rolreplication OR r.rolbypassrls THEN ', but attributes'
                    ELSE ' and no attributes' END),
         CASE WHEN m.members IS NOT NULL
              THEN pg_catalog.format('REVOKE cometchat_ext FROM %s;', m.members)
              ELSE 'ALTER ROLE cometchat_ext NOLOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB '
                   'NOREPLICATION NOBYPASSRLS;' END
    INTO ok, detail, hint
  FROM pg_catalog.pg_roles AS r, LATERAL (
    SELECT pg_catalog.string_agg(pg_catalog.quote_ident(
             pg_catalog.pg_get_userbyid(CASE a.roleid WHEN r.oid THEN a.member ELSE a.roleid END)), ', ')
             AS members
    FROM pg_catalog.pg_auth_members AS a WHERE r.oid IN (a.roleid, a.member)) AS m
  WHERE r.rolname = 'cometchat_ext';
  hint := CASE WHEN NOT ok THEN hint END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_extension(jsonb) IS
  'The row of cometchat.health() about the role cometchat_ext.';

CREATE FUNCTION cometchat.health_versions(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  installed text := (SELECT e.extversion FROM pg_catalog.pg_extension AS e
                     WHERE e.extname = 'cometchat_ext');
  loaded text := facts #>> '{status,library_version}';
BEGIN
  check_name := 'versions';
  ok := installed = loaded;
  detail := pg_catalog.format('extension %s, library %s', installed, loaded);
  hint := CASE
    WHEN ok THEN NULL
    -- The package was updated, and the extension, but the server has the library of before in memory.
    WHEN pg_catalog.string_to_array(pg_catalog.regexp_replace(installed, '[^0-9.].*', ''), '.')::int[]
         > pg_catalog.string_to_array(pg_catalog.regexp_replace(loaded, '[^0-9.].*', ''), '.')::int[]
      THEN E'\\! pg_ctl restart # restart the server, with the library of ' || installed || ' installed'
    ELSE 'ALTER EXTENSION cometchat_ext UPDATE;' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_versions(jsonb) IS
  'The row of cometchat.health() about the versions of extension and library.';

-- Without the table nothing works.
CREATE FUNCTION cometchat.table_fault() RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  owner text := (SELECT pg_catalog.pg_get_userbyid(c.relowner) FROM pg_catalog.pg_class AS c
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                 WHERE n.nspname = 'public' AND c.relname = 'cometchat_users');
  elsewhere text := (SELECT pg_catalog.format('ALTER SCHEMA %I RENAME TO public;', n.nspname)
                     FROM pg_catalog.pg_class AS c
                     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                     JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_class'::regclass
                      AND d.objid = c.oid AND d.deptype = 'e'
                     WHERE c.relname = 'cometchat_users' AND n.nspname <> 'public');
  renamed text := (SELECT pg_catalog.format('ALTER TABLE %s RENAME TO cometchat_users;',
                                            c.oid::regclass)
                   FROM pg_catalog.pg_class AS c
                   JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_class'::regclass
                    AND d.objid = c.oid AND d.deptype = 'e'
                   JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'cometchat_ext'
                   WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
                     AND c.relname <> 'cometchat_users');
BEGIN
  IF owner IS NOT DISTINCT FROM 'cometchat_ext' THEN
    RETURN NULL;
  END IF;
  RETURN pg_catalog.jsonb_build_object(
    'check', 'table owner',
    'detail', COALESCE('public.cometchat_users belongs to ' || owner,
                       'public.cometchat_users does not exist'),
    'hint', CASE
      WHEN owner IS NULL THEN COALESCE(elsewhere, renamed,
        '-- Rename the table, or its schema, back to this name.')
      WHEN NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = 'cometchat_ext')
        THEN pg_catalog.format('ALTER ROLE %I RENAME TO cometchat_ext;', owner)
      ELSE 'ALTER TABLE public.cometchat_users OWNER TO cometchat_ext;' END);
END
$function$;
COMMENT ON FUNCTION cometchat.table_fault() IS
  'What is wrong with public.cometchat_users itself, for cometchat.health(); null if nothing is.';
