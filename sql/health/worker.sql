-- Checks of the worker, and of process_queue() where there is none.

CREATE FUNCTION cometchat.process_queue_is_recent() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT COALESCE(c.process_queue_run_at > pg_catalog.now() - interval '10 minutes', false)
  FROM cometchat.control AS c
$function$;
COMMENT ON FUNCTION cometchat.process_queue_is_recent() IS
  'Whether cometchat.process_queue() ran in the last 10 minutes.';

CREATE FUNCTION cometchat.health_worker(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  status jsonb := facts -> 'status';
  preloaded boolean := COALESCE((status ->> 'preloaded')::boolean, false);
  running boolean := status ->> 'worker_pid' IS NOT NULL;
  waiting_seconds integer := (status ->> 'waiting_seconds')::integer;
  -- Where the library is not preloaded, process_queue() does the worker's job.
  in_foreground boolean := NOT preloaded AND cometchat.process_queue_is_recent();
  processes integer := pg_catalog.current_setting('max_worker_processes')::integer;
  database text := pg_catalog.current_database();
  template boolean := (SELECT d.datistemplate FROM pg_catalog.pg_database AS d
                       WHERE d.datname = pg_catalog.current_database());
  more_processes text := pg_catalog.format(
    E'ALTER SYSTEM SET max_worker_processes = %s;\n\\! pg_ctl restart', processes + 8);
BEGIN
  check_name := 'worker';
  -- With fewer processes than databases, a database without work has no process.
  ok := running OR in_foreground OR pg_catalog.pg_is_in_recovery()
        OR (status ->> 'resting')::boolean AND NOT template AND COALESCE(waiting_seconds, 0) < 5;
  -- read_only is what the worker found in its own session; the check 'write access' says more.
  detail := CASE WHEN (status ->> 'read_only')::boolean THEN 'nothing is sent while the database is read-only'
              WHEN running THEN 'process ' || (status ->> 'worker_pid')
              WHEN pg_catalog.pg_is_in_recovery() THEN 'none on a standby'
              WHEN in_foreground THEN 'none; process_queue() does its job'
              WHEN waiting_seconds IS NOT NULL
                THEN pg_catalog.format('has waited %s s for a background process; max_worker_processes = %s',
                                       waiting_seconds, processes)
              WHEN ok THEN 'idle, gave its process to another database; max_worker_processes = ' || processes
              WHEN template THEN 'this database is a template'
              WHEN NOT preloaded THEN 'none: the library is not preloaded'
              WHEN NOT (status ->> 'launched')::boolean
                THEN 'the launcher has no process; max_worker_processes = ' || processes
              WHEN NOT (status ->> 'has_place')::boolean
                THEN 'Too many databases of this server have the extension'
              ELSE 'no worker in this database' END
         || CASE WHEN (status ->> 'databases_waiting')::integer > 0
                 THEN pg_catalog.format('; databases waiting: %s', status ->> 'databases_waiting')
                 ELSE '' END;
  hint := CASE WHEN ok THEN NULL
              WHEN NOT preloaded
                THEN pg_catalog.format(E'ALTER SYSTEM SET shared_preload_libraries = %s;\n\\! pg_ctl restart\n'
                       '-- or, without a restart, with pg_cron: SELECT cron.schedule(''cometchat'', '
                       '''10 seconds'', ''CALL cometchat.process_queue()'');',
                       (SELECT pg_catalog.string_agg(pg_catalog.quote_literal(l.name), ', ')
                        FROM pg_catalog.regexp_split_to_table(
                          pg_catalog.concat_ws(',', NULLIF(facts ->> 'preload', ''), 'cometchat_ext'),
                          E'\\s*,\\s*') AS l(name)))
              WHEN template
                THEN pg_catalog.format('ALTER DATABASE %I IS_TEMPLATE false; -- a template can be copied only '
                                       'while no session is connected to it', database)
              WHEN NOT (status ->> 'launched')::boolean THEN more_processes
              WHEN NOT (status ->> 'has_place')::boolean
                THEN pg_catalog.format('-- Too many databases have the extension. In the database that has '
                       'pg_cron: SELECT cron.schedule_in_database(''cometchat'', ''10 seconds'', '
                       '''CALL cometchat.process_queue()'', %L);', database)
              WHEN waiting_seconds IS NOT NULL
                THEN more_processes || E'\n-- workers of other databases, parallel queries and other '
                     'extensions use processes too'
              ELSE 'SELECT cometchat.resume();' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_worker(jsonb) IS 'The row of cometchat.health() about the worker.';

CREATE FUNCTION cometchat.health_process_queue(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  -- null where there is no pg_cron, or where it does not call us
  job jsonb := cometchat.cron_job();
  -- another database's job may be right there
  elsewhere boolean := COALESCE(job ->> 'database' <> pg_catalog.current_database(), false);
  unserved boolean := elsewhere AND facts #>> '{status,worker_pid}' IS NULL
                      AND NOT cometchat.process_queue_is_recent();
  broken boolean := NOT elsewhere
                    AND COALESCE(NOT (job ->> 'active')::boolean OR job ->> 'status' = 'failed', false);
BEGIN
  check_name := 'process_queue()';
  -- Passes where there is a worker, unless pg_cron fails at it.
  SELECT NOT broken AND NOT unserved
         AND (c.process_queue_run_at IS NULL OR facts #>> '{status,worker_pid}' IS NOT NULL
              OR (cometchat.process_queue_is_recent()
                  AND c.process_queue_result IN ('done', 'paused', 'sending'))),
         CASE WHEN c.process_queue_run_at IS NULL THEN 'never called'
              ELSE pg_catalog.format('last run %s ago: %s',
                     pg_catalog.date_trunc('second', pg_catalog.now() - c.process_queue_run_at),
                     c.process_queue_result) END
    INTO ok, detail FROM cometchat.control AS c;
  detail := detail || CASE WHEN job IS NULL OR elsewhere AND NOT unserved THEN '' ELSE pg_catalog.format('; job %s of pg_cron%s%s', job ->> 'id',
    CASE WHEN (job ->> 'active')::boolean THEN '' ELSE ' is not active' END,
    CASE WHEN elsewhere THEN ' runs in database ' || (job ->> 'database')
         WHEN job ->> 'status' = 'failed' THEN ' failed at ' || (job ->> 'started_at') || ': '
                                               || (job ->> 'message')
         ELSE '' END) END;
  hint := CASE
    WHEN ok THEN NULL
    WHEN unserved THEN pg_catalog.format(
      'SELECT cron.schedule(%L, ''10 seconds'', ''CALL cometchat.process_queue()''); '
      'CALL cometchat.process_queue(); -- that job may be right for its database',
      'cometchat in ' || pg_catalog.current_database())
    WHEN broken THEN pg_catalog.format(
      'SELECT cron.alter_job(%s, command => ''CALL cometchat.process_queue()'', database => %L, '
      '%sactive => true); CALL cometchat.process_queue(); -- alone in its command, since it commits',
      job ->> 'id', pg_catalog.current_database(),
      -- pg_cron lets nobody else say whose job it is
      (SELECT pg_catalog.format('username => %L, ', r.rolname) FROM pg_catalog.pg_roles AS r
       WHERE r.rolname = SESSION_USER AND r.rolsuper))
    ELSE 'CALL cometchat.process_queue(); -- and have pg_cron, or cron and psql, call it, alone in its '
         'command' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_process_queue(jsonb) IS
  'The row of cometchat.health() about process_queue(), and the job of pg_cron that calls it.';

CREATE FUNCTION cometchat.health_write_access(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  given text := cometchat.reset_commands('default_transaction_read_only', 'on|true|yes|1');
  read_only boolean := pg_catalog.current_setting('default_transaction_read_only') <> 'off';
BEGIN
  check_name := 'write access';
  ok := NOT pg_catalog.pg_is_in_recovery() AND NOT read_only AND given IS NULL
        AND NOT COALESCE((facts #>> '{status,read_only}')::boolean, false);
  detail := CASE
    WHEN pg_catalog.pg_is_in_recovery() THEN 'a standby: nothing is sent, and stored answers alone are served'
    WHEN ok THEN 'default_transaction_read_only is off'
    ELSE 'read-only: default_transaction_read_only is on'
         || CASE WHEN read_only THEN '' ELSE ', not for this session, but for others' END END;
  hint := CASE
    WHEN ok THEN NULL
    WHEN pg_catalog.pg_is_in_recovery()
      THEN 'SELECT pg_promote(); -- if the primary is gone; else connect to the primary'
    ELSE CASE WHEN read_only THEN 'SET default_transaction_read_only = off; ' ELSE '' END
         || COALESCE(given, cometchat.setting_command(facts, 'default_transaction_read_only', 'off')) END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_write_access(jsonb) IS
  'The row of cometchat.health() about a standby or a read-only database.';
