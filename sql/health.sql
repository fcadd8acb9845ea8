-- Is it well.

CREATE FUNCTION cometchat.configuration() RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'cometchat_configuration_wrapper';
COMMENT ON FUNCTION cometchat.configuration() IS
  'Where requests go and where the key comes from, or what is missing. Never the key.';

CREATE FUNCTION cometchat.health()
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
  conf jsonb := cometchat.configuration();
  facts jsonb := cometchat.worker_facts();
  answer jsonb;
  number bigint;
  moment interval;
BEGIN
  SELECT pg_catalog.pg_get_userbyid(c.relowner) INTO detail
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  WHERE n.nspname = 'public' AND c.relname = 'cometchat_users';
  IF detail IS DISTINCT FROM 'cometchat_ext' THEN
    -- Nothing works, this function's other checks included.
    check_name := 'table owner';
    ok := false;
    detail := COALESCE('public.cometchat_users belongs to ' || detail, 'public.cometchat_users is gone');
    hint := CASE WHEN detail LIKE '%belongs%'
                 THEN 'ALTER TABLE public.cometchat_users OWNER TO cometchat_ext;'
                 ELSE 'Bring it back under this name.' END;
    RETURN NEXT;
    RETURN;
  END IF;
  PERFORM cometchat.become();
  answer := CASE WHEN conf ? 'error' THEN conf ELSE cometchat.remote_users(1, 1) END;
  PERFORM cometchat.restrict();

  check_name := 'configured';
  ok := NOT conf ? 'error';
  detail := COALESCE(conf ->> 'error', conf #>> '{value,base_url}');
  hint := CASE WHEN NOT ok THEN 'Set cometchat.app_id, cometchat.region and cometchat.api_key_file, '
    'or the Vault secrets cometchat_app_id, cometchat_region and cometchat_api_key.' END;
  RETURN NEXT;

  check_name := 'key storage';
  ok := COALESCE(conf #>> '{value,key_source}', 'file') <> 'setting';
  detail := conf #>> '{value,key_source}';
  hint := CASE WHEN NOT ok THEN 'cometchat.api_key is for development; use api_key_file or Vault.' END;
  RETURN NEXT;

  check_name := 'key accepted';
  -- while a limit is used up nothing speaks against the key
  ok := NOT answer ? 'error' OR answer ->> 'errorCode' IS NOT DISTINCT FROM 'RATE_LIMITED';
  detail := COALESCE(answer ->> 'error', 'CometChat answered');
  hint := CASE WHEN NOT ok THEN CASE answer ->> 'errorCode'
      WHEN 'API_KEY_REJECTED' THEN 'Use a REST API key (full access) of this app and region.'
      WHEN 'NETWORK' THEN 'Can the database server reach CometChat? See cometchat.proxy.'
      ELSE 'See the README, "Errors".' END END;
  RETURN NEXT;

  check_name := 'worker running';
  ok := facts ->> 'worker_pid' IS NOT NULL;
  detail := COALESCE('process ' || (facts ->> 'worker_pid'), 'no worker in this database');
  hint := CASE WHEN ok THEN NULL WHEN (facts ->> 'preloaded')::boolean
      THEN 'It starts with the next queued user; see the server''s log.'
      ELSE 'Add cometchat_ext to shared_preload_libraries and restart, or have pg_cron call '
           'cometchat.process_queue().' END;
  RETURN NEXT;

  check_name := 'not paused';
  SELECT NOT c.paused AND facts ->> 'paused_code' IS NULL,
         CASE WHEN c.paused THEN 'paused by an operator' ELSE facts ->> 'paused_code' END,
         CASE WHEN c.paused THEN 'SELECT cometchat.resume();'
              WHEN facts ->> 'paused_code' IS NOT NULL
                THEN 'Sending goes on by itself once CometChat accepts requests again.' END
    INTO ok, detail, hint FROM cometchat.control AS c;
  RETURN NEXT;

  check_name := 'trigger attached';
  SELECT count(*) INTO number FROM pg_catalog.pg_trigger AS t
  WHERE t.tgrelid = cometchat.auth_users() AND t.tgname LIKE 'cometchat\_%'
    AND t.tgenabled <> 'D';
  ok := number >= 2 OR (cometchat.auth_users() IS NULL
                        AND NOT (SELECT c.expects_auth_users FROM cometchat.control AS c));
  detail := CASE WHEN cometchat.auth_users() IS NULL THEN 'there is no auth.users'
                 WHEN NOT cometchat.auth_users_is_there() THEN 'auth.users is not a table'
                 ELSE number || ' triggers on auth.users' END;
  hint := CASE WHEN ok THEN NULL
               WHEN NOT cometchat.auth_users_is_there()
                 THEN 'Make auth.users a table; or SELECT cometchat.disable_auth_trigger(); where there '
                      'is to be none.'
               ELSE 'SELECT cometchat.enable_auth_trigger();' END;
  RETURN NEXT;

  check_name := 'foreign key';
  SELECT count(*) INTO number FROM pg_catalog.pg_constraint AS c
  WHERE c.conrelid = 'public.cometchat_users'::pg_catalog.regclass AND c.contype = 'f';
  ok := number > 0 OR NOT cometchat.auth_users_is_there();
  detail := CASE WHEN number > 0 THEN 'cometchat_users references auth.users' ELSE 'none' END;
  hint := CASE WHEN NOT ok THEN 'SELECT cometchat.enable_auth_trigger(); adds it.' END;
  RETURN NEXT;

  check_name := 'nothing swallowed';
  SELECT CASE WHEN q.is_called THEN q.last_value ELSE 0 END INTO number
  FROM cometchat.trigger_failures AS q;
  ok := number = 0;
  detail := number || ' failures of the trigger';
  hint := CASE WHEN NOT ok THEN 'SELECT cometchat.backfill(); then '
    '(as its owner) SELECT setval(''cometchat.trigger_failures'', 1, false);' END;
  RETURN NEXT;

  check_name := 'queue moving';
  SELECT pg_catalog.now() - min(s.next_attempt_at) INTO moment FROM cometchat.sync_state AS s
  WHERE s.next_attempt_at IS NOT NULL AND s.claim IS NULL;
  ok := COALESCE(moment, '0') < interval '5 minutes';
  detail := CASE WHEN moment IS NULL OR moment < '0' THEN 'nothing is overdue'
                 ELSE 'the oldest has waited ' || pg_catalog.date_trunc('second', moment) END;
  hint := CASE WHEN NOT ok THEN 'See the checks above, and cometchat.progress.' END;
  RETURN NEXT;

  check_name := 'no failed users';
  SELECT count(*) INTO number FROM cometchat.failed_users;
  ok := number = 0;
  detail := number || ' users';
  hint := CASE WHEN NOT ok THEN 'SELECT * FROM cometchat.failed_users; then cometchat.retry_failed().' END;
  RETURN NEXT;

  check_name := 'owner role';
  SELECT NOT (r.rolcanlogin OR r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication
              OR r.rolbypassrls OR m.members IS NOT NULL),
         COALESCE('cometchat_ext has members, or is one: ' || m.members, 'cometchat_ext has no members and no attributes'),
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

  check_name := 'versions match';
  SELECT e.extversion = facts ->> 'library_version',
         pg_catalog.format('extension %s, library %s', e.extversion, facts ->> 'library_version')
    INTO ok, detail FROM pg_catalog.pg_extension AS e WHERE e.extname = 'cometchat_ext';
  hint := CASE WHEN NOT ok THEN 'ALTER EXTENSION cometchat_ext UPDATE;' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health() IS
  'One row for each thing that must be well; each failing one says the fix. Sends one request.';
