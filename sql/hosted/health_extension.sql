-- Checks of the installation, for cometchat.health(): the edition, its version, and its cron job.

CREATE FUNCTION cometchat.health_extension(status jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
  check_name := 'versions';
  ok := true;
  detail := 'hosted edition ' || (status ->> 'library_version');
  RETURN NEXT;

  -- A job that fails every time is no job: its last outcome decides.
  check_name := 'cron job';
  SELECT j.active AND COALESCE(d.status IN ('succeeded', 'running', 'starting'), true),
         pg_catalog.format('job %s, last run: %s', j.jobid,
           COALESCE(d.status || COALESCE(', ' || d.return_message, ''), 'none yet'))
    INTO ok, detail
  FROM cron.job AS j
  LEFT JOIN LATERAL (SELECT r.status, r.return_message FROM cron.job_run_details AS r
                     WHERE r.jobid = j.jobid ORDER BY r.runid DESC LIMIT 1) AS d ON true
  WHERE j.command ILIKE '%cometchat.process_queue%' ORDER BY j.jobid LIMIT 1;
  detail := COALESCE(detail, 'none');
  ok := COALESCE(ok, false);
  hint := CASE WHEN NOT ok THEN
    'SELECT cron.schedule(''cometchat'', ''5 seconds'', ''CALL cometchat.process_queue()'');' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_extension(jsonb) IS
  'The rows of cometchat.health() about the edition and its cron job.';
