-- Which of these users no other transaction has locked.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS user_ids
), free AS MATERIALIZED (
  SELECT s.user_id FROM cometchat.sync_state AS s, input AS i
  WHERE s.user_id = ANY (i.user_ids)
  FOR UPDATE OF s SKIP LOCKED
)
SELECT q.user_id
FROM input AS i, unnest(i.user_ids) AS q(user_id)
WHERE EXISTS (SELECT FROM free AS f WHERE f.user_id = q.user_id)
   OR NOT EXISTS (SELECT FROM cometchat.sync_state AS s WHERE s.user_id = q.user_id)
