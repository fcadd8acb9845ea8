-- Has the worker look at a user: it sent something while a call found the user unknown.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS user_id, $2 AS sent_profile, $3 AS started_outcomes
)
UPDATE cometchat.sync_state AS s
SET unsettled_until = GREATEST(NULLIF(s.unsettled_until, 'infinity'), now()),
    next_attempt_at = now()
FROM input AS i
WHERE s.user_id = i.user_id
  AND (s.outcomes <> i.started_outcomes OR s.sent_profile IS DISTINCT FROM i.sent_profile)
