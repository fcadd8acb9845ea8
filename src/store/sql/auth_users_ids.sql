-- As auth_users_page.sql, where one row's flags cannot be read: the ids alone.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS from_user_id, $2 AS max_users
)
SELECT a.id::uuid AS user_id
FROM input AS i,
LATERAL (SELECT au.id
         FROM auth.users AS au
         WHERE au.id >= i.from_user_id -- text: WHERE au.id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' AND lower(au.id) COLLATE "C" >= i.from_user_id::text
         ORDER BY au.id -- text: ORDER BY lower(au.id) COLLATE "C"
         LIMIT i.max_users) AS a
