-- Gives up on a user whose outcome could not be written.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS user_id, $2 AS claim, $3 AS revision, $4 AS message
)
UPDATE cometchat.sync_state AS s
SET claim = NULL, claimed_at = NULL,
    unsettled_until = GREATEST(CASE WHEN isfinite(s.unsettled_until) THEN s.unsettled_until END, now()),
    error_code = 'DATABASE', error_message = i.message,
    -- A user who has changed since is tried.
    next_attempt_at = CASE WHEN s.wanted_revision <> i.revision THEN now() END,
    failed_at = CASE WHEN s.wanted_revision = i.revision THEN now() END
FROM input AS i
WHERE s.user_id = i.user_id AND s.claim = i.claim
