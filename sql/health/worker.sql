-- Checks of the worker, and of process_queue() where there is none.

CREATE FUNCTION cometchat.process_queue_is_recent() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT COALESCE(c.process_queue_run_at > pg_catalog.now() - interval '10 minutes', false)
  FROM cometchat.control AS c
$function$;
COMMENT ON FUNCTION cometchat.process_queue_is_recent() IS
  'Whether cometchat.process_queue() ran in the last 10 minutes.';

CREATE FUNCTION cometchat.health_worker(status jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  preloaded boolean := COALESCE((status ->> 'preloaded')::boolean, false);
  running boolean := status ->> 'worker_pid' IS NOT NULL;
  waiting_seconds integer := (status ->> 'waiting_seconds')::integer;
  -- Where the library is not preloaded, process_queue() does the worker's job.
  in_foreground boolean := NOT preloaded AND cometchat.process_queue_is_recent();
  processes text := pg_catalog.current_setting('max_worker_processes');
  template boolean := (SELECT d.datistemplate FROM pg_catalog.pg_database AS d
                       WHERE d.datname = pg_catalog.current_database());
BEGIN
  check_name := 'worker';
  -- With fewer processes than databases, a database without work has no process.
  ok := running OR in_foreground
        OR (status ->> 'resting')::boolean AND NOT template AND COALESCE(waiting_seconds, 0) < 5;
  -- read_only is what the worker found in its own session; the check 'write access' is about this one's.
  detail := CASE WHEN (status ->> 'read_only')::boolean THEN 'nothing is sent while the database is read-only'
              WHEN running THEN 'process ' || (status ->> 'worker_pid')
              WHEN in_foreground THEN 'none; process_queue() does its job'
              WHEN waiting_seconds IS NOT NULL
                THEN pg_catalog.format('has waited %s s for a background process; max_worker_processes = %s',
                                       waiting_seconds, processes)
              WHEN ok THEN 'idle, gave its process to another database; max_worker_processes = ' || processes
              WHEN template THEN 'this database is a template'
              ELSE 'no worker in this database' END
         || CASE WHEN (status ->> 'databases_waiting')::integer > 0
                 THEN pg_catalog.format('; databases waiting: %s', status ->> 'databases_waiting')
                 ELSE '' END;
  hint := CASE WHEN ok THEN NULL
              WHEN NOT preloaded
                THEN 'Add cometchat_ext to shared_preload_libraries and restart, or let pg_cron call '
                     'cometchat.process_queue().'
              WHEN template
                THEN pg_catalog.format('ALTER DATABASE %I IS_TEMPLATE false; a template can be copied only '
                                       'while no session is connected to it.', pg_catalog.current_database())
              WHEN NOT (status ->> 'launched')::boolean
                THEN pg_catalog.format('The launcher has no process: raise max_worker_processes (now %s) and '
                                       'restart; see the server log.', processes)
              WHEN NOT (status ->> 'has_place')::boolean
                THEN 'Too many databases of this server have the extension; let pg_cron call '
                     'cometchat.process_queue() here.'
              WHEN waiting_seconds IS NOT NULL
                THEN 'Raise max_worker_processes and restart: workers of other databases, parallel queries '
                     'and other extensions use processes too.'
              ELSE 'The worker starts with the next queued user; see the server log.' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_worker(jsonb) IS 'The row of cometchat.health() about the worker.';

CREATE FUNCTION cometchat.health_process_queue(status jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  check_name := 'process_queue()';
  -- Passes where there is a worker.
  SELECT c.process_queue_run_at IS NULL OR status ->> 'worker_pid' IS NOT NULL
         OR (cometchat.process_queue_is_recent()
             AND c.process_queue_result IN ('done', 'paused', 'sending')),
         CASE WHEN c.process_queue_run_at IS NULL THEN 'never called'
              ELSE pg_catalog.format('last run %s ago: %s',
                     pg_catalog.date_trunc('second', pg_catalog.now() - c.process_queue_run_at),
                     c.process_queue_result) END
    INTO ok, detail FROM cometchat.control AS c;
  hint := CASE WHEN NOT ok THEN 'Check that pg_cron calls it, alone in its command; '
                                'cron.job_run_details has the results.' END;
  RETURN NEXT;

  check_name := 'write access';
  ok := pg_catalog.pg_is_in_recovery()
        OR pg_catalog.current_setting('default_transaction_read_only') = 'off';
  detail := CASE WHEN pg_catalog.pg_is_in_recovery() THEN 'a standby; it sends nothing'
                 ELSE 'default_transaction_read_only is '
                      || pg_catalog.current_setting('default_transaction_read_only') END;
  hint := CASE WHEN NOT ok THEN 'Nothing is sent while the database is read-only; see pg_settings and '
                                'pg_db_role_setting.' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_process_queue(jsonb) IS
  'The rows of cometchat.health() about process_queue() and a read-only database.';
