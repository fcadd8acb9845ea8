-- Queues users that the trigger should have queued.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS user_ids
)
INSERT INTO cometchat.sync_state AS s (user_id, wanted_revision, next_attempt_at)
SELECT q.user_id, 1, now()
FROM input AS i, unnest(i.user_ids) AS q(user_id)
ORDER BY q.user_id -- the order in which other statements lock them
ON CONFLICT (user_id) DO UPDATE
SET wanted_revision = s.wanted_revision + 1, next_attempt_at = now(),
    attempts = 0, failed_at = NULL
