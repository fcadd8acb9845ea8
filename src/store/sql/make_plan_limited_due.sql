-- Users who wait because the plan had no room for them are due now.
WITH waiting AS MATERIALIZED (
  SELECT s.user_id FROM cometchat.sync_state AS s
  WHERE s.next_attempt_at > now() AND s.claim IS NULL
    AND (s.error_code = 'PLAN_LIMIT' OR starts_with(s.error_code, 'ERR_PLAN_'))
  -- It is not urgent enough to wait for a lock.
  FOR UPDATE SKIP LOCKED
)
UPDATE cometchat.sync_state AS s SET next_attempt_at = now()
FROM waiting AS w WHERE s.user_id = w.user_id
