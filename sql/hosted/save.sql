-- The writes at the end of a call: the statements of src/users/save.rs.

CREATE FUNCTION cometchat.save(w cometchat.work) RETURNS void
LANGUAGE sql
AS $function$
  WITH mapping AS (
    INSERT INTO public.cometchat_users AS u (user_id, cometchat_uid, cometchat_auth_token)
    SELECT w.user_id, w.uid, CASE WHEN NOT EXISTS (
             SELECT FROM cometchat.sync_state AS s
             WHERE s.user_id = w.user_id AND s.deactivated AND s.wanted_revision <> w.revision) THEN w.token END
    WHERE w.mapped
    ON CONFLICT (user_id) DO UPDATE
    SET cometchat_uid = EXCLUDED.cometchat_uid, cometchat_auth_token = EXCLUDED.cometchat_auth_token, updated_at = now()
    WHERE (u.cometchat_uid, u.cometchat_auth_token) IS DISTINCT FROM (EXCLUDED.cometchat_uid, EXCLUDED.cometchat_auth_token)
  )
  INSERT INTO cometchat.sync_state AS s
    (user_id, cometchat_uid, app_id, sent_profile, sent_metadata, sent_fields, deactivated, revoke_pending,
     name_argument, name_argument_base, email_argument, email_argument_base, synced_revision, unsettled_until)
  VALUES (w.user_id, w.uid, w.app_id, w.sent_profile, w.sent_metadata, w.sent_fields, w.deactivated, w.revoke_pending,
          w.name_argument, w.name_argument_base, w.email_argument, w.email_argument_base, COALESCE(w.synced_revision, 0),
          now() + cometchat.effect(COALESCE(w.fault, w.not_updated)))
  ON CONFLICT (user_id) DO UPDATE
  SET cometchat_uid = EXCLUDED.cometchat_uid, app_id = EXCLUDED.app_id,
      sent_profile = CASE WHEN s.deactivated AND NOT w.was_deactivated THEN NULL
                          WHEN s.wanted_revision = w.revision THEN EXCLUDED.sent_profile
                          ELSE left(EXCLUDED.sent_profile, 0) END,
      sent_metadata = CASE WHEN s.deactivated AND NOT w.was_deactivated THEN NULL
                           WHEN s.wanted_revision = w.revision THEN EXCLUDED.sent_metadata
                           ELSE left(EXCLUDED.sent_metadata, 0) END,
      sent_fields = CASE WHEN s.wanted_revision = w.revision THEN EXCLUDED.sent_fields
                       ELSE s.sent_fields || EXCLUDED.sent_fields END,
      deactivated = EXCLUDED.deactivated
        OR (s.deactivated AND NOT (w.was_deactivated AND s.wanted_revision = w.revision)
            AND (s.app_id, s.cometchat_uid) IS NOT DISTINCT FROM (w.app_id, w.uid)),
      revoke_pending = EXCLUDED.revoke_pending,
      name_argument = EXCLUDED.name_argument, name_argument_base = EXCLUDED.name_argument_base,
      email_argument = EXCLUDED.email_argument, email_argument_base = EXCLUDED.email_argument_base,
      wanted_revision = s.wanted_revision + (s.wanted_revision <> w.revision)::int,
      synced_revision = CASE WHEN s.wanted_revision = w.revision AND w.synced_revision IS NOT NULL THEN w.synced_revision
                            ELSE s.synced_revision END,
      next_attempt_at = CASE WHEN s.wanted_revision <> w.revision THEN LEAST(s.next_attempt_at, now())
                             WHEN w.synced_revision IS NULL THEN s.next_attempt_at END,
      attempts = CASE WHEN s.wanted_revision = w.revision AND w.synced_revision IS NOT NULL THEN 0 ELSE s.attempts END,
      failed_at = CASE WHEN s.wanted_revision = w.revision AND w.synced_revision IS NULL THEN s.failed_at END,
      unsettled_until = GREATEST(CASE WHEN isfinite(s.unsettled_until) THEN s.unsettled_until END,
        CASE WHEN s.claim IS NOT NULL OR s.outcomes <> w.outcomes
             THEN now() + 2 * cometchat.setting('request_timeout')::interval END,
        now() + cometchat.effect(COALESCE(w.fault, w.not_updated))),
      claim = NULL, claimed_at = NULL
$function$;

CREATE FUNCTION cometchat.queue_call(w cometchat.work, delay interval, code text, revoke boolean) RETURNS void
LANGUAGE sql
AS $function$
  INSERT INTO cometchat.sync_state AS s
    (user_id, name_argument, name_argument_base, email_argument, email_argument_base, requested, revoke_pending, wanted_revision, next_attempt_at, attempts, error_code)
  VALUES (w.user_id, w.name_argument, w.name_argument_base, w.email_argument, w.email_argument_base, true, revoke, 1, now() + delay, 1, code)
  ON CONFLICT (user_id) DO UPDATE
  SET name_argument = EXCLUDED.name_argument, name_argument_base = EXCLUDED.name_argument_base,
      email_argument = EXCLUDED.email_argument, email_argument_base = EXCLUDED.email_argument_base,
      requested = true, revoke_pending = s.revoke_pending OR EXCLUDED.revoke_pending, wanted_revision = s.wanted_revision + 1,
      next_attempt_at = LEAST(s.next_attempt_at, EXCLUDED.next_attempt_at),
      attempts = GREATEST(s.attempts, 1), failed_at = NULL, error_code = EXCLUDED.error_code
$function$;

CREATE FUNCTION cometchat.forget_token(whom uuid) RETURNS void
LANGUAGE sql
AS $function$
  WITH state AS (UPDATE cometchat.sync_state AS s SET revoke_pending = true WHERE s.user_id = whom)
  UPDATE public.cometchat_users AS u SET cometchat_auth_token = NULL, updated_at = now()
  WHERE u.user_id = whom AND u.cometchat_auth_token IS NOT NULL
$function$;

CREATE FUNCTION cometchat.forget(whom uuid) RETURNS void
LANGUAGE sql
AS $function$
  WITH ours AS MATERIALIZED (
    SELECT s.user_id FROM cometchat.sync_state AS s WHERE s.user_id = whom AND s.deactivated
  ), own AS (
    DELETE FROM public.cometchat_users AS u WHERE u.user_id = whom AND u.cometchat_uid = whom::text AND NOT EXISTS (SELECT FROM ours)
  ), mapped AS (
    UPDATE public.cometchat_users AS u SET cometchat_auth_token = NULL, updated_at = now()
    WHERE u.user_id = whom AND (u.cometchat_uid <> whom::text OR EXISTS (SELECT FROM ours))
  )
  UPDATE cometchat.sync_state AS s
  SET unsettled_until = GREATEST(NULLIF(s.unsettled_until, 'infinity'), now()),
      app_id = NULL, cometchat_uid = NULL, sent_profile = NULL, sent_metadata = NULL, sent_fields = NULL, revoke_pending = false
  WHERE s.user_id = whom AND NOT s.deactivated
$function$;
