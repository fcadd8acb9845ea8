-- The job of pg_cron that calls process_queue(), this database's before another's, and its latest run.
SELECT pg_catalog.jsonb_build_object(
         'id', j.jobid, 'active', j.active, 'database', j.database,
         'status', r.status, 'message', pg_catalog."left"(r.return_message, 200),
         'started_at', r.start_time)::text AS job
FROM cron.job AS j
LEFT JOIN LATERAL (
  SELECT d.status, d.return_message, d.start_time FROM cron.job_run_details AS d
  WHERE d.jobid = j.jobid AND d.status IN ('succeeded', 'failed') ORDER BY d.runid DESC LIMIT 1
) AS r ON true
WHERE j.command ~ 'cometchat[.]process_queue'
ORDER BY j.database = pg_catalog.current_database() DESC, j.active DESC, j.jobid LIMIT 1
