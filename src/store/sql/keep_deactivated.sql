-- Remembers which users we deactivated, where a session's call took the claim away meanwhile. They are due again: whoever
-- has come back since is active, and this would not be true for long.
WITH input AS MATERIALIZED (
  SELECT $1 AS claim, unnest($2) AS user_id, unnest($3) AS app_id, unnest($4) AS uid
)
UPDATE cometchat.sync_state AS s
SET deactivated = true, wanted_revision = s.wanted_revision + 1,
    next_attempt_at = LEAST(s.next_attempt_at, now()), attempts = 0, failed_at = NULL,
    backlog = false
FROM input AS i
WHERE s.user_id = i.user_id AND s.app_id = i.app_id AND s.cometchat_uid = i.uid
  AND NOT s.deactivated AND s.claim IS DISTINCT FROM i.claim
