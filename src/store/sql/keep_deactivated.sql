-- Remembers which users we deactivated, where a session's call took the claim away meanwhile.
WITH input AS MATERIALIZED (
  SELECT $1 AS claim, unnest($2) AS user_id, unnest($3) AS app_id, unnest($4) AS uid
)
UPDATE cometchat.sync_state AS s SET deactivated = true
FROM input AS i
WHERE s.user_id = i.user_id AND s.app_id = i.app_id AND s.cometchat_uid = i.uid
  AND NOT s.deactivated AND s.claim IS DISTINCT FROM i.claim
