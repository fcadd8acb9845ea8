-- Which of these users are still claimed.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS claim, $2 AS user_ids
)
SELECT s.user_id FROM cometchat.sync_state AS s, input AS i
WHERE s.user_id = ANY (i.user_ids) AND s.claim = i.claim
