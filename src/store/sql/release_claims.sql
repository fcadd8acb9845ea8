-- Gives back claimed users that are not sent now: they are due as before.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS user_ids, $2 AS claim
)
UPDATE cometchat.sync_state AS s
SET claim = NULL, claimed_at = NULL,
    -- infinity is this claim's own mark; no request was sent
    unsettled_until = NULLIF(s.unsettled_until, 'infinity')
FROM input AS i
WHERE s.user_id = ANY (i.user_ids) AND s.claim = i.claim
