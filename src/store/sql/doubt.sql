-- What is stored about these users is in doubt: CometChat is to be asked.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS user_ids, $2 AS in_flight_ms
)
INSERT INTO cometchat.sync_state AS s
  (user_id, wanted_revision, next_attempt_at, unsettled_until)
SELECT q.user_id, 1, now(), clock_timestamp() + i.in_flight_ms * interval '1 ms'
FROM input AS i, unnest(i.user_ids) AS q(user_id)
ON CONFLICT (user_id) DO UPDATE
SET wanted_revision = s.wanted_revision + 1,
    next_attempt_at = LEAST(s.next_attempt_at, EXCLUDED.next_attempt_at), failed_at = NULL,
    backlog = false,
    unsettled_until = GREATEST(CASE WHEN isfinite(s.unsettled_until) THEN s.unsettled_until END,
                               EXCLUDED.unsettled_until)
