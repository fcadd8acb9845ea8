-- Clears what is stored about a user that CometChat does not know, so that the next call creates anew.
--
-- A revocation that is owed stays: CometChat does not tell whom others deactivated from whom it does not know, and
-- a reactivated user's tokens work again.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS user_id, $2 AS sent_profile, $3 AS in_flight_ms, $4 AS started_outcomes,
         $5 AS owes_revocation
), kept AS MATERIALIZED (
  -- All of a user that the worker deactivated, or created, meanwhile stays: CometChat knows the user, and
  -- must be told that the user is back.
  SELECT s.user_id FROM cometchat.sync_state AS s, input AS i
  WHERE s.user_id = i.user_id
    AND (s.deactivated OR s.outcomes <> i.started_outcomes
         OR s.sent_profile IS DISTINCT FROM i.sent_profile)
), own AS (
  DELETE FROM public.cometchat_users AS u USING input AS i
  WHERE u.user_id = i.user_id AND u.cometchat_uid = i.user_id::text
    AND NOT EXISTS (SELECT FROM kept)
), mapped AS (
  -- A mapping to another uid than the user's own is a decision of others, and stays without its token.
  UPDATE public.cometchat_users AS u SET cometchat_auth_token = NULL, updated_at = now()
  FROM input AS i
  WHERE u.user_id = i.user_id
    AND (u.cometchat_uid <> i.user_id::text OR EXISTS (SELECT FROM kept))
), owed AS (
  UPDATE cometchat.sync_state AS s SET revoke_pending = true
  FROM input AS i, kept AS k
  WHERE s.user_id = k.user_id AND i.owes_revocation
)
INSERT INTO cometchat.sync_state AS s (user_id, revoke_pending)
SELECT i.user_id, i.owes_revocation
FROM input AS i
WHERE NOT EXISTS (SELECT FROM kept)
  AND (i.owes_revocation OR EXISTS (SELECT FROM cometchat.sync_state AS s WHERE s.user_id = i.user_id))
ON CONFLICT (user_id) DO UPDATE
SET app_id = NULL, cometchat_uid = NULL, sent_profile = NULL, sent_metadata = NULL,
    sent_fields = NULL, revoke_pending = s.revoke_pending OR EXCLUDED.revoke_pending,
    unsettled_until = (
      SELECT GREATEST(NULLIF(s.unsettled_until, 'infinity'), now(),
                      CASE WHEN s.claim IS NOT NULL
                           THEN clock_timestamp() + i.in_flight_ms * interval '1 ms' END)
      FROM input AS i)
