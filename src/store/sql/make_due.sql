-- Some users that were put off are due now.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS user_ids
), waiting AS MATERIALIZED (
  SELECT s.user_id FROM cometchat.sync_state AS s, input AS i
  WHERE s.user_id = ANY (i.user_ids) AND s.next_attempt_at > now() AND s.claim IS NULL
  -- It is not urgent enough to wait for a lock.
  FOR UPDATE OF s SKIP LOCKED
)
UPDATE cometchat.sync_state AS s SET next_attempt_at = now()
FROM waiting AS w WHERE s.user_id = w.user_id
