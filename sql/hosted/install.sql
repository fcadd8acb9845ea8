-- The last steps: the foreign key, the cron jobs.

SELECT cometchat.add_foreign_key();

-- cron.schedule() replaces a job of the same name. CALL must be alone in its command: it commits.
SELECT cron.schedule('cometchat', '5 seconds', 'CALL cometchat.process_queue()');
SELECT cron.schedule('cometchat-log', '7 * * * *',
  $$DELETE FROM cron.job_run_details AS d USING cron.job AS j
    WHERE d.jobid = j.jobid AND j.jobname IN ('cometchat', 'cometchat-log')
      AND d.end_time < now() - interval '1 hour'$$);
