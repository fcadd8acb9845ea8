-- Checks of auth.users: triggers, read access, missed changes, foreign key.

CREATE FUNCTION cometchat.health_auth_trigger(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  check_name := 'auth trigger';
  -- Triggers that do not fire for ordinary sessions (ALWAYS is an operator's choice), or name columns.
  SELECT pg_catalog.string_agg(CASE
           WHEN t.oid IS NULL THEN pg_catalog.format('%s is missing', n.name)
           WHEN t.tgenabled = 'D' THEN pg_catalog.format('%s on %s is disabled', n.name, t.relation)
           WHEN t.tgenabled = 'R'
             THEN pg_catalog.format('%s on %s fires for replicas only', n.name, t.relation)
           ELSE pg_catalog.format('%s on %s has an outdated definition', n.name, t.relation) END,
           ', ' ORDER BY n.name, t.relation)
    INTO detail
  -- as in src/store/attach.rs
  FROM pg_catalog.unnest(ARRAY['cometchat_insert', 'cometchat_update', 'cometchat_before_delete',
                               'cometchat_after_delete', 'cometchat_truncate']) AS n(name)
  LEFT JOIN (SELECT g.oid, g.tgname, g.tgenabled, g.tgattr::text <> '' OR g.tgqual IS NOT NULL AS outdated,
                    g.tgrelid::pg_catalog.regclass::text AS relation
             FROM pg_catalog.pg_trigger AS g
             WHERE g.tgrelid = cometchat.auth_users_oid()
                OR g.tgrelid IN (SELECT p.relid
                                 FROM pg_catalog.pg_partition_tree(cometchat.auth_users_oid()) AS p)
            ) AS t ON t.tgname = n.name
  WHERE t.oid IS NULL OR t.tgenabled NOT IN ('O', 'A') OR t.outdated;
  ok := CASE WHEN cometchat.auth_users_oid() IS NULL
               THEN NOT (SELECT c.expects_auth_users FROM cometchat.control AS c)
             ELSE detail IS NULL AND cometchat.auth_users_id_is_uuid() END;
  detail := CASE WHEN cometchat.auth_users_oid() IS NULL THEN 'auth.users does not exist'
                 WHEN NOT cometchat.has_auth_users() THEN 'auth.users is not a table'
                 WHEN NOT cometchat.auth_users_id_is_uuid()
                   THEN 'auth.users has no column id of type uuid'
                 ELSE COALESCE(detail, 'all triggers on auth.users are enabled') END;
  hint := CASE WHEN ok THEN NULL
               WHEN NOT cometchat.has_auth_users()
                 THEN 'SELECT cometchat.disable_auth_trigger(); -- if there is to be none; or make auth.users '
                      'a table again'
               WHEN NOT cometchat.auth_users_id_is_uuid()
                 THEN 'ALTER TABLE auth.users ALTER COLUMN id TYPE uuid USING id::uuid;'
               ELSE 'SELECT cometchat.enable_auth_trigger(); SELECT cometchat.backfill(); '
                    'SELECT * FROM cometchat.reconcile(true); -- finds what was missed meanwhile' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_auth_trigger(jsonb) IS
  'The row of cometchat.health() about the triggers on auth.users.';

CREATE FUNCTION cometchat.health_auth_users(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  -- The extension reads the table with its owner's rights.
  owner text := (SELECT pg_catalog.pg_get_userbyid(c.relowner) FROM pg_catalog.pg_class AS c
                 WHERE c.oid = cometchat.auth_users_oid());
BEGIN
  check_name := 'auth.users access';
  ok := true;
  BEGIN
    PERFORM cometchat.check_auth_users();
    detail := COALESCE('read with the rights of its owner ' || owner, 'auth.users does not exist');
  EXCEPTION WHEN OTHERS THEN
    ok := false;
    detail := pg_catalog.concat('auth.users', ', owned by ' || owner, ': ', SQLERRM);
    hint := CASE
      WHEN owner IS NULL OR NOT cometchat.has_auth_users()
        THEN 'SELECT cometchat.disable_auth_trigger(); -- if there is to be none; until auth.users is a '
             'table again, no user gets a token and nothing is sent'
      WHEN SQLSTATE = '42501' THEN pg_catalog.format(
        'GRANT USAGE ON SCHEMA auth TO %1$I; GRANT SELECT ON auth.users TO %1$I; -- until its owner can '
        'read it, no user gets a token and nothing is sent', owner)
      WHEN SQLSTATE = '55P03' THEN COALESCE((SELECT l.hint FROM cometchat.health_locks(facts) AS l),
        'SELECT * FROM cometchat.health(); -- the lock was held for a moment')
      ELSE pg_catalog.format('-- Until SELECT * FROM auth.users; works for %I, no user gets a token and '
                             'nothing is sent.', owner) END;
  END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_auth_users(jsonb) IS
  'The row of cometchat.health() about reading auth.users.';

CREATE FUNCTION cometchat.health_missed_changes(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  -- A sample that begins at a random id
  page jsonb := cometchat.diff_auth_users(pg_catalog.gen_random_uuid(), 500, false);
  differing bigint := pg_catalog.jsonb_array_length(page #> '{value,found}');
  compared bigint := (page #>> '{value,seen}')::bigint;
BEGIN
  check_name := 'missed changes';
  -- or, near the end, at the lowest one.
  IF compared < 500 THEN
    page := cometchat.diff_auth_users('00000000-0000-0000-0000-000000000000', 500, false);
    differing := GREATEST(differing, pg_catalog.jsonb_array_length(page #> '{value,found}'));
    compared := GREATEST(compared, (page #>> '{value,seen}')::bigint);
  END IF;
  SELECT differing IS NOT DISTINCT FROM 0 AND c.missed_deletions = 0,
         pg_catalog.concat_ws('; ',
           pg_catalog.format('the trigger missed changes of %s of %s compared users', differing, compared),
           CASE WHEN c.missed_deletions > 0
                THEN c.missed_deletions || ' deletions were missed when all users were compared' END)
    INTO ok, detail FROM cometchat.control AS c;
  IF page ? 'error' THEN
    ok := true;
    detail := 'not compared: ' || (page ->> 'error');
  END IF;
  hint := CASE WHEN NOT ok THEN 'SELECT * FROM cometchat.reconcile(repair => true); -- without the '
                                'argument it only lists the users' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_missed_changes(jsonb) IS
  'The row of cometchat.health() about changes in auth.users that the trigger missed; compares a sample.';

CREATE FUNCTION cometchat.health_foreign_key(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  present boolean := EXISTS (SELECT FROM pg_catalog.pg_constraint AS c
                             WHERE c.conrelid = 'public.cometchat_users'::pg_catalog.regclass
                               AND c.contype = 'f');
BEGIN
  check_name := 'foreign key';
  ok := present OR NOT cometchat.has_auth_users();
  detail := CASE WHEN present THEN 'cometchat_users references auth.users' ELSE 'none' END;
  hint := CASE WHEN NOT ok THEN 'SELECT cometchat.enable_auth_trigger();' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_foreign_key(jsonb) IS
  'The row of cometchat.health() about the foreign key to auth.users.';
