-- Clears what is stored about a user that CometChat does not know, so that the next call creates anew.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS user_id, $2 AS sent_profile, $3 AS in_flight_ms, $4 AS started_outcomes
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
)
UPDATE cometchat.sync_state AS s
SET app_id = NULL, cometchat_uid = NULL, sent_profile = NULL, sent_metadata = NULL,
    sent_fields = NULL, revoke_pending = false,
    unsettled_until = GREATEST(NULLIF(s.unsettled_until, 'infinity'), now(),
                               CASE WHEN s.claim IS NOT NULL
                                    THEN clock_timestamp() + i.in_flight_ms * interval '1 ms' END)
FROM input AS i
WHERE s.user_id = i.user_id AND NOT EXISTS (SELECT FROM kept)
