-- Notes which claimed users are about to be deactivated, before the request. CometChat does not say who
-- deactivated a user: after a crash between the request and its outcome, this tells that it may have been us.
-- The outcome overwrites it.
WITH input AS MATERIALIZED (
  SELECT unnest($1) AS user_id, unnest($2) AS uid, $3 AS claim, $4 AS app_id
)
UPDATE cometchat.sync_state AS s
SET deactivated = true, app_id = i.app_id, cometchat_uid = i.uid
FROM input AS i
WHERE s.user_id = i.user_id
  AND s.claim IS NOT DISTINCT FROM i.claim -- as in complete.sql
  -- What is stored of another app is left to that app.
  AND COALESCE(s.app_id, i.app_id) = i.app_id
