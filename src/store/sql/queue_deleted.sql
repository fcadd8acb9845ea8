-- Queues users who are gone: what the trigger and the foreign key would have done. (What is their own
-- is wiped by wipe.sql.)
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS user_ids
), mapping AS (
  DELETE FROM public.cometchat_users AS u USING input AS i
  WHERE u.user_id = ANY (i.user_ids)
  RETURNING u.user_id, u.cometchat_uid
)
INSERT INTO cometchat.sync_state AS s (user_id, cometchat_uid, wanted_revision, next_attempt_at)
SELECT q.user_id, m.cometchat_uid, 1, now()
FROM input AS i
CROSS JOIN unnest(i.user_ids) AS q(user_id)
LEFT JOIN mapping AS m ON m.user_id = q.user_id
ORDER BY q.user_id -- the order in which other statements lock them
ON CONFLICT (user_id) DO UPDATE
SET cometchat_uid = COALESCE(EXCLUDED.cometchat_uid, s.cometchat_uid),
    wanted_revision = s.wanted_revision + 1, next_attempt_at = now(),
    attempts = 0, failed_at = NULL, backlog = false
