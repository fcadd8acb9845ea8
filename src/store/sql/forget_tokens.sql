-- Forgets tokens, where they are still the stored ones; a row that is locked now is left for later.
WITH input AS MATERIALIZED (
  SELECT unnest($1) AS user_id, unnest($2) AS token
), free AS MATERIALIZED (
  SELECT u.user_id
  FROM input AS i
  JOIN public.cometchat_users AS u
    ON u.user_id = i.user_id AND u.cometchat_auth_token = i.token
  FOR UPDATE OF u SKIP LOCKED
)
UPDATE public.cometchat_users AS u SET cometchat_auth_token = NULL, updated_at = now()
FROM free AS f WHERE u.user_id = f.user_id
