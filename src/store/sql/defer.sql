-- Gives claimed users back, each to be tried some milliseconds from now.
WITH input AS MATERIALIZED (
  SELECT $1 AS claim, unnest($2) AS user_id, unnest($3) AS wait_ms
)
UPDATE cometchat.sync_state AS s
SET claim = NULL, claimed_at = NULL,
    -- infinity is this claim's own mark; no request was sent
    unsettled_until = NULLIF(s.unsettled_until, 'infinity'),
    next_attempt_at = now() + i.wait_ms * interval '1 ms'
FROM input AS i
WHERE s.user_id = i.user_id
  AND s.claim IS NOT DISTINCT FROM i.claim -- as in complete.sql
