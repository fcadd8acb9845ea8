-- Queues users that the trigger should have queued. "backlog": behind what people do.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS user_ids, $2 AS backlog
)
INSERT INTO cometchat.sync_state AS s (user_id, wanted_revision, next_attempt_at, backlog)
SELECT q.user_id, 1, now(), i.backlog
FROM input AS i, unnest(i.user_ids) AS q(user_id)
ORDER BY q.user_id -- the order in which other statements lock them
ON CONFLICT (user_id) DO UPDATE
SET wanted_revision = s.wanted_revision + 1, next_attempt_at = now(),
    attempts = 0, failed_at = NULL,
    -- Whoever waits already, and not in the backlog, stays before it.
    backlog = EXCLUDED.backlog
              AND (s.backlog OR (s.next_attempt_at IS NULL AND s.claim IS NULL))
