-- Is it well.

CREATE FUNCTION cometchat.configuration() RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'cometchat_configuration_wrapper';
COMMENT ON FUNCTION cometchat.configuration() IS
  'Where requests go and where the key comes from, or what is missing. Never the key.';

CREATE FUNCTION cometchat.read_auth_users() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_read_auth_users_wrapper';
COMMENT ON FUNCTION cometchat.read_auth_users() IS
  'Raises an error where auth.users, or what is needed of it, cannot be read with its owner''s rights.';

-- The table's owner reads it, so that is who must be able to.
CREATE FUNCTION cometchat.auth_users_health()
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  owner text := (SELECT pg_catalog.pg_get_userbyid(c.relowner) FROM pg_catalog.pg_class AS c
                 WHERE c.oid = cometchat.auth_users());
  differ bigint := 0;
  seen bigint;
  page jsonb;
  -- a few, from anywhere on
  at uuid := pg_catalog.gen_random_uuid();
BEGIN
  check_name := 'auth.users readable';
  ok := true;
  BEGIN
    PERFORM cometchat.read_auth_users();
    detail := COALESCE('read with the rights of its owner ' || owner, 'there is no auth.users');
  EXCEPTION WHEN OTHERS THEN
    ok := false;
    detail := pg_catalog.concat('auth.users', ', which belongs to ' || owner, ': ', SQLERRM);
    hint := CASE
      WHEN owner IS NULL OR NOT cometchat.has_auth_users()
        THEN 'Nobody gets a token and nothing is sent until auth.users is a table again; or SELECT '
             'cometchat.disable_auth_trigger(); where there is to be none.'
      WHEN SQLSTATE = '42501' THEN pg_catalog.format(
        'Its owner must be able to read it, until then nobody gets a token and nothing is sent: '
        'GRANT USAGE ON SCHEMA auth TO %1$I; GRANT SELECT ON auth.users TO %1$I;', owner)
      ELSE pg_catalog.format('Until SELECT * FROM auth.users; works for %I, nobody gets a token and '
                             'nothing is sent.', owner) END;
  END;
  RETURN NEXT;
  IF NOT ok THEN
    RETURN;
  END IF;

  check_name := 'agrees with auth.users';
  page := cometchat.unseen_changes(at, 500, false);
  differ := pg_catalog.jsonb_array_length(page #> '{value,found}');
  seen := (page #>> '{value,seen}')::bigint;
  IF seen < 500 THEN
    page := cometchat.unseen_changes('00000000-0000-0000-0000-000000000000', 500, false);
    differ := GREATEST(differ, pg_catalog.jsonb_array_length(page #> '{value,found}'));
    seen := GREATEST(seen, (page #>> '{value,seen}')::bigint);
  END IF;
  SELECT differ IS NOT DISTINCT FROM 0 AND c.gone_unsent = 0,
         pg_catalog.concat_ws('; ',
           pg_catalog.format('%s of %s users looked at have changed without the trigger', differ, seen),
           CASE WHEN c.gone_unsent > 0
                THEN c.gone_unsent || ' were gone when all were compared' END)
    INTO ok, detail FROM cometchat.control AS c;
  IF page ? 'error' THEN
    ok := true;
    detail := 'not compared: ' || (page ->> 'error');
  END IF;
  hint := CASE WHEN NOT ok THEN 'SELECT * FROM cometchat.reconcile(); says who, and with '
                                '(repair => true) CometChat is told.' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.auth_users_health() IS
  'The rows of cometchat.health() about auth.users: can it be read, does the state agree with it.';

CREATE FUNCTION cometchat.health()
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  conf jsonb := cometchat.configuration();
  facts jsonb := cometchat.worker_status();
  answer jsonb;
  number bigint;
  moment interval;
  processes text;
  template boolean;
  in_foreground boolean;
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

  -- Where nothing can be preloaded, process_queue() does the worker's job.
  SELECT NOT COALESCE((facts ->> 'preloaded')::boolean, false)
         AND COALESCE(c.run_at > pg_catalog.now() - interval '10 minutes', false)
    INTO in_foreground FROM cometchat.control AS c;
  check_name := 'worker running';
  -- Where there are fewer processes than databases, one that has nothing to do needs none.
  SELECT facts ->> 'worker_pid' IS NOT NULL OR in_foreground
           OR (facts ->> 'resting')::boolean AND NOT s.template
              AND COALESCE((facts ->> 'waiting_seconds')::integer, 0) < 5,
         s.processes, s.template
    INTO ok, processes, template
  FROM (SELECT pg_catalog.current_setting('max_worker_processes') AS processes,
               (SELECT d.datistemplate FROM pg_catalog.pg_database AS d
                WHERE d.datname = pg_catalog.current_database()) AS template) AS s;
  detail := CASE WHEN (facts ->> 'read_only')::boolean THEN 'nothing is sent while the database is read-only'
              WHEN facts ->> 'worker_pid' IS NOT NULL THEN 'process ' || (facts ->> 'worker_pid')
              WHEN in_foreground THEN 'none; process_queue() does its job'
              WHEN facts ->> 'waiting_seconds' IS NOT NULL
                THEN pg_catalog.format('waits for a background process, for %s s now; max_worker_processes = %s',
                                       facts ->> 'waiting_seconds', processes)
              WHEN ok THEN 'has made room for another database; max_worker_processes = ' || processes
              WHEN template THEN 'this database is a template'
              ELSE 'no worker in this database' END
         || CASE WHEN (facts ->> 'databases_waiting')::integer > 0
                 THEN pg_catalog.format('; databases that wait: %s', facts ->> 'databases_waiting')
                 ELSE '' END;
  hint := CASE WHEN ok THEN NULL
              WHEN NOT (facts ->> 'preloaded')::boolean
                THEN 'Add cometchat_ext to shared_preload_libraries and restart, or have pg_cron call '
                     'cometchat.process_queue().'
              WHEN template
                THEN pg_catalog.format('ALTER DATABASE %I IS_TEMPLATE false; a template can only be copied while '
                                       'nobody is connected to it.', pg_catalog.current_database())
              WHEN NOT (facts ->> 'launched')::boolean
                THEN pg_catalog.format('The launcher has no process: raise max_worker_processes (now %s) and '
                                       'restart; see the server''s log.', processes)
              WHEN NOT (facts ->> 'has_place')::boolean
                THEN 'Too many databases of this server have the extension; have pg_cron call '
                     'cometchat.process_queue() here.'
              WHEN facts ->> 'waiting_seconds' IS NOT NULL
                THEN 'Raise max_worker_processes and restart: other databases'' workers, parallel queries and '
                     'other extensions need processes, too.'
              ELSE 'It starts with the next queued user; see the server''s log.' END;
  RETURN NEXT;

  -- Of no account where there is a worker.
  check_name := 'process_queue()';
  SELECT c.run_at IS NULL OR facts ->> 'worker_pid' IS NOT NULL
         OR (c.run_at > pg_catalog.now() - interval '10 minutes'
             AND c.run_result IN ('done', 'paused', 'sending')),
         CASE WHEN c.run_at IS NULL THEN 'never called'
              ELSE pg_catalog.format('last at work %s ago: %s',
                     pg_catalog.date_trunc('second', pg_catalog.now() - c.run_at), c.run_result) END
    INTO ok, detail FROM cometchat.control AS c;
  hint := CASE WHEN NOT ok THEN 'Does pg_cron call it, alone in its command? cron.job_run_details says '
                                'how its calls end.' END;
  RETURN NEXT;

  check_name := 'database writable';
  ok := pg_catalog.pg_is_in_recovery()
        OR pg_catalog.current_setting('default_transaction_read_only') = 'off';
  detail := CASE WHEN pg_catalog.pg_is_in_recovery() THEN 'a standby, which sends nothing'
                 ELSE 'default_transaction_read_only is '
                      || pg_catalog.current_setting('default_transaction_read_only') END;
  hint := CASE WHEN NOT ok THEN 'Nothing is sent while the database is read-only; see pg_settings and '
                                'pg_db_role_setting.' END;
  RETURN NEXT;

  check_name := 'sending';
  SELECT NOT c.paused AND facts ->> 'paused_code' IS NULL,
         CASE WHEN c.paused THEN 'paused by an operator' ELSE facts ->> 'paused_code' END,
         CASE WHEN c.paused THEN 'SELECT cometchat.resume();'
              WHEN (facts ->> 'new_users_wait')::boolean AND facts ->> 'paused_code' = 'PLAN_LIMIT'
                THEN 'Only new users wait, for room in CometChat''s plan; they are sent by themselves '
                     'once there is some.'
              WHEN facts ->> 'paused_code' IS NOT NULL
                THEN 'Sending goes on by itself once CometChat accepts requests again.' END
    INTO ok, detail, hint FROM cometchat.control AS c;
  RETURN NEXT;

  check_name := 'not throttled';
  ok := facts ->> 'throttled_until' IS NULL;
  detail := CASE WHEN ok THEN 'nobody asked us to wait' ELSE pg_catalog.format(
    '%s answered 429 and asked for %s; nothing is sent until %s', facts ->> 'throttled_by',
    COALESCE((facts ->> 'throttled_for') || ' s', 'a while'),
    pg_catalog.to_timestamp((facts ->> 'throttled_until')::float8)) END;
  hint := CASE WHEN ok THEN NULL
               WHEN facts ->> 'throttled_by' = 'CometChat'
                 THEN 'Sending goes on by itself then. SELECT cometchat.resume(); tries at once.'
               ELSE 'What stands between this server and CometChat refuses requests: see '
                    'cometchat.proxy. SELECT cometchat.resume(); tries again at once.' END;
  RETURN NEXT;

  check_name := 'trigger attached';
  -- Those that do not fire for who writes here (ALWAYS is an operator's choice), or name columns.
  SELECT pg_catalog.string_agg(CASE
           WHEN t.oid IS NULL THEN pg_catalog.format('%s is missing', n.name)
           WHEN t.tgenabled = 'D' THEN pg_catalog.format('%s on %s is disabled', n.name, t.relation)
           WHEN t.tgenabled = 'R'
             THEN pg_catalog.format('%s on %s fires for replicas only', n.name, t.relation)
           ELSE pg_catalog.format('%s on %s is of an older form', n.name, t.relation) END,
           ', ' ORDER BY n.name, t.relation)
    INTO detail
  FROM pg_catalog.unnest(ARRAY['cometchat_insert', 'cometchat_update', 'cometchat_delete',
                               'cometchat_deleted', 'cometchat_truncate']) AS n(name)
  LEFT JOIN (SELECT g.oid, g.tgname, g.tgenabled, g.tgattr::text <> '' OR g.tgqual IS NOT NULL AS old,
                    g.tgrelid::pg_catalog.regclass::text AS relation
             FROM pg_catalog.pg_trigger AS g
             WHERE g.tgrelid = cometchat.auth_users()
                OR g.tgrelid IN (SELECT p.relid
                                 FROM pg_catalog.pg_partition_tree(cometchat.auth_users()) AS p)
            ) AS t ON t.tgname = n.name
  WHERE t.oid IS NULL OR t.tgenabled NOT IN ('O', 'A') OR t.old;
  ok := CASE WHEN cometchat.auth_users() IS NULL
               THEN NOT (SELECT c.expects_auth_users FROM cometchat.control AS c)
             ELSE detail IS NULL AND cometchat.auth_users_has_uuid() END;
  detail := CASE WHEN cometchat.auth_users() IS NULL THEN 'there is no auth.users'
                 WHEN NOT cometchat.has_auth_users() THEN 'auth.users is not a table'
                 WHEN NOT cometchat.auth_users_has_uuid()
                   THEN 'auth.users has no column id of type uuid'
                 ELSE COALESCE(detail, 'all triggers on auth.users fire') END;
  hint := CASE WHEN ok THEN NULL
               WHEN NOT cometchat.has_auth_users()
                 THEN 'Make auth.users a table; or SELECT cometchat.disable_auth_trigger(); where there '
                      'is to be none.'
               WHEN NOT cometchat.auth_users_has_uuid()
                 THEN 'ALTER TABLE auth.users ALTER COLUMN id TYPE uuid USING id::uuid;'
               ELSE 'SELECT cometchat.enable_auth_trigger(); what was missed meanwhile is found by '
                    'cometchat.reconcile(true).' END;
  RETURN NEXT;

  RETURN QUERY SELECT a.* FROM cometchat.auth_users_health() AS a;

  check_name := 'foreign key';
  SELECT count(*) INTO number FROM pg_catalog.pg_constraint AS c
  WHERE c.conrelid = 'public.cometchat_users'::pg_catalog.regclass AND c.contype = 'f';
  ok := number > 0 OR NOT cometchat.has_auth_users();
  detail := CASE WHEN number > 0 THEN 'cometchat_users references auth.users' ELSE 'none' END;
  hint := CASE WHEN NOT ok THEN 'SELECT cometchat.enable_auth_trigger(); adds it.' END;
  RETURN NEXT;

  check_name := 'trigger errors';
  SELECT CASE WHEN q.is_called THEN q.last_value ELSE 0 END INTO number
  FROM cometchat.trigger_failures AS q;
  ok := number = 0;
  detail := number || ' failures of the trigger';
  hint := CASE WHEN NOT ok THEN 'SELECT cometchat.backfill(); then '
    '(as its owner) SELECT setval(''cometchat.trigger_failures'', 1, false);' END;
  RETURN NEXT;

  check_name := 'queue moving';
  SELECT pg_catalog.now() - min(s.next_attempt_at) INTO moment FROM cometchat.sync_state AS s
  WHERE pg_catalog.isfinite(s.next_attempt_at) AND s.claim IS NULL;
  ok := COALESCE(moment, '0') < interval '5 minutes';
  detail := CASE WHEN moment IS NULL OR moment < '0' THEN 'nothing is overdue'
                 ELSE 'the oldest has waited ' || pg_catalog.date_trunc('second', moment) END;
  hint := CASE WHEN NOT ok THEN 'See the checks above, and cometchat.progress.' END;
  RETURN NEXT;

  check_name := 'failed users';
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
