-- Users that cannot be synced, and why.

CREATE VIEW cometchat.failed_users AS
  SELECT s.user_id, s.cometchat_uid, s.failed_at, s.attempts, s.error_code, s.error_message
  FROM cometchat.sync_state AS s WHERE s.failed_at IS NOT NULL;
COMMENT ON VIEW cometchat.failed_users IS
  'Users that cannot be synced, with CometChat''s code and message; see cometchat.retry_failed().';

CREATE FUNCTION cometchat.retry_failed(user_id uuid DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  retried bigint;
BEGIN
  PERFORM cometchat.restrict();
  UPDATE cometchat.sync_state AS s
  SET failed_at = NULL, attempts = 0, next_attempt_at = pg_catalog.now(),
      backlog = retry_failed.user_id IS NULL -- all of them are many
  WHERE s.failed_at IS NOT NULL
    AND (retry_failed.user_id IS NULL OR s.user_id = retry_failed.user_id);
  GET DIAGNOSTICS retried = ROW_COUNT;
  PERFORM cometchat.wake();
  RETURN retried;
END
$function$;
COMMENT ON FUNCTION cometchat.retry_failed(uuid) IS
  'Queues one or all users of cometchat.failed_users again; returns how many.';

CREATE VIEW cometchat.attempts AS
  SELECT s.user_id, a.number::integer AS number,
         pg_catalog.to_timestamp((a.attempt ->> 0)::float8) AS attempted_at,
         a.attempt ->> 1 AS error_code, (a.attempt ->> 2)::integer AS http_status,
         (a.attempt ->> 3)::bigint AS duration_ms
  FROM cometchat.sync_state AS s,
       pg_catalog.jsonb_array_elements(s.recent_attempts) WITH ORDINALITY AS a(attempt, number);
COMMENT ON VIEW cometchat.attempts IS
  'The last five attempts for each user, by the worker or process_queue() and by calls that left the user to '
  'them: 1 is the newest. Without an error code it succeeded; duration_ms is that of all its requests.';

CREATE FUNCTION cometchat.explain_user(user_id uuid) RETURNS TABLE (fact text, value text, hint text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  state cometchat.sync_state;
  paused text;
  known jsonb;
  is_mapped boolean;
  pending boolean;
  retry text := 'Mend what "last error" says, then SELECT cometchat.retry_failed('''
                || explain_user.user_id || ''');';
BEGIN
  PERFORM cometchat.restrict();
  IF explain_user.user_id IS NULL THEN
    RAISE null_value_not_allowed USING MESSAGE = 'user_id must not be null';
  END IF;
  SELECT s.* INTO state FROM cometchat.sync_state AS s WHERE s.user_id = explain_user.user_id;
  SELECT s.paused_reason INTO paused FROM cometchat.sending_status AS s;
  known := cometchat.describe_user(explain_user.user_id, state.error_code);
  IF known ? 'error' THEN
    RETURN QUERY SELECT 'auth.users', 'cannot be read: ' || (known ->> 'error'),
      'SELECT * FROM cometchat.health() WHERE NOT ok;';
    RETURN;
  END IF;
  is_mapped := EXISTS (SELECT FROM public.cometchat_users AS u WHERE u.user_id = explain_user.user_id);
  pending := state.claim IS NOT NULL OR (state.next_attempt_at IS NOT NULL
             AND (state.wanted_revision <> state.synced_revision OR state.next_attempt_at <= pg_catalog.now()));

  fact := 'can chat';
  SELECT v.value, v.hint INTO value, hint FROM (VALUES
    (1, known ->> 'status' = 'deleted', 'no: not in auth.users', NULL),
    (2, known ->> 'status' = 'suspended', 'no: banned or deleted in auth.users', 'Lift the ban.'),
    (3, state.error_code = 'USER_DEACTIVATED', 'no: deactivated in CometChat by others',
        'Reactivate the user in CometChat''s dashboard, or call cometchat_ensure_user as service_role.'),
    (4, (known ->> 'has_token')::boolean, 'yes' || CASE WHEN state.failed_at IS NOT NULL
        THEN ', but the last change was given up' ELSE '' END,
        CASE WHEN state.failed_at IS NOT NULL THEN retry END),
    (5, state.failed_at IS NOT NULL, 'no: given up', retry),
    (6, pending AND paused IS NOT NULL, 'not yet: sending is paused (' || paused || ')',
        'SELECT * FROM cometchat.health() WHERE NOT ok;'),
    (7, pending, 'not yet: queued', NULL),
    (8, known ->> 'passed_over' IS NOT NULL AND NOT is_mapped, 'at the first login: the user is '
        || (known ->> 'passed_over'), 'SELECT cometchat.enqueue(''' || explain_user.user_id || ''');'),
    (9, is_mapped, 'yes: the next login makes a token', NULL),
    (10, true, 'at the first login: never queued', 'SELECT cometchat.backfill();')
  ) AS v(number, applies, value, hint) WHERE v.applies ORDER BY v.number LIMIT 1;
  RETURN NEXT;

  RETURN QUERY SELECT f.fact, f.value, f.hint FROM (VALUES
    ('auth.users', CASE known ->> 'status'
       WHEN 'suspended' THEN 'banned or deleted'
         || COALESCE(', until ' || (pg_catalog.now() + (known ->> 'back_in_ms')::float8 * interval '1 ms'), '')
       WHEN 'deleted' THEN 'not there' WHEN 'unknown' THEN 'ban or deletion cannot be read'
       ELSE 'active' END, NULL),
    ('wanted name', known ->> 'name', NULL),
    ('profile', 'cannot be read: ' || (known ->> 'unreadable'),
       'Mend the value, in auth.users or with cometchat.enqueue().'),
    ('uid in CometChat', CASE WHEN is_mapped OR state.sent_profile IS NOT NULL OR state.deactivated
       THEN known ->> 'uid' END, NULL),
    ('app', NULLIF(state.app_id, known ->> 'app_id'), 'What is stored is of this app, not of the one that is set.'),
    ('CometChat has', CASE
       WHEN state.deactivated THEN 'the user, deactivated by us'
       WHEN (known ->> 'is_current')::boolean THEN 'the profile that is wanted'
       WHEN state.sent_profile IS NOT NULL THEN 'another profile than is wanted'
       ELSE 'nothing that is known' END, NULL),
    ('token', CASE WHEN (known ->> 'has_token')::boolean THEN 'stored'
       WHEN state.revoke_pending THEN 'to be flushed in CometChat' ELSE 'none' END, NULL),
    ('queue', CASE
       WHEN state.claim IS NOT NULL THEN 'being sent since ' || state.claimed_at
       WHEN state.failed_at IS NOT NULL THEN 'given up at ' || state.failed_at
       WHEN state.next_attempt_at <= pg_catalog.now() THEN 'due' || CASE WHEN state.backlog THEN ', behind people' ELSE '' END
       WHEN state.next_attempt_at IS NOT NULL THEN 'due at ' || state.next_attempt_at
       ELSE 'nothing to do' END, NULL),
    ('failed attempts', NULLIF(state.attempts, 0)::text, NULL),
    ('last error', state.error_code || COALESCE(': ' || state.error_message, ''), known ->> 'what_to_do'),
    ('sending', 'paused: ' || paused, 'SELECT * FROM cometchat.health() WHERE NOT ok;')
  ) AS f(fact, value, hint) WHERE f.value IS NOT NULL;

  RETURN QUERY
  SELECT 'attempt ' || a.number, a.attempted_at || ': ' || COALESCE(a.error_code, 'ok')
    || COALESCE(', HTTP ' || a.http_status, '') || COALESCE(', ' || a.duration_ms || ' ms', ''), NULL::text
  FROM cometchat.attempts AS a WHERE a.user_id = explain_user.user_id ORDER BY a.number;
END
$function$;
COMMENT ON FUNCTION cometchat.explain_user(uuid) IS
  'Why a user can or cannot chat: what is wanted, what CometChat has, what is queued, what failed, what to do.';
