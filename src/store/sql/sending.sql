-- Whether this database sends: an operator's pause, whether it knows where it lives, and whether that is here.
SELECT COALESCE(c.paused, false) AS paused, EXISTS (SELECT FROM cometchat.home) AS has_home,
  cometchat.is_copy() AS is_copy, COALESCE(c.expects_auth_users, false) AS expects_auth_users,
  COALESCE(c.process_queue_run_at > now() + interval '1 s', false) AS last_run_is_ahead
FROM (SELECT) AS one LEFT JOIN cometchat.control AS c ON true
