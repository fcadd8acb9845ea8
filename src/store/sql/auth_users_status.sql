-- What is certain of users whose rows of auth.users cannot be read as a whole: whether they are banned or
-- deleted. See auth_users_load.sql.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS user_ids
)
SELECT q.user_id, a.suspended
FROM input AS i,
(SELECT NULL::timestamptz AS banned_until, NULL::timestamptz AS deleted_at) AS absent,
unnest(i.user_ids) AS q(user_id),
LATERAL (SELECT (banned_until > now() OR deleted_at IS NOT NULL) AS suspended
         FROM auth.users AS au
         WHERE au.id = q.user_id -- text: WHERE au.id = ANY (ARRAY[q.user_id::text, upper(q.user_id::text)])
        ) AS a
