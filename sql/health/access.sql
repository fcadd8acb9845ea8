-- Checks of what clients and Auth may do: grants, row security, and that the triggers can fire.

CREATE FUNCTION cometchat.health_grants(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  check_name := 'grants';
  ok := facts #>> '{grants,detail}' IS NULL;
  detail := COALESCE(facts #>> '{grants,detail}', 'as the extension came');
  hint := facts #>> '{grants,hint}';
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_grants(jsonb) IS
  'The row of cometchat.health() about privileges that differ from those that the extension came with.';

CREATE FUNCTION cometchat.health_row_security(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  mapping oid := 'public.cometchat_users'::regclass;
  enabled boolean := (SELECT c.relrowsecurity FROM pg_catalog.pg_class AS c WHERE c.oid = mapping);
  missing text;
  open_to_all text;
  drops text;
BEGIN
  check_name := 'row security';
  SELECT pg_catalog.string_agg(n.name, ', ') INTO missing
  FROM (VALUES ('cometchat_users_own_row', true), ('cometchat_users_extension', true),
               ('cometchat_users_service', EXISTS (SELECT FROM pg_catalog.pg_roles AS r
                                                   WHERE r.rolname = 'service_role'))) AS n(name, wanted)
  WHERE n.wanted AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_policy AS p WHERE p.polrelid = mapping AND p.polname = n.name
      AND (n.name <> 'cometchat_users_own_row'
           OR pg_catalog.pg_get_expr(p.polqual, p.polrelid) ~ 'request[.]jwt[.]claims'));
  -- Other policies are the app's business, unless they show every token to every client.
  SELECT pg_catalog.string_agg(p.polname, ', '),
         pg_catalog.string_agg(pg_catalog.format('DROP POLICY %I ON public.cometchat_users;', p.polname), ' ')
    INTO open_to_all, drops
  FROM pg_catalog.pg_policy AS p
  WHERE p.polrelid = mapping AND p.polpermissive AND p.polcmd IN ('r', '*')
    AND p.polname <> 'cometchat_users_own_row'
    AND COALESCE(pg_catalog.pg_get_expr(p.polqual, p.polrelid), 'true') = 'true'
    AND EXISTS (SELECT FROM pg_catalog.unnest(p.polroles) AS r(oid)
                LEFT JOIN pg_catalog.pg_roles AS a ON a.oid = r.oid
                WHERE r.oid = 0 OR a.rolname IN ('anon', 'authenticated'));
  ok := enabled AND missing IS NULL AND open_to_all IS NULL;
  detail := CASE WHEN ok THEN 'users read their own row' ELSE pg_catalog.concat_ws('; ',
    CASE WHEN NOT enabled THEN 'off: whoever may select from cometchat_users reads every token' END,
    'policies are missing or changed: ' || missing, 'policies that show every row: ' || open_to_all) END;
  hint := CASE WHEN NOT ok THEN pg_catalog.concat_ws(' ', drops,
    CASE WHEN NOT enabled OR missing ~ 'own_row|service' THEN 'SELECT cometchat.create_policies();' END,
    CASE WHEN missing ~ 'extension' THEN 'CREATE POLICY cometchat_users_extension ON '
      'public.cometchat_users TO cometchat_ext USING (true) WITH CHECK (true);' END) END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_row_security(jsonb) IS
  'The row of cometchat.health() about the policies that keep tokens with their owners.';

CREATE FUNCTION cometchat.health_triggers(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  replica text := cometchat.reset_commands('session_replication_role', 'replica');
BEGIN
  check_name := 'triggers';
  WITH wrong AS (
    -- They run with their owner's rights, whoever writes to auth.users.
    SELECT pg_catalog.format('%s does not run with its owner''s rights', p.oid::regprocedure) AS what,
           pg_catalog.format('ALTER FUNCTION %s SECURITY DEFINER;', p.oid::regprocedure) AS mend
    FROM pg_catalog.pg_proc AS p
    WHERE p.pronamespace = 'cometchat'::regnamespace AND NOT p.prosecdef
      AND p.proname ~ '^(on_auth_user_|on_truncate$|enqueue_changed_user$|enqueue_row$|record_)'
    UNION ALL
    SELECT pg_catalog.format('%s belongs to %I', p.oid::regprocedure,
                             pg_catalog.pg_get_userbyid(p.proowner)),
           pg_catalog.format('ALTER FUNCTION %s OWNER TO %I;', p.oid::regprocedure,
                             pg_catalog.pg_get_userbyid(e.extowner))
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_extension AS e ON e.extname = 'cometchat_ext'
    JOIN pg_catalog.pg_roles AS r ON r.oid = p.proowner
    WHERE p.pronamespace = 'cometchat'::regnamespace AND p.prokind = 'f' AND p.prosecdef
      AND p.proowner <> e.extowner AND NOT r.rolsuper
    UNION ALL
    SELECT pg_catalog.format('the owner %I is no superuser', r.rolname),
           pg_catalog.format('-- Its definers and its worker need it: ALTER ROLE %I SUPERUSER;', r.rolname)
    FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_roles AS r ON r.oid = e.extowner
    WHERE e.extname = 'cometchat_ext' AND NOT r.rolsuper
    UNION ALL
    SELECT 'cometchat_truncate on cometchat_users is '
           || CASE WHEN t.tgname IS NULL THEN 'missing' ELSE 'disabled' END,
           CASE WHEN t.tgname IS NULL
                THEN 'CREATE TRIGGER cometchat_truncate BEFORE TRUNCATE ON public.cometchat_users '
                     'FOR EACH STATEMENT EXECUTE FUNCTION cometchat.on_truncate();'
                ELSE 'ALTER TABLE public.cometchat_users ENABLE TRIGGER cometchat_truncate;' END
    FROM (VALUES ('cometchat_truncate')) AS n(name)
    LEFT JOIN pg_catalog.pg_trigger AS t
      ON t.tgname = n.name AND t.tgrelid = 'public.cometchat_users'::regclass
    WHERE t.tgname IS NULL OR t.tgenabled IN ('D', 'R')
    UNION ALL
    SELECT 'session_replication_role is replica, so triggers do not fire', replica
    WHERE replica IS NOT NULL
    UNION ALL
    SELECT 'session_replication_role is replica, so triggers do not fire',
           cometchat.setting_command(facts, 'session_replication_role', 'origin')
    WHERE replica IS NULL AND pg_catalog.current_setting('session_replication_role') = 'replica'
  )
  SELECT pg_catalog.string_agg(w.what, ', ' ORDER BY w.what),
         pg_catalog.string_agg(w.mend, ' ' ORDER BY w.mend) INTO detail, hint FROM wrong AS w;
  ok := detail IS NULL;
  detail := COALESCE(detail, 'they can fire, for whatever role writes to auth.users');
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_triggers(jsonb) IS
  'The row of cometchat.health() about the trigger functions: whether Auth''s role can fire them.';
