-- The users that uids of CometChat's are mapped to.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS uids
)
SELECT u.cometchat_uid, u.user_id
FROM public.cometchat_users AS u, input AS i
WHERE u.cometchat_uid = ANY (i.uids)
