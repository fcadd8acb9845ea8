-- The server's clock was set back: nobody waits for what went away with that.
--
-- Whoever was due in a moment, or would have been tried again, is due now; that an attempt comes early
-- harms nothing. No claim is from the future, and no request is in flight for longer than any is.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS in_flight_ms
), ahead AS MATERIALIZED (
  SELECT s.user_id, now() + i.in_flight_ms * interval '1 ms' AS in_flight_until
  FROM input AS i, cometchat.sync_state AS s
  WHERE s.next_attempt_at > now() OR s.claimed_at > now()
    OR (s.unsettled_until > now() + i.in_flight_ms * interval '1 ms' AND s.unsettled_until < 'infinity')
  -- Whoever is locked is being written with the new time.
  FOR UPDATE OF s SKIP LOCKED
)
UPDATE cometchat.sync_state AS s
SET next_attempt_at = CASE WHEN s.next_attempt_at IS NOT NULL THEN LEAST(s.next_attempt_at, now()) END,
    claimed_at = CASE WHEN s.claimed_at IS NOT NULL THEN LEAST(s.claimed_at, now()) END,
    unsettled_until = CASE WHEN s.unsettled_until < 'infinity' THEN LEAST(s.unsettled_until, a.in_flight_until)
                           ELSE s.unsettled_until END
FROM ahead AS a WHERE s.user_id = a.user_id
