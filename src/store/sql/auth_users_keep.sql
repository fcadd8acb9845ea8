-- Keeps users from being deleted until the transaction ends; which of them, but for those that are locked.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS user_ids
)
SELECT q.user_id
FROM input AS i
CROSS JOIN unnest(i.user_ids) AS q(user_id)
JOIN auth.users AS au
  ON au.id = q.user_id -- text: ON au.id = ANY (ARRAY[q.user_id::text, upper(q.user_id::text)])
-- A user who is being deleted is locked, and not waited for.
FOR KEY SHARE OF au SKIP LOCKED
