-- Which of these users are in auth.users.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS user_ids
)
SELECT q.user_id
FROM input AS i
CROSS JOIN unnest(i.user_ids) AS q(user_id)
JOIN auth.users AS au
  ON au.id = q.user_id -- text: ON au.id = ANY (ARRAY[q.user_id::text, upper(q.user_id::text)])
