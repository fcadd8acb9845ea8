-- Stores what a session's call learned about a user, and maps the user.
--
-- The worker does not wait for a session's call, and may have finished since the call started: banned the
-- user, or sent a later profile. Then it is not known which request CometChat got last. Nothing of the
-- worker's is undone, and the user is due again.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS user_id,
         $2 AS uid,
         $3 AS token,
         $4 AS app_id,
         $5 AS sent_profile,
         $6 AS sent_metadata,
         $7 AS sent_fields,
         $8 AS deactivated,
         $9 AS revoke_pending,
         $10 AS name_argument,
         $11 AS name_argument_base,
         $12 AS email_argument,
         $13 AS email_argument_base,
         $14 AS synced_revision, -- null: the call did not bring CometChat to what is wanted
         $15 AS mapped,
         $16 AS started_revision, -- the one that the call started from
         $17 AS knew_deactivated, -- and whether it knew that we had deactivated the user
         $18 AS unsettled_ms, -- what was sent is in doubt for so long; null: it is not
         $19 AS in_flight_ms, -- a request of a worker may be in flight for so long
         $20 AS check_in_ms, -- when to look at what is in doubt; null: it is not
         $21 AS started_outcomes, -- how many the queue had written when the call started
         $22 AS knew_revocation -- whether the call knew of the one that was owed, if one was
), mapping AS (
  INSERT INTO public.cometchat_users AS u (user_id, cometchat_uid, cometchat_auth_token)
  SELECT i.user_id, i.uid,
         -- A deactivation by the worker may have flushed the token; a revocation that came meanwhile is to.
         CASE WHEN NOT EXISTS (
                SELECT FROM cometchat.sync_state AS s
                WHERE s.user_id = i.user_id
                  AND (s.deactivated AND s.wanted_revision <> i.started_revision
                       OR s.revoke_pending AND NOT i.knew_revocation))
              THEN i.token END
  FROM input AS i
  WHERE i.mapped
  ON CONFLICT (user_id) DO UPDATE
  SET cometchat_uid = EXCLUDED.cometchat_uid,
      cometchat_auth_token = EXCLUDED.cometchat_auth_token,
      updated_at = now()
  -- Mapped to another uid meanwhile: that mapping wins.
  WHERE lower(u.cometchat_uid) = lower(EXCLUDED.cometchat_uid)
    AND (u.cometchat_uid, u.cometchat_auth_token)
        IS DISTINCT FROM (EXCLUDED.cometchat_uid, EXCLUDED.cometchat_auth_token)
)
INSERT INTO cometchat.sync_state AS s
  (user_id, cometchat_uid, app_id, sent_profile, sent_metadata, sent_fields, deactivated,
   revoke_pending, name_argument, name_argument_base, email_argument, email_argument_base,
   synced_revision, unsettled_until, next_attempt_at)
SELECT i.user_id, i.uid, i.app_id, i.sent_profile, i.sent_metadata, i.sent_fields, i.deactivated,
       i.revoke_pending, i.name_argument, i.name_argument_base, i.email_argument,
       i.email_argument_base, COALESCE(i.synced_revision, 0),
       COALESCE(clock_timestamp() + i.unsettled_ms * interval '1 ms',
                CASE WHEN i.app_id IS NULL THEN '-infinity'::timestamptz END),
       clock_timestamp() + i.check_in_ms * interval '1 ms'
FROM input AS i
ON CONFLICT (user_id) DO UPDATE
SET claim = NULL, claimed_at = NULL,
    (cometchat_uid, app_id, sent_profile, sent_metadata, sent_fields, deactivated, revoke_pending,
     name_argument, name_argument_base, email_argument, email_argument_base, wanted_revision,
     synced_revision, next_attempt_at, unsettled_until, attempts, failed_at) = (
      SELECT i.uid AS cometchat_uid,
             now_there.app_id,
             -- An empty hash fits no profile, so CometChat is asked.
             CASE WHEN now_there.deactivated THEN NULL
                  WHEN now_there.unchanged THEN i.sent_profile
                  ELSE left(i.sent_profile, 0) END AS sent_profile,
             CASE WHEN now_there.deactivated THEN NULL
                  WHEN now_there.unchanged THEN i.sent_metadata
                  ELSE left(i.sent_metadata, 0) END AS sent_metadata,
             -- Whichever of the two requests was the last, what it set can be unset.
             CASE WHEN now_there.unchanged THEN i.sent_fields
                  ELSE s.sent_fields || i.sent_fields END AS sent_fields,
             i.deactivated
               -- Only a call that knew of it, and so reactivated the user, may clear it.
               OR (s.deactivated AND NOT (i.knew_deactivated AND now_there.unchanged)
                   AND (s.app_id, s.cometchat_uid) IS NOT DISTINCT FROM (now_there.app_id, i.uid))
               AS deactivated,
             -- Only a call that knew of a revocation has carried it out.
             i.revoke_pending OR (s.revoke_pending AND NOT i.knew_revocation) AS revoke_pending,
             i.name_argument,
             i.name_argument_base,
             i.email_argument,
             i.email_argument_base,
             s.wanted_revision + (NOT now_there.unchanged)::int AS wanted_revision,
             CASE WHEN now_there.unchanged AND i.synced_revision IS NOT NULL
                  THEN i.synced_revision ELSE s.synced_revision END AS synced_revision,
             CASE WHEN NOT now_there.unchanged THEN LEAST(s.next_attempt_at, now())
                  -- Done here: the worker that has the user in flight need not write it.
                  WHEN i.synced_revision IS NULL
                  THEN LEAST(s.next_attempt_at, clock_timestamp() + i.check_in_ms * interval '1 ms')
                  ELSE LEAST(now_there.unsettled_until, now_there.in_flight_until,
                             clock_timestamp() + i.check_in_ms * interval '1 ms') END AS next_attempt_at,
             -- A call that has learned of no account has not asked for one.
             GREATEST(now_there.unsettled_until, now_there.in_flight_until,
                      clock_timestamp() + i.unsettled_ms * interval '1 ms',
                      CASE WHEN i.app_id IS NULL THEN NULLIF(s.unsettled_until, 'infinity') END) AS unsettled_until,
             CASE WHEN now_there.unchanged AND i.synced_revision IS NOT NULL
                  THEN 0 ELSE s.attempts END AS attempts,
             CASE WHEN now_there.unchanged AND i.synced_revision IS NULL
                  THEN s.failed_at END AS failed_at
      FROM input AS i,
           LATERAL (
             SELECT s.wanted_revision = i.started_revision
                      AND NOT EXISTS (SELECT FROM public.cometchat_users AS u
                                      WHERE u.user_id = i.user_id AND i.mapped
                                        AND lower(u.cometchat_uid) <> lower(i.uid)) AS unchanged,
                    -- A call that has learned of no account does not make the worker forget one.
                    COALESCE(i.app_id, CASE WHEN s.claim IS NOT NULL OR s.outcomes <> i.started_outcomes
                                            THEN s.app_id END) AS app_id,
                    s.deactivated AND NOT i.knew_deactivated AS deactivated,
                    CASE WHEN isfinite(s.unsettled_until) THEN s.unsettled_until END
                      AS unsettled_until,
                    -- A worker has the user in flight, or had since the call started: both have sent,
                    -- and it is looked at once more when that is over.
                    CASE WHEN s.claim IS NOT NULL OR s.outcomes <> i.started_outcomes
                         THEN clock_timestamp() + i.in_flight_ms * interval '1 ms' END AS in_flight_until
           ) AS now_there)
RETURNING s.wanted_revision <> (SELECT i.started_revision FROM input AS i) AS overtaken
