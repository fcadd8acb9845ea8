-- Writes what became of claimed users, all of them at once, where the claim is still ours.
--
-- In one statement: each row is locked and judged together. The inputs are arrays and not jsonb, which
-- refuses \u0000 and quotes in its errors what it could not read: tokens and messages are among them.
WITH input AS MATERIALIZED (
  SELECT $1 AS claim,
         unnest($2) AS user_id,
         unnest($3) AS revision,
         unnest($4) AS uid,
         unnest($5) AS token,
         unnest($6) AS maps, -- write the mapping
         unnest($7) AS app_id,
         unnest($8) AS sent_profile,
         unnest($9) AS sent_metadata,
         unnest($10) AS sent_fields, -- joined with commas: there are no arrays of arrays
         unnest($11) AS deactivated,
         unnest($12) AS revoke_pending,
         unnest($13) AS synced,
         unnest($14) AS delay_ms, -- null: no next attempt
         unnest($15) AS attempts,
         unnest($16) AS failed,
         unnest($17) AS code,
         unnest($18) AS message,
         unnest($19) AS name_argument,
         unnest($20) AS name_argument_base,
         unnest($21) AS removed, -- nothing is left to remember
         unnest($22) AS settled, -- nothing is in doubt any more
         unnest($23) AS unsettled_ms, -- in doubt for so long; null: as before the claim
         unnest($24) AS check_when_settled,
         unnest($25) AS status, -- of HTTP, where the attempt failed
         unnest($26) AS took_ms, -- null: no request was sent
         unnest($27) AS knew_revocation -- of the one that was owed, if one was
), claimed AS MATERIALIZED (
  SELECT i.*,
         -- What happened was about the revision that was sent. A user who has changed since is not
         -- failed, and has all attempts left.
         s.wanted_revision <> i.revision AS changed
  FROM input AS i
  JOIN cometchat.sync_state AS s
    ON s.user_id = i.user_id
    AND s.claim IS NOT DISTINCT FROM i.claim -- not "=": each row is found by its id, and not all claimed ones for each
  FOR UPDATE OF s -- skip locked: FOR UPDATE OF s SKIP LOCKED
), mapping AS (
  INSERT INTO public.cometchat_users AS u (user_id, cometchat_uid, cometchat_auth_token)
  -- Only of users who are still there: the foreign key would refuse others, and with them the batch.
  SELECT c.user_id, c.uid, c.token FROM claimed AS c WHERE c.maps
  ON CONFLICT (user_id) DO UPDATE
  SET (cometchat_uid, cometchat_auth_token, updated_at) = (
        -- CometChat's uids are in lower case, whatever was asked for.
        SELECT EXCLUDED.cometchat_uid, EXCLUDED.cometchat_auth_token, now()
        WHERE lower(u.cometchat_uid) = lower(EXCLUDED.cometchat_uid)
        UNION ALL
        -- Mapped to another uid meanwhile: that mapping wins, and is returned below.
        SELECT u.cometchat_uid, u.cometchat_auth_token, u.updated_at
        WHERE lower(u.cometchat_uid) <> lower(EXCLUDED.cometchat_uid))
  WHERE (u.cometchat_uid, u.cometchat_auth_token)
        IS DISTINCT FROM (EXCLUDED.cometchat_uid, EXCLUDED.cometchat_auth_token)
  RETURNING u.user_id, u.cometchat_uid
), outcome AS MATERIALIZED (
  SELECT c.*,
         -- Mapped to another uid: what was learned is about another account.
         c.changed OR m.user_id IS NOT NULL AS overtaken
  FROM claimed AS c
  LEFT JOIN mapping AS m ON m.user_id = c.user_id AND m.cometchat_uid <> c.uid
), removed AS (
  DELETE FROM cometchat.sync_state AS s USING claimed AS c
  WHERE s.user_id = c.user_id AND c.removed AND NOT c.changed
)
UPDATE cometchat.sync_state AS s
SET cometchat_uid = o.uid,
    app_id = o.app_id,
    sent_profile = o.sent_profile,
    sent_metadata = o.sent_metadata,
    sent_fields = string_to_array(NULLIF(o.sent_fields, ''), ','),
    deactivated = o.deactivated,
    -- A revocation may have come meanwhile, which relied on a flush of this attempt that was never done.
    revoke_pending = o.revoke_pending OR (s.revoke_pending AND (o.changed OR NOT o.knew_revocation)),
    -- A call may have stored a newer argument.
    name_argument = CASE WHEN o.changed THEN s.name_argument ELSE o.name_argument END,
    name_argument_base = CASE WHEN o.changed THEN s.name_argument_base
                              ELSE o.name_argument_base END,
    synced_revision = CASE WHEN o.synced THEN o.revision ELSE s.synced_revision END,
    attempts = CASE WHEN o.overtaken THEN s.attempts ELSE o.attempts END,
    next_attempt_at = CASE
      -- At once; but after the delay where CometChat itself, or a limit for all users, is the reason.
      WHEN o.overtaken AND (o.synced OR COALESCE(o.delay_ms, 0) <= 0) THEN now()
      -- Synced for now: a request that may still be under way is looked at when it is over.
      ELSE LEAST(now() + o.delay_ms * interval '1 ms',
                 CASE WHEN o.synced AND o.check_when_settled THEN s.unsettled_until END)
      END,
    unsettled_until = CASE
      -- But for a doubt that came meanwhile, of a call that was rolled back say.
      WHEN o.settled AND NOT (o.changed AND isfinite(s.unsettled_until)) THEN NULL
      WHEN o.unsettled_ms IS NULL THEN s.unsettled_until
      ELSE GREATEST(NULLIF(s.unsettled_until, 'infinity'),
                    clock_timestamp() + o.unsettled_ms * interval '1 ms') END,
    failed_at = CASE WHEN o.failed AND NOT o.overtaken THEN now() END,
    -- Of a user who was not tried nothing new is said.
    error_code = CASE WHEN o.synced OR o.code IS NOT NULL THEN o.code ELSE s.error_code END,
    error_message = CASE
      -- It may quote what has been wiped or mended since.
      WHEN o.overtaken THEN NULL
      WHEN o.synced OR o.code IS NOT NULL THEN o.message
      ELSE s.error_message END,
    outcomes = s.outcomes + 1,
    -- The last five, for cometchat.attempts.
    recent_attempts = CASE
      WHEN o.took_ms IS NULL THEN s.recent_attempts
      ELSE jsonb_build_array(jsonb_build_array(
             extract(epoch FROM now()), o.code, o.status, o.took_ms))
           || COALESCE(s.recent_attempts - 4, '[]') END,
    claim = NULL, claimed_at = NULL
FROM outcome AS o
WHERE s.user_id = o.user_id AND NOT (o.removed AND NOT o.changed)
