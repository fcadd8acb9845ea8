-- Gives back all that is still claimed, and not locked: users whose outcome could not be written are tried again,
-- and CometChat is asked then what it has.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS claim, $2 AS delay_ms, $3 AS in_flight_ms
)
UPDATE cometchat.sync_state AS s
SET claim = NULL, claimed_at = NULL,
    next_attempt_at = now() + i.delay_ms * interval '1 ms',
    unsettled_until = GREATEST(CASE WHEN isfinite(s.unsettled_until) THEN s.unsettled_until END,
                               now() + GREATEST(i.delay_ms, i.in_flight_ms) * interval '1 ms')
FROM input AS i
WHERE s.user_id = ANY (ARRAY(SELECT k.user_id FROM cometchat.sync_state AS k
                             WHERE k.claim = (SELECT i.claim FROM input AS i)
                             FOR UPDATE SKIP LOCKED))
