-- The row of cometchat.control.
SELECT c.paused, c.expects_auth_users, c.last_compared_at,
  c.process_queue_run_at > now() + interval '1 s' AS last_run_is_ahead
FROM cometchat.control AS c
