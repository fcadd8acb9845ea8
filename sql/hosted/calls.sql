-- What the calls of clients share: who calls, until when, one at a time, the write at the end. The twin of
-- src/calls/mod.rs and caller.rs.

-- SECURITY: the role in force outside all functions, and what it was granted; never current_user.
CREATE FUNCTION cometchat.identify(named uuid, OUT who uuid, OUT trusted boolean, OUT failure jsonb)
LANGUAGE plpgsql VOLATILE
AS $function$
DECLARE
  caller oid := cometchat.calling_role();
  old_style text := NULLIF(current_setting('request.jwt.claim.sub', true), '');
  claims jsonb := cometchat.try_json(NULLIF(current_setting('request.jwt.claims', true), ''));
  new_style text := CASE WHEN jsonb_typeof(claims -> 'sub') = 'string' THEN claims ->> 'sub' END;
  a_uuid constant text := '^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$';
  subject uuid;
BEGIN
  IF (old_style IS NULL OR old_style ~ a_uuid) AND (new_style IS NULL OR new_style ~ a_uuid)
     AND lower(COALESCE(old_style, new_style)) = lower(COALESCE(new_style, old_style)) THEN
    subject := COALESCE(new_style, old_style)::uuid;
  END IF;
  trusted := COALESCE(has_function_privilege(caller, 'cometchat.enqueue(uuid, jsonb)', 'EXECUTE'), false);
  who := COALESCE(named, subject);
  failure := CASE
    WHEN caller IS NULL THEN cometchat.failure('UNAUTHORIZED')
    WHEN trusted AND who IS NULL THEN cometchat.failure('INVALID_INPUT', 'user_id is missing')
    WHEN NOT trusted AND (subject IS NULL OR who <> subject) THEN cometchat.failure('UNAUTHORIZED') END;
END
$function$;
COMMENT ON FUNCTION cometchat.identify(uuid) IS 'Who calls, whether they are trusted, and about which user.';

-- Never later than 250 ms before the statement's own deadline.
CREATE FUNCTION cometchat.deadline() RETURNS timestamptz
LANGUAGE plpgsql VOLATILE
AS $function$
DECLARE
  statement interval := current_setting('statement_timeout')::interval;
  transaction interval := current_setting('transaction_timeout', true)::interval;
BEGIN
  RETURN LEAST(clock_timestamp() + cometchat.setting('request_timeout')::interval,
    CASE WHEN statement > '0' THEN statement_timestamp() + statement - interval '250 ms' END,
    CASE WHEN transaction > '0' THEN now() + transaction - interval '250 ms' END);
END
$function$;
COMMENT ON FUNCTION cometchat.deadline() IS 'When a call must be done.';

CREATE FUNCTION cometchat.read_only() RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $$ BEGIN RETURN current_setting('transaction_read_only')::boolean OR pg_is_in_recovery(); END $$;
COMMENT ON FUNCTION cometchat.read_only() IS 'Whether nothing can be written.';

-- SECURITY: with two keys, the first of which is an object of ours: other advisory locks are others'.
CREATE FUNCTION cometchat.try_lock(whom uuid, place integer DEFAULT 0) RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $function$
BEGIN
  RETURN pg_try_advisory_xact_lock(('cometchat.sync_state'::regclass::oid::bigint - 2147483648)::integer,
                                   (hashtext(whom::text) & -4) + place);
END
$function$;
COMMENT ON FUNCTION cometchat.try_lock(uuid, integer) IS
  'Takes the user''s lock (0), or a place in the queue for it (1 to 3), until the transaction ends; false if '
  'another session has it.';

-- One call at a time for one user: one works, three wait. Until the transaction ends, so that the next one
-- finds what this one committed.
CREATE FUNCTION cometchat.lock_user(whom uuid, deadline timestamptz) RETURNS jsonb
LANGUAGE plpgsql
AS $function$
BEGIN
  IF cometchat.read_only() THEN
    RETURN cometchat.failure('READ_ONLY');
  END IF;
  IF cometchat.try_lock(whom) THEN
    RETURN NULL;
  END IF;
  IF NOT cometchat.try_lock(whom, 1) AND NOT cometchat.try_lock(whom, 2) AND NOT cometchat.try_lock(whom, 3) THEN
    RETURN cometchat.too_many_requests();
  END IF;
  LOOP
    IF clock_timestamp() >= deadline THEN
      RETURN cometchat.failure('TIMEOUT');
    END IF;
    PERFORM pg_sleep(0.008);
    IF cometchat.try_lock(whom) THEN
      RETURN NULL;
    END IF;
  END LOOP;
END
$function$;
COMMENT ON FUNCTION cometchat.lock_user(uuid, timestamptz) IS
  'Takes the user''s lock; null, or why it cannot be had.';

CREATE FUNCTION cometchat.success(uid text, token text, queued boolean DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
AS $function$
BEGIN
  RETURN jsonb_strip_nulls(jsonb_build_object('success', true, 'cometchatUid', uid, 'authToken', token,
                                              'queued', NULLIF(queued, false)));
END
$function$;
COMMENT ON FUNCTION cometchat.success(text, text, boolean) IS 'The answer of a call that succeeded.';

CREATE FUNCTION cometchat.refusal(failure jsonb, queued boolean DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
AS $function$
BEGIN
  RETURN jsonb_strip_nulls(failure || jsonb_build_object('success', false, 'queued', NULLIF(queued, false)));
END
$function$;
COMMENT ON FUNCTION cometchat.refusal(jsonb, boolean) IS 'The answer of a call that did not.';

CREATE FUNCTION cometchat.check_user(w cometchat.work) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
AS $function$
BEGIN
  RETURN CASE w.status
    WHEN 'gone' THEN cometchat.failure('INVALID_INPUT', 'unknown user')
    WHEN 'suspended' THEN cometchat.failure('USER_DEACTIVATED')
    WHEN 'unknown' THEN cometchat.failure('DATABASE', 'INVALID_DATA') END;
END
$function$;
COMMENT ON FUNCTION cometchat.check_user(cometchat.work) IS 'Refuses users who do not exist, or are suspended.';

-- While a request of another session that ends the user's sessions may be in flight: it would kill a token
-- that is minted now.
CREATE FUNCTION cometchat.check_not_ending(w cometchat.work) RETURNS jsonb
LANGUAGE plpgsql VOLATILE
AS $function$
BEGIN
  RETURN CASE WHEN w.in_flight AND EXISTS (
    SELECT FROM cometchat.sync_state AS s WHERE s.user_id = w.user_id AND (s.revoke_pending OR s.deactivated))
    THEN cometchat.fault('timeout', NULL, NULL, NULL, NULL) END;
END
$function$;
COMMENT ON FUNCTION cometchat.check_not_ending(cometchat.work) IS
  'Refuses while the user''s sessions are being ended.';

-- Whoever is in flight in process_queue() may be about to have the very token that we would ask for.
CREATE FUNCTION cometchat.load_when_not_in_flight(whom uuid, app text, given_name text, given_email text,
                                                  until timestamptz) RETURNS cometchat.work
LANGUAGE plpgsql
AS $function$
DECLARE
  patience timestamptz := LEAST(until, clock_timestamp() + interval '2 s');
  w cometchat.work := cometchat.load(whom, app, given_name, given_email);
BEGIN
  WHILE w.in_flight AND clock_timestamp() < patience LOOP
    PERFORM pg_sleep(0.02);
    w := cometchat.load(whom, app, given_name, given_email);
  END LOOP;
  -- Claimed by a session that is gone: a request of it may have an effect still.
  IF NOT w.in_flight AND EXISTS (SELECT FROM cometchat.sync_state AS s
                                 WHERE s.user_id = whom AND s.claim IS NOT NULL) THEN
    w.certainty := 'in flight';
  END IF;
  RETURN w;
END
$function$;
COMMENT ON FUNCTION cometchat.load_when_not_in_flight(uuid, text, text, text, timestamptz) IS
  'Reads a user once no other session has the user in flight, or after two seconds.';

-- Whatever keeps everybody from sending now, as a fault: a setting that is missing, or CometChat's word.
CREATE FUNCTION cometchat.sending_refused(app text) RETURNS jsonb
LANGUAGE plpgsql VOLATILE
AS $function$
DECLARE
  failure jsonb := (cometchat.endpoint(app)).failure;
  paused text;
BEGIN
  IF failure IS NULL THEN
    SELECT s.paused_code INTO paused FROM cometchat.sending AS s
    WHERE s.probe_at > clock_timestamp() AND s.paused_code <> 'NETWORK';
    failure := CASE WHEN paused IN ('API_KEY_REJECTED', 'PLAN_LIMIT') THEN cometchat.failure(paused)
                    WHEN paused IS NOT NULL THEN cometchat.failure('API_ERROR', 'sending is paused') END;
  END IF;
  RETURN CASE WHEN failure IS NOT NULL THEN
    jsonb_build_object('kind', 'not_configured', 'failure', failure, 'effect', 0) END;
END
$function$;
COMMENT ON FUNCTION cometchat.sending_refused(text) IS 'Why no call may send now; null if it may.';

-- What was sent could not be written, and the transaction may go on: nothing that is stored about the user is
-- certain any more.
CREATE FUNCTION cometchat.doubt(whom uuid) RETURNS void
LANGUAGE plpgsql
AS $function$
BEGIN
  PERFORM cometchat.statement_doubt(ARRAY[whom], cometchat.in_flight_ms());
EXCEPTION WHEN OTHERS THEN
  IF SQLSTATE LIKE '40%' THEN
    RAISE;
  END IF;
END
$function$;
COMMENT ON FUNCTION cometchat.doubt(uuid) IS 'Has the queue ask CometChat about a user.';

-- The write at the end, if there is anything to write. Null, or what went wrong.
CREATE FUNCTION cometchat.finish_call(w cometchat.work, was cometchat.work) RETURNS jsonb
LANGUAGE plpgsql
AS $function$
DECLARE
  unsettled_ms bigint := cometchat.unsettled_ms(w.effect);
BEGIN
  IF w.token IS NULL AND w.effect = 0 AND w.synced_revision IS NULL
     AND (w.uid, w.mapped, w.sent_profile, w.sent_metadata, w.sent_fields, w.deactivated, w.revoke_pending)
         IS NOT DISTINCT FROM (was.uid, was.mapped, was.sent_profile, was.sent_metadata, was.sent_fields,
                               was.deactivated, was.revoke_pending) AND was.token IS NULL THEN
    RETURN NULL;
  END IF;
  PERFORM cometchat.statement_save(w.user_id, w.uid, w.token,
    CASE WHEN w.mapped OR w.sent_profile IS NOT NULL OR w.deactivated OR was.was_known THEN w.app_id END,
    w.sent_profile, w.sent_metadata, w.sent_fields, w.deactivated, w.revoke_pending,
    w.name_argument, w.name_argument_base, w.email_argument, w.email_argument_base,
    w.synced_revision, w.mapped, was.revision, was.knew_deactivated, unsettled_ms, cometchat.in_flight_ms(),
    CASE WHEN unsettled_ms IS NOT NULL THEN GREATEST(unsettled_ms, 1000) END, was.outcomes,
    was.knew_revocation);
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  IF SQLSTATE LIKE '40%' THEN
    RAISE;
  END IF;
  PERFORM cometchat.doubt(w.user_id);
  RETURN cometchat.failure('DATABASE', SQLSTATE);
END
$function$;
COMMENT ON FUNCTION cometchat.finish_call(cometchat.work, cometchat.work) IS
  'Writes what a call brought; null, or what went wrong.';

-- Leaves the user to the queue; false if that fails too.
CREATE FUNCTION cometchat.leave_to_queue(w cometchat.work, fault jsonb, revoke boolean) RETURNS boolean
LANGUAGE plpgsql
AS $function$
BEGIN
  PERFORM cometchat.statement_queue_after_failure(w.user_id, w.name_argument, w.name_argument_base,
    w.email_argument, w.email_argument_base,
    LEAST(GREATEST(COALESCE((fault ->> 'retry_after')::integer, 1) * 1000, 100), 60000)::bigint,
    cometchat.stored_code(fault), revoke);
  RETURN true;
EXCEPTION WHEN OTHERS THEN
  IF SQLSTATE LIKE '40%' THEN
    RAISE;
  END IF;
  RETURN false;
END
$function$;
COMMENT ON FUNCTION cometchat.leave_to_queue(cometchat.work, jsonb, boolean) IS 'Leaves a user to the queue.';

-- CometChat does not know the user: what is stored is cleared, but for a revocation that is owed. Null, or what went
-- wrong.
CREATE FUNCTION cometchat.forget(was cometchat.work, owes_revocation boolean) RETURNS jsonb
LANGUAGE plpgsql
AS $function$
BEGIN
  PERFORM cometchat.statement_look_again(was.user_id, was.started_sent_profile, was.outcomes);
  PERFORM cometchat.statement_forget(was.user_id, was.started_sent_profile, cometchat.in_flight_ms(), was.outcomes,
    owes_revocation);
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  IF SQLSTATE LIKE '40%' THEN
    RAISE;
  END IF;
  PERFORM cometchat.doubt(was.user_id);
  RETURN cometchat.failure('DATABASE', SQLSTATE);
END
$function$;
COMMENT ON FUNCTION cometchat.forget(cometchat.work, boolean) IS 'Clears what is stored of a user whom CometChat does not know.';
