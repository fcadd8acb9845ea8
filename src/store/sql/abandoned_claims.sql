-- Claims that are older than any request takes: a session left them behind, or a dump brought them along.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS claim, $2 AS abandoned_after_ms
)
SELECT s.user_id, s.claim
FROM cometchat.sync_state AS s, input AS i
WHERE s.claim IS NOT NULL AND s.claim <> i.claim
  AND s.claimed_at < now() - i.abandoned_after_ms * interval '1 ms'
