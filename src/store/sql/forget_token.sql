-- Forgets the user's token, whatever app it is of; it is to be flushed before the next is minted. The state's row
-- is locked first, as everywhere.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS user_id
), state AS (
  UPDATE cometchat.sync_state AS s SET revoke_pending = true
  FROM input AS i WHERE s.user_id = i.user_id
  RETURNING s.user_id
)
UPDATE public.cometchat_users AS u SET cometchat_auth_token = NULL, updated_at = now()
FROM input AS i
WHERE u.user_id = i.user_id AND u.cometchat_auth_token IS NOT NULL
  AND (SELECT count(*) FROM state) >= 0
