-- The tokens that are stored for these users.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS user_ids
)
SELECT u.user_id, u.cometchat_auth_token
FROM public.cometchat_users AS u, input AS i
WHERE u.user_id = ANY (i.user_ids) AND u.cometchat_auth_token IS NOT NULL
