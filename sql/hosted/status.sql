-- What operators' views and cometchat.health() read, in the place of shared memory and of a library.

CREATE FUNCTION cometchat.worker_status() RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  RETURN (SELECT jsonb_build_object('preloaded', false, 'library_version', '@version',
    'paused_code', CASE WHEN s.probe_at IS NOT NULL THEN s.paused_code END,
    'new_users_wait', false, 'recent', jsonb_build_object('clock_ahead', NULL),
    'throttled_until', CASE WHEN s.not_before > clock_timestamp() THEN extract(epoch FROM s.not_before) END,
    'throttled_by', CASE WHEN s.not_before > clock_timestamp() THEN 'CometChat' END,
    'throttled_for', CASE WHEN s.not_before > clock_timestamp() THEN s.not_before_asked END)
    FROM cometchat.sending AS s);
END
$function$;
COMMENT ON FUNCTION cometchat.worker_status() IS 'What the last answers said to everybody.';

CREATE FUNCTION cometchat.request_stats() RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  RETURN jsonb_build_object('requests', '[]'::jsonb, 'latencies', '[]'::jsonb, 'reset_at', NULL,
    'synced_per_minute', (
      SELECT NULLIF(count(*), 0) FROM cometchat.sync_state AS s
      WHERE s.recent_attempts #>> '{0,1}' IS NULL
        AND (s.recent_attempts #>> '{0,0}')::float8 > extract(epoch FROM now() - interval '1 minute')));
END
$function$;
COMMENT ON FUNCTION cometchat.request_stats() IS 'Requests are not counted here; how many users a minute are synced.';

CREATE FUNCTION cometchat.reset_stats() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off AS $$ BEGIN END $$;
COMMENT ON FUNCTION cometchat.reset_stats() IS 'Does nothing here: nothing is counted.';

CREATE FUNCTION cometchat.clear_warnings() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off AS $$ BEGIN END $$;
COMMENT ON FUNCTION cometchat.clear_warnings() IS 'Does nothing here: no warnings are kept.';

CREATE FUNCTION cometchat.show_progress(progress text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off AS $$ BEGIN END $$;
COMMENT ON FUNCTION cometchat.show_progress(text) IS 'Does nothing here.';

CREATE FUNCTION cometchat.wake() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off AS $$ BEGIN END $$;
COMMENT ON FUNCTION cometchat.wake() IS 'Does nothing here: pg_cron calls process_queue() every few seconds.';

CREATE FUNCTION cometchat.start_worker() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  UPDATE cometchat.sending AS s SET not_before = NULL, queue_not_before = NULL, probe_at = NULL WHERE s.only_row;
END
$function$;
COMMENT ON FUNCTION cometchat.start_worker() IS 'For resume(): the next run of process_queue() sends at once.';

CREATE FUNCTION cometchat.cron_job() RETURNS jsonb
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  RETURN (SELECT j.job::jsonb FROM cometchat.statement_cron_job() AS j);
EXCEPTION WHEN undefined_table OR insufficient_privilege THEN
  RETURN NULL;
END
$function$;
COMMENT ON FUNCTION cometchat.cron_job() IS
  'The job of pg_cron that calls cometchat.process_queue(), and its latest run; null if there is none.';

-- cron.schedule() replaces a job of the same name. CALL must be alone in its command: it commits. What pg_cron has
-- written of the app's own jobs stays, whatever their names are.
CREATE FUNCTION cometchat.schedule_jobs() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  PERFORM cron.schedule('cometchat', '5 seconds', 'CALL cometchat.process_queue()');
  PERFORM cron.schedule('cometchat-log', '7 * * * *',
    $$DELETE FROM cron.job_run_details AS d USING cron.job AS j
      WHERE d.jobid = j.jobid AND (j.jobname = 'cometchat-log' OR j.command ~ 'cometchat\.process_queue')
        AND d.end_time < now() - interval '1 hour'$$);
END
$function$;
COMMENT ON FUNCTION cometchat.schedule_jobs() IS
  'Has pg_cron call cometchat.process_queue() every 5 seconds, and delete what it has written of that after an hour.';
