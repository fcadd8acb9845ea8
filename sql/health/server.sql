-- Checks of the server around the extension: replication, JIT.

CREATE FUNCTION cometchat.health_replication(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  published text := (SELECT pg_catalog.string_agg(DISTINCT p.pubname::text, ', ')
                     FROM pg_catalog.pg_publication AS p
                     LEFT JOIN pg_catalog.pg_publication_rel AS r ON r.prpubid = p.oid
                     LEFT JOIN pg_catalog.pg_class AS c ON c.oid = r.prrelid
                     LEFT JOIN pg_catalog.pg_publication_namespace AS s ON s.pnpubid = p.oid
                     WHERE p.puballtables OR c.oid = 'public.cometchat_users'::regclass
                        OR c.relnamespace = 'cometchat'::regnamespace
                        OR s.pnnspid IN ('public'::regnamespace, 'cometchat'::regnamespace));
BEGIN
  check_name := 'replication';
  -- Without one, and with a publication, Postgres refuses every UPDATE and DELETE.
  SELECT pg_catalog.string_agg(c.oid::regclass::text, ', '),
         pg_catalog.string_agg(pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY %s;', c.oid::regclass,
           CASE WHEN i.indexrelid IS NULL THEN 'FULL' ELSE 'DEFAULT' END), ' ')
    INTO detail, hint
  FROM pg_catalog.pg_class AS c
  LEFT JOIN pg_catalog.pg_index AS i ON i.indrelid = c.oid AND i.indisprimary
  WHERE c.relkind = 'r' AND (c.relnamespace = 'cometchat'::regnamespace
                             OR c.oid = 'public.cometchat_users'::regclass)
    AND (c.relreplident = 'n' OR (c.relreplident = 'd' AND i.indexrelid IS NULL)
         OR (c.relreplident = 'i' AND NOT EXISTS (SELECT FROM pg_catalog.pg_index AS x
                                                  WHERE x.indrelid = c.oid AND x.indisreplident)));
  ok := detail IS NULL;
  detail := COALESCE('no replica identity: ' || detail, 'every table has a replica identity')
            || COALESCE('; published by ' || published, '');
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_replication(jsonb) IS
  'The row of cometchat.health() about replica identities and publications of our tables.';

CREATE FUNCTION cometchat.health_jit(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  check_name := 'jit';
  -- Compiling a statement takes longer than it runs.
  SELECT pg_catalog.string_agg(p.oid::regprocedure::text, ', ' ORDER BY p.oid),
         pg_catalog.string_agg(pg_catalog.format('ALTER FUNCTION %s SET jit = off;', p.oid::regprocedure), ' '
                               ORDER BY p.oid)
    INTO detail, hint
  FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
  WHERE ((p.pronamespace = 'cometchat'::regnamespace AND l.lanname IN ('plpgsql', 'sql')
          AND p.prokind = 'f' AND p.proname <> 'on_auth_user_update')
         OR (p.pronamespace = 'public'::regnamespace
             AND p.proname IN ('cometchat_ensure_user', 'cometchat_refresh_token',
                               'cometchat_revoke_tokens')))
    AND NOT 'jit=off' = ANY (COALESCE(p.proconfig, '{}'));
  ok := detail IS NULL;
  detail := COALESCE('may compile their statements: ' || detail, 'off in the extension''s statements');
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_jit(jsonb) IS
  'The row of cometchat.health() about JIT, which the functions turn off for themselves.';
