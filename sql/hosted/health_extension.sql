-- Checks of cometchat.health() that are others here: they take the place of those of the same names.

CREATE FUNCTION cometchat.health_extension(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  telltale text := cometchat.telltale_setting();
BEGIN
  check_name := 'key in the log';
  ok := telltale IS NULL;
  detail := COALESCE(telltale, 'log_min_messages') || ' is ' || current_setting(COALESCE(telltale, 'log_min_messages'));
  hint := CASE WHEN NOT ok THEN cometchat.setting_command(facts, telltale,
            CASE telltale WHEN 'log_min_messages' THEN 'warning' ELSE 'off' END)
            || ' -- as a superuser; nothing is sent while it would bring secrets into the log' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_extension(jsonb) IS
  'The row of cometchat.health() about what would bring the key or a token into the server''s log.';

CREATE FUNCTION cometchat.health_versions(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  check_name := 'versions';
  ok := true;
  detail := (SELECT format('hosted edition %s, %s', facts #>> '{status,library_version}',
                           string_agg(format('%s %s', e.extname, e.extversion), ', ' ORDER BY e.extname))
             FROM pg_extension AS e WHERE e.extname IN ('http', 'pg_cron', 'supabase_vault'));
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_versions(jsonb) IS
  'The row of cometchat.health() about the versions of this edition and of what it stands on.';

CREATE OR REPLACE FUNCTION cometchat.health_worker(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  job jsonb := cometchat.cron_job();
BEGIN
  check_name := 'worker';
  ok := job IS NOT NULL AND (job ->> 'active')::boolean AND job ->> 'status' IS DISTINCT FROM 'failed';
  detail := CASE WHEN job IS NULL THEN 'no job of pg_cron calls process_queue()'
    ELSE format('job %s of pg_cron%s; its last run %s', job ->> 'id',
                CASE WHEN (job ->> 'active')::boolean THEN '' ELSE ', not active' END,
                COALESCE((job ->> 'status') || ': ' || (job ->> 'message'), 'is yet to come')) END;
  hint := CASE
    WHEN ok THEN NULL
    WHEN job IS NULL THEN CASE WHEN to_regnamespace('cron') IS NULL THEN 'CREATE EXTENSION pg_cron; ' ELSE '' END
                          || 'SELECT cometchat.schedule_jobs();'
    -- cron.schedule() leaves it inactive, and to change the username takes a superuser.
    ELSE format('SELECT cron.alter_job(%s, command => ''CALL cometchat.process_queue()'', database => %L, active => true);',
                job ->> 'id', current_database()) END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_worker(jsonb) IS
  'The row of cometchat.health() about the job of pg_cron that does the worker''s work.';

-- Its job is the row above.
CREATE OR REPLACE FUNCTION cometchat.health_process_queue(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  check_name := 'process_queue()';
  SELECT c.process_queue_run_at IS NULL
           OR cometchat.process_queue_is_recent() AND c.process_queue_result IN ('done', 'paused', 'sending'),
         CASE WHEN c.process_queue_run_at IS NULL THEN 'never called'
              ELSE format('last run %s ago: %s', date_trunc('second', now() - c.process_queue_run_at),
                          c.process_queue_result) END
    INTO ok, detail FROM cometchat.control AS c;
  hint := CASE WHEN NOT ok THEN 'CALL cometchat.process_queue(); -- alone in its command, as pg_cron calls it' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_process_queue(jsonb) IS
  'The row of cometchat.health() about the last run of process_queue().';

CREATE OR REPLACE FUNCTION cometchat.health_configuration(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  error text := facts #>> '{configuration,error}';
BEGIN
  check_name := 'configuration';
  ok := error IS NULL;
  detail := COALESCE(error, facts #>> '{configuration,value,base_url}');
  hint := CASE
    WHEN ok THEN NULL
    WHEN error ~ 'http is missing' THEN 'CREATE EXTENSION http WITH SCHEMA extensions;'
    WHEN error ~ 'Vault cannot be read, SQLSTATE 42501' THEN format('GRANT USAGE ON SCHEMA vault TO %1$I; '
      'GRANT SELECT ON vault.decrypted_secrets TO %1$I; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA vault TO %1$I; '
      '-- as a superuser: on supabase.com its support', CURRENT_USER)
    WHEN error ~ 'Vault cannot be read' THEN '-- In the Vault of another project, or with its key lost, delete the '
      'secrets and create them anew: DELETE FROM vault.secrets WHERE name LIKE ''cometchat\_%'';'
    WHEN error ~ 'api_base_url' THEN
      'DELETE FROM cometchat.settings WHERE name = ''api_base_url''; -- only https hosts of cometchat.io'
    WHEN error ~ 'api_key is missing' AND NOT EXISTS (
        SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'vault' AND c.relname = 'decrypted_secrets')
      THEN 'CREATE EXTENSION supabase_vault CASCADE; -- and create the secret cometchat_api_key again'
    WHEN error ~ 'api_key is malformed' THEN '-- SELECT vault.update_secret(s.id, ''...'') FROM vault.secrets AS s '
      'WHERE s.name = ''cometchat_api_key''; with the REST API key of CometChat''s dashboard, without blanks'
    WHEN error ~ 'api_key' THEN
      '-- SELECT vault.create_secret(''...'', ''cometchat_api_key''); with the REST API key of CometChat''s dashboard'
    ELSE '-- INSERT INTO cometchat.settings VALUES (''app_id'', ''...''), (''region'', ''us'') ON CONFLICT (name) '
         'DO UPDATE SET value = EXCLUDED.value;' END;
  RETURN NEXT;

  check_name := 'settings';
  ok := true;
  detail := COALESCE((SELECT string_agg(s.name, ', ' ORDER BY s.name) || ' in cometchat.settings'
                      FROM cometchat.settings AS s), 'all have their defaults') || '; the key: vault';
  hint := NULL;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_configuration(jsonb) IS
  'The rows of cometchat.health() about the settings: complete, and which differ from the defaults.';

CREATE OR REPLACE FUNCTION cometchat.health_answer(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  error text := facts #>> '{answer,error}';
  code text := facts #>> '{answer,errorCode}';
BEGIN
  check_name := 'API key';
  -- a 429 says nothing about the key
  ok := error IS NULL OR code IS NOT DISTINCT FROM 'RATE_LIMITED';
  detail := COALESCE(error, 'CometChat answered');
  hint := CASE
    WHEN ok THEN NULL
    WHEN code = 'API_KEY_REJECTED' THEN
      '-- Use a REST API key (full access) of this app and region. SELECT vault.update_secret(s.id, ''...'') '
      'FROM vault.secrets AS s WHERE s.name = ''cometchat_api_key'';'
    WHEN code = 'PLAN_LIMIT' THEN '-- The plan of the CometChat app is used up: its dashboard has larger ones.'
    WHEN code = 'NOT_CONFIGURED' THEN '-- See the row configuration.'
    WHEN error LIKE '%name not found' THEN '-- The region, us, eu or in, must be that of CometChat''s dashboard.'
    WHEN code IN ('NETWORK', 'TIMEOUT') THEN '-- https://status.cometchat.com and https://status.supabase.com say '
                                             'whether there is an outage.'
    ELSE '-- See docs/error-codes.md.' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_answer(jsonb) IS 'The row of cometchat.health() about what CometChat answers.';

CREATE OR REPLACE FUNCTION cometchat.health_recent(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  check_name := 'last success';
  ok := true;
  detail := COALESCE((SELECT max(to_timestamp((s.recent_attempts #>> '{0,0}')::float8))::text
                      FROM cometchat.sync_state AS s
                      WHERE s.recent_attempts IS NOT NULL AND s.recent_attempts #>> '{0,1}' IS NULL),
                     'no attempt of the queue has succeeded yet');
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_recent(jsonb) IS 'The row of cometchat.health() about the last success.';

-- A definer's settings hold in what it calls.
CREATE OR REPLACE FUNCTION cometchat.health_jit(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  check_name := 'jit';
  SELECT string_agg(p.oid::regprocedure::text, ', ' ORDER BY p.oid),
         string_agg(format('ALTER FUNCTION %s SET jit = off;', p.oid::regprocedure), ' ' ORDER BY p.oid)
    INTO detail, hint
  FROM pg_proc AS p
  WHERE (p.pronamespace = 'cometchat'::regnamespace AND p.proname <> 'on_auth_user_update'
         OR p.pronamespace = 'public'::regnamespace
            AND p.proname IN ('cometchat_ensure_user', 'cometchat_refresh_token', 'cometchat_revoke_tokens'))
    AND p.prosecdef AND NOT 'jit=off' = ANY (COALESCE(p.proconfig, '{}'));
  ok := detail IS NULL;
  detail := COALESCE('may compile their statements: ' || detail, 'off in all statements');
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_jit(jsonb) IS
  'The row of cometchat.health() about JIT, which the functions turn off for themselves.';

-- Every privilege on what is ours.
CREATE FUNCTION cometchat.privileges_now()
RETURNS TABLE (kind text, name text, grantee text, privilege text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off SET quote_all_identifiers = off
AS $function$
  SELECT o.kind, o.name, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee)::text END, a.privilege_type
  FROM (SELECT 'ROUTINE' AS kind, p.oid::regprocedure::text AS name, p.proowner AS owner,
               COALESCE(p.proacl, acldefault('f', p.proowner)) AS acl
        FROM pg_proc AS p
        WHERE p.pronamespace = 'cometchat'::regnamespace OR (p.pronamespace = 'public'::regnamespace
          AND p.proname IN ('cometchat_ensure_user', 'cometchat_refresh_token', 'cometchat_revoke_tokens'))
        UNION ALL
        SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::regclass::text, c.relowner,
               COALESCE(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))
        FROM pg_class AS c
        WHERE c.relkind IN ('r', 'v', 'S') AND (c.relnamespace = 'cometchat'::regnamespace OR c.oid = ANY (
          ARRAY['public.cometchat_users', 'public.cometchat_users_id_seq']::regclass[]))
        UNION ALL
        SELECT 'SCHEMA', n.nspname, n.nspowner, COALESCE(n.nspacl, acldefault('n', n.nspowner))
        FROM pg_namespace AS n WHERE n.nspname = 'cometchat') AS o,
       LATERAL aclexplode(o.acl) AS a WHERE a.grantee <> o.owner
$function$;
COMMENT ON FUNCTION cometchat.privileges_now() IS 'The privileges of other roles on what belongs to this edition.';

CREATE OR REPLACE FUNCTION cometchat.grant_facts() RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  WITH shipped AS (
    SELECT p.kind, p.name, p.grantee, p.privilege FROM cometchat.shipped_privileges AS p
  ), found AS (
    SELECT p.kind, p.name, p.grantee, p.privilege FROM cometchat.privileges_now() AS p
  ), clients AS (
    SELECT 'PUBLIC' AS name UNION ALL SELECT 'anon' UNION ALL SELECT 'authenticated'
  ), wrong AS (
    SELECT format('%I lacks %s on %s', r.rolname, s.privilege, s.name) AS what,
           format('GRANT %s ON %s %s TO %I;', s.privilege, s.kind, s.name, r.rolname) AS mend
    FROM (SELECT * FROM shipped EXCEPT SELECT * FROM found) AS s JOIN pg_roles AS r ON r.rolname = s.grantee
    UNION ALL
    SELECT format('%s has %s on %s', c.name, f.privilege, f.name),
           format('REVOKE %s ON %s %s FROM %s CASCADE;', f.privilege, f.kind, f.name, c.name)
    FROM (SELECT * FROM found EXCEPT SELECT * FROM shipped) AS f JOIN clients AS c ON c.name = f.grantee
  )
  SELECT jsonb_build_object('detail', string_agg(w.what, ', ' ORDER BY w.what),
                            'hint', string_agg(w.mend, ' ' ORDER BY w.mend)) FROM wrong AS w
$function$;
COMMENT ON FUNCTION cometchat.grant_facts() IS
  'How privileges differ from those that the file left, for cometchat.health(): too few, or too many for clients.';

-- Without the table nothing works.
CREATE FUNCTION cometchat.table_fault() RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  RETURN CASE WHEN NOT cometchat.owns_mapping_table() THEN jsonb_build_object('check', 'table owner',
    'detail', 'public.cometchat_users does not exist or belongs to another role',
    'hint', CASE WHEN EXISTS (SELECT FROM pg_class AS c WHERE c.relname = 'cometchat_users'
                                AND c.relnamespace = (SELECT n.oid FROM pg_namespace AS n WHERE n.nspname = 'public'))
              THEN format('ALTER TABLE public.cometchat_users OWNER TO %I;', CURRENT_USER)
              ELSE '-- Run cometchat_hosted.sql again, then SELECT cometchat.enable_auth_trigger();' END) END;
END
$function$;
COMMENT ON FUNCTION cometchat.table_fault() IS
  'What is wrong with public.cometchat_users itself, for cometchat.health(); null if nothing is.';
