-- The three functions that clients call: the twin of src/calls/ensure_user.rs and tokens.rs.
--
-- SECURITY: definers with a fixed search_path. identify() decides from the role in force outside all functions.
-- Plans are generic, here and in whatever else handles tokens: one that is made for the values of a call has them
-- as constants, which auto_explain and debug_print_plan bring into the log.

-- Nothing may be sent now. A user who has a token is not kept out for that: the change waits.
CREATE FUNCTION cometchat.not_sent(w cometchat.work, fault jsonb) RETURNS jsonb
LANGUAGE plpgsql
AS $function$
DECLARE
  failure jsonb := cometchat.failure_of(fault, false);
BEGIN
  IF w.token IS NULL THEN
    RETURN cometchat.refusal(failure, cometchat.is_transient(fault) AND cometchat.leave_to_queue(w, fault, false));
  END IF;
  RETURN cometchat.success(w.uid, w.token, cometchat.leave_to_queue(w, fault, false));
END
$function$;
COMMENT ON FUNCTION cometchat.not_sent(cometchat.work, jsonb) IS 'The answer where nothing may be sent now.';

-- The same functions here and there, but with arguments whose names are those of columns: an outer function
-- takes them, an inner one works.
CREATE FUNCTION cometchat.ensure_user(named uuid, given_name text, given_email text) RETURNS jsonb
LANGUAGE plpgsql
AS $function$
DECLARE
  caller record := cometchat.identify(named);
  until timestamptz := cometchat.deadline();
  app record;
  w cometchat.work;
  was cometchat.work;
  failure jsonb;
  fault jsonb;
BEGIN
  IF caller.failure IS NOT NULL THEN
    RETURN cometchat.refusal(caller.failure);
  END IF;
  -- SECURITY: an untrusted caller's e-mail comes from auth.users, never from the argument.
  IF NOT caller.trusted THEN
    given_email := NULL;
  END IF;
  app := cometchat.app_id();
  IF app.failure IS NOT NULL THEN
    RETURN cometchat.refusal(app.failure);
  END IF;
  FOR round IN 1..2 LOOP
    w := CASE round WHEN 1 THEN cometchat.load(caller.who, app.app_id, given_name, given_email)
         ELSE cometchat.load_when_not_in_flight(caller.who, app.app_id, given_name, given_email, until) END;
    failure := cometchat.check_user(w);
    -- A profile that cannot be read now does not keep a user out who is in CometChat.
    IF failure IS NULL AND w.token IS NOT NULL
       AND (cometchat.is_current(w) OR w.unreadable IS NOT NULL OR cometchat.read_only()) THEN
      RETURN cometchat.success(w.uid, w.token);
    END IF;
    IF failure IS NULL AND round = 1 THEN
      failure := cometchat.lock_user(caller.who, until);
    END IF;
    IF failure IS NOT NULL THEN
      RETURN cometchat.refusal(failure);
    END IF;
  END LOOP;
  IF w.unreadable IS NOT NULL THEN
    RETURN cometchat.refusal(cometchat.failure('DATABASE', 'INVALID_DATA'));
  END IF;
  fault := COALESCE(cometchat.check_not_ending(w), cometchat.sending_refused(app.app_id));
  IF fault IS NOT NULL THEN
    RETURN cometchat.not_sent(w, fault);
  END IF;
  was := w;
  w.deadline := until;
  w.for_login := true;
  w.may_reactivate := caller.trusted;
  w.asker := CASE WHEN NOT caller.trusted THEN caller.who END;
  w.deactivation_in_flight := w.certainty = 'in flight' AND w.was_known AND w.sent_profile IS NULL;
  w := cometchat.converge(w);
  IF w.fault IS NULL AND w.not_updated IS NULL AND w.has_state THEN
    w.synced_revision := w.revision;
  END IF;
  failure := cometchat.finish_call(w, was);
  IF failure IS NOT NULL THEN
    RETURN cometchat.refusal(failure);
  END IF;
  IF w.fault IS NULL THEN
    RETURN cometchat.success(w.uid, w.token,
      w.not_updated IS NOT NULL AND cometchat.leave_to_queue(w, w.not_updated, false));
  END IF;
  RETURN cometchat.refusal(cometchat.failure_of(w.fault, w.fault ? 'token'),
    cometchat.is_transient(w.fault) AND cometchat.leave_to_queue(w, w.fault, false));
END
$function$;
COMMENT ON FUNCTION cometchat.ensure_user(uuid, text, text) IS 'Does the work of cometchat_ensure_user().';

-- Writes what was learned and makes the answer. `pending`: what failed will be done before anything else is.
CREATE FUNCTION cometchat.settle(w cometchat.work, was cometchat.work, pending boolean) RETURNS jsonb
LANGUAGE plpgsql
AS $function$
DECLARE
  failure jsonb := CASE WHEN w.fault IS NOT NULL THEN cometchat.failure_of(w.fault, w.fault ? 'token') END;
  unwritten jsonb;
BEGIN
  IF w.fault ->> 'kind' = 'uid_not_found' AND NOT w.deactivated THEN
    RETURN cometchat.refusal(COALESCE(cometchat.forget(was, w.revoke_pending), failure));
  END IF;
  unwritten := cometchat.finish_call(w, was);
  IF unwritten IS NOT NULL THEN
    RETURN cometchat.refusal(unwritten);
  END IF;
  -- deactivated by us, whom CometChat does not tell from unknown: no token works
  IF w.fault IS NULL OR w.fault ->> 'kind' = 'uid_not_found' THEN
    RETURN cometchat.success(w.uid, CASE WHEN w.fault IS NULL THEN w.token END);
  END IF;
  RETURN cometchat.refusal(failure, pending AND cometchat.leave_to_queue(w, w.fault, true));
END
$function$;
COMMENT ON FUNCTION cometchat.settle(cometchat.work, cometchat.work, boolean) IS
  'Writes what a call about tokens brought, and makes the answer.';

CREATE FUNCTION cometchat.refresh_token(named uuid) RETURNS jsonb
LANGUAGE plpgsql
AS $function$
DECLARE
  caller record := cometchat.identify(named);
  until timestamptz := cometchat.deadline();
  app record;
  w cometchat.work;
  was cometchat.work;
  failure jsonb;
BEGIN
  IF caller.failure IS NOT NULL THEN
    RETURN cometchat.refusal(caller.failure);
  END IF;
  app := cometchat.app_id();
  failure := COALESCE(app.failure, cometchat.check_user(cometchat.load(caller.who, app.app_id)),
                      cometchat.lock_user(caller.who, until));
  IF failure IS NOT NULL THEN
    RETURN cometchat.refusal(failure);
  END IF;
  w := cometchat.load_when_not_in_flight(caller.who, app.app_id, NULL, NULL, until);
  failure := COALESCE(cometchat.check_user(w), cometchat.failure_of(cometchat.check_not_ending(w), false));
  w.fault := cometchat.sending_refused(app.app_id);
  IF failure IS NULL AND w.fault IS NOT NULL THEN
    failure := cometchat.failure_of(w.fault, false);
  END IF;
  IF failure IS NOT NULL THEN
    RETURN cometchat.refusal(failure);
  END IF;
  was := w;
  w.deadline := until;
  w.for_login := true;
  w.asker := CASE WHEN NOT caller.trusted THEN caller.who END;
  w := cometchat.reactivate_ours(w);
  IF w.fault IS NULL THEN
    w := cometchat.mint(w, true);
  END IF;
  RETURN cometchat.settle(w, was, false);
END
$function$;
COMMENT ON FUNCTION cometchat.refresh_token(uuid) IS 'Does the work of cometchat_refresh_token().';

-- Forgets the stored token now, and leaves the rest to the queue.
CREATE FUNCTION cometchat.revoke_later(w cometchat.work, failure jsonb) RETURNS jsonb
LANGUAGE plpgsql SET lock_timeout = '100ms'
AS $function$
BEGIN
  PERFORM cometchat.statement_forget_token(w.user_id);
  RETURN cometchat.refusal(failure,
    cometchat.leave_to_queue(w, jsonb_build_object('kind', 'not_configured', 'failure', failure), true));
EXCEPTION WHEN lock_not_available THEN
  -- Another call's transaction has written the user's state, and is not over.
  RETURN cometchat.refusal(failure);
END
$function$;
COMMENT ON FUNCTION cometchat.revoke_later(cometchat.work, jsonb) IS
  'Forgets the stored token, and has the queue end the others.';

CREATE FUNCTION cometchat.revoke_tokens(named uuid) RETURNS jsonb
LANGUAGE plpgsql
AS $function$
DECLARE
  caller record := cometchat.identify(named);
  until timestamptz := cometchat.deadline();
  app record;
  w cometchat.work;
  was cometchat.work;
  failure jsonb;
  fault jsonb;
BEGIN
  IF caller.failure IS NOT NULL THEN
    RETURN cometchat.refusal(caller.failure);
  END IF;
  app := cometchat.app_id();
  IF app.failure IS NOT NULL THEN
    PERFORM cometchat.statement_forget_token(caller.who); -- nothing can be sent, and yet the token must go
    RETURN cometchat.refusal(app.failure);
  END IF;
  w := cometchat.load(caller.who, app.app_id);
  IF w.status = 'gone' THEN
    RETURN cometchat.refusal(cometchat.failure('INVALID_INPUT', 'unknown user'));
  END IF;
  failure := cometchat.lock_user(caller.who, until);
  IF failure ->> 'errorCode' IN ('RATE_LIMITED', 'TIMEOUT') THEN
    -- Other calls have the user. They will find that a revocation has come.
    RETURN cometchat.revoke_later(w, failure);
  ELSIF failure IS NOT NULL THEN
    RETURN cometchat.refusal(failure);
  END IF;
  w := cometchat.load_when_not_in_flight(caller.who, app.app_id, NULL, NULL, until);
  fault := cometchat.check_not_ending(w);
  IF fault IS NOT NULL THEN
    -- Its request covers every token that there is; a second one would end while it lasts.
    RETURN cometchat.revoke_later(w, cometchat.failure_of(fault, false));
  END IF;
  was := w;
  w.token := NULL;
  w.revoke_pending := true;
  w.for_login := true;
  w.deadline := until;
  w.asker := CASE WHEN NOT caller.trusted THEN caller.who END;
  w.fault := cometchat.sending_refused(app.app_id);
  IF w.fault IS NULL THEN
    w := cometchat.flush(w);
  END IF;
  RETURN cometchat.settle(w, was, true);
END
$function$;
COMMENT ON FUNCTION cometchat.revoke_tokens(uuid) IS 'Does the work of cometchat_revoke_tokens().';

CREATE FUNCTION public.cometchat_ensure_user(
  user_id uuid DEFAULT NULL, display_name text DEFAULT NULL, email text DEFAULT NULL
) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER COST 10000
SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = 'force_generic_plan'
SET lock_timeout = '4500ms' SET client_min_messages = 'warning'
AS $function$
BEGIN
  RETURN cometchat.ensure_user(user_id, display_name, email);
EXCEPTION
  WHEN lock_not_available THEN
    RETURN cometchat.refusal(cometchat.failure('TIMEOUT'));
  WHEN undefined_table OR undefined_column OR insufficient_privilege OR wrong_object_type THEN
    RETURN cometchat.refusal(cometchat.failure('DATABASE', SQLSTATE));
END
$function$;
COMMENT ON FUNCTION public.cometchat_ensure_user(uuid, text, text) IS
  'Makes sure that the user exists in CometChat and answers with an auth token to log in with: '
  '{"success", "authToken", "cometchatUid", "error", "errorCode", "queued"}.';

CREATE FUNCTION public.cometchat_refresh_token(user_id uuid DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER COST 10000
SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = 'force_generic_plan'
SET lock_timeout = '4500ms' SET client_min_messages = 'warning'
AS $function$
BEGIN
  RETURN cometchat.refresh_token(user_id);
EXCEPTION
  WHEN lock_not_available THEN
    RETURN cometchat.refusal(cometchat.failure('TIMEOUT'));
  WHEN undefined_table OR undefined_column OR insufficient_privilege OR wrong_object_type THEN
    RETURN cometchat.refusal(cometchat.failure('DATABASE', SQLSTATE));
END
$function$;
COMMENT ON FUNCTION public.cometchat_refresh_token(uuid) IS
  'Mints a new CometChat auth token, stores and returns it.';

CREATE FUNCTION public.cometchat_revoke_tokens(user_id uuid DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER COST 10000
SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = 'force_generic_plan'
SET lock_timeout = '4500ms' SET client_min_messages = 'warning'
AS $function$
BEGIN
  RETURN cometchat.revoke_tokens(user_id);
EXCEPTION
  WHEN lock_not_available THEN
    RETURN cometchat.refusal(cometchat.failure('TIMEOUT'));
  WHEN undefined_table OR undefined_column OR insufficient_privilege OR wrong_object_type THEN
    RETURN cometchat.refusal(cometchat.failure('DATABASE', SQLSTATE));
END
$function$;
COMMENT ON FUNCTION public.cometchat_revoke_tokens(uuid) IS
  'Logs the user out everywhere: forgets the stored token and flushes all tokens in CometChat.';
