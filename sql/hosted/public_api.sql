-- The three functions that clients call. The twin of src/ensure.rs, src/token.rs and src/caller.rs.

-- SECURITY: the role in force outside all functions, and what it was granted; never current_user.
CREATE FUNCTION cometchat.identify(named uuid, OUT who uuid, OUT trusted boolean, OUT failure jsonb)
LANGUAGE plpgsql VOLATILE
AS $function$
DECLARE
  caller oid := cometchat.calling_role();
  old_style text := NULLIF(current_setting('request.jwt.claim.sub', true), '');
  claims jsonb := cometchat.try_json(NULLIF(current_setting('request.jwt.claims', true), ''));
  new_style text := CASE WHEN jsonb_typeof(claims -> 'sub') = 'string' THEN claims ->> 'sub' END;
  uuid_like constant text := '^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$';
  subject uuid;
BEGIN
  IF (old_style IS NULL OR old_style ~ uuid_like) AND (new_style IS NULL OR new_style ~ uuid_like)
     AND lower(COALESCE(old_style, new_style)) = lower(COALESCE(new_style, old_style)) THEN
    subject := COALESCE(new_style, old_style)::uuid;
  END IF;
  trusted := COALESCE(has_function_privilege(caller, 'cometchat.enqueue(uuid, jsonb)', 'EXECUTE'), false);
  who := COALESCE(named, subject);
  failure := CASE
    WHEN caller IS NULL THEN cometchat.failure('UNAUTHORIZED')
    WHEN trusted AND who IS NULL THEN cometchat.failure('INVALID_INPUT', 'user_id is missing')
    WHEN NOT trusted AND who IS DISTINCT FROM subject OR who IS NULL THEN cometchat.failure('UNAUTHORIZED') END;
END
$function$;

-- Never later than 250 ms before the statement's own deadline.
CREATE FUNCTION cometchat.deadline() RETURNS timestamptz
LANGUAGE plpgsql VOLATILE
AS $function$ BEGIN RETURN (
  SELECT LEAST(clock_timestamp() + cometchat.setting('request_timeout')::interval,
    CASE WHEN s.statement > '0' THEN statement_timestamp() + s.statement - interval '250 ms' END,
    CASE WHEN s.transaction > '0' THEN now() + s.transaction - interval '250 ms' END)
  FROM (SELECT current_setting('statement_timeout')::interval AS statement,
               current_setting('transaction_timeout', true)::interval AS transaction) AS s);
END $function$;

CREATE FUNCTION cometchat.read_only() RETURNS boolean
LANGUAGE sql STABLE
AS $$ SELECT current_setting('transaction_read_only')::boolean OR pg_is_in_recovery() $$;

-- One call at a time for one user: one works, three wait. Until the transaction ends, so that the next one
-- finds what this one committed.
CREATE FUNCTION cometchat.lock_user(whom uuid, deadline timestamptz) RETURNS jsonb
LANGUAGE plpgsql
AS $function$
DECLARE
  work constant bigint := hashtextextended(whom::text, 17219);
BEGIN
  IF cometchat.read_only() THEN RETURN cometchat.failure('READ_ONLY'); END IF;
  IF pg_try_advisory_xact_lock(work) THEN RETURN NULL; END IF;
  IF NOT pg_try_advisory_xact_lock(work + 1) AND NOT pg_try_advisory_xact_lock(work + 2) AND NOT pg_try_advisory_xact_lock(work + 3) THEN
    RETURN cometchat.too_many_requests();
  END IF;
  LOOP
    IF clock_timestamp() >= deadline THEN RETURN cometchat.failure('TIMEOUT'); END IF;
    PERFORM pg_sleep(0.008);
    IF pg_try_advisory_xact_lock(work) THEN RETURN NULL; END IF;
  END LOOP;
END
$function$;

CREATE FUNCTION cometchat.success(uid text, token text, queued boolean DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
AS $$ BEGIN RETURN jsonb_strip_nulls(jsonb_build_object('success', true, 'cometchatUid', uid, 'authToken', token, 'queued', NULLIF(queued, false))); END $$;

CREATE FUNCTION cometchat.refusal(failure jsonb, queued boolean DEFAULT NULL) RETURNS jsonb
LANGUAGE sql IMMUTABLE
AS $$ SELECT jsonb_strip_nulls(failure || jsonb_build_object('success', false, 'queued', NULLIF(queued, false))) $$;

-- The write at the end. Null, or what went wrong.
CREATE FUNCTION cometchat.finish_call(w cometchat.work) RETURNS jsonb
LANGUAGE plpgsql
AS $function$
BEGIN
  PERFORM cometchat.save(w);
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  IF SQLSTATE LIKE '40%' THEN RAISE; END IF;
  RETURN cometchat.failure('DATABASE', SQLSTATE);
END
$function$;

CREATE FUNCTION cometchat.leave_to_queue(w cometchat.work, fault jsonb, code text, revoke boolean) RETURNS boolean
LANGUAGE plpgsql
AS $function$
BEGIN
  PERFORM cometchat.queue_call(w, COALESCE((fault ->> 'retry_after')::integer, 1) * interval '1 s', code, revoke);
  RETURN true;
EXCEPTION WHEN OTHERS THEN
  RETURN false;
END
$function$;

-- Whatever keeps everybody from sending now: a setting that is missing, or CometChat's word.
CREATE FUNCTION cometchat.sending_refused(app text) RETURNS jsonb
LANGUAGE sql STABLE
AS $function$
  SELECT COALESCE((cometchat.endpoint(app)).failure,
    CASE WHEN c.paused_code IS NOT NULL AND c.probe_at > clock_timestamp() THEN CASE c.paused_code
      WHEN 'API_KEY_REJECTED' THEN cometchat.failure('API_KEY_REJECTED') WHEN 'PLAN_LIMIT' THEN cometchat.failure('PLAN_LIMIT')
      ELSE cometchat.failure('API_ERROR', 'sending is paused') END END)
  FROM cometchat.control AS c
$function$;

CREATE FUNCTION public.cometchat_ensure_user(user_id uuid DEFAULT NULL, display_name text DEFAULT NULL, email text DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER COST 10000
SET search_path = pg_catalog, pg_temp SET lock_timeout = '4500ms' SET client_min_messages = 'warning'
AS $function$
#variable_conflict use_variable
DECLARE
  caller record := cometchat.identify(user_id);
  app record;
  until timestamptz := cometchat.deadline();
  w cometchat.work;
  failure jsonb;
  round integer;
BEGIN
  IF caller.failure IS NOT NULL THEN RETURN cometchat.refusal(caller.failure); END IF;
  -- SECURITY: an untrusted caller's e-mail comes from auth.users, never from the argument.
  IF NOT caller.trusted THEN email := NULL; END IF;
  app := cometchat.app_id();
  IF app.failure IS NOT NULL THEN RETURN cometchat.refusal(app.failure); END IF;
  FOR round IN 1..2 LOOP
    w := cometchat.load(caller.who, app.app_id, display_name, email);
    IF round = 2 THEN w := cometchat.settled(w, display_name, email, until); END IF;
    IF w.status <> 'active' THEN
      RETURN cometchat.refusal(CASE w.status WHEN 'gone' THEN cometchat.failure('INVALID_INPUT', 'unknown user') ELSE cometchat.failure('USER_DEACTIVATED') END);
    END IF;
    IF w.token IS NOT NULL AND (cometchat.is_current(w) OR w.sent_profile IS NOT NULL AND cometchat.read_only()) THEN
      RETURN cometchat.success(w.uid, w.token);
    END IF;
    IF round = 1 THEN
      failure := cometchat.lock_user(caller.who, until);
      IF failure IS NOT NULL THEN RETURN cometchat.refusal(failure); END IF;
    END IF;
  END LOOP;
  failure := cometchat.sending_refused(app.app_id);
  IF failure IS NOT NULL THEN
    IF w.token IS NULL THEN RETURN cometchat.refusal(failure); END IF;
    RETURN cometchat.success(w.uid, w.token, cometchat.leave_to_queue(w, NULL, failure ->> 'errorCode', false));
  END IF;
  w.deadline := until; w.for_login := true; w.may_reactivate := caller.trusted;
  w.asker := CASE WHEN NOT caller.trusted THEN caller.who END;
  w := cometchat.converge(w);
  IF w.fault IS NULL AND w.not_updated IS NULL THEN w.synced_revision := w.revision; END IF;
  failure := cometchat.finish_call(w);
  IF failure IS NOT NULL THEN RETURN cometchat.refusal(failure); END IF;
  IF w.fault IS NULL THEN
    PERFORM cometchat.close_breaker();
    RETURN cometchat.success(w.uid, w.token, w.not_updated IS NOT NULL
      AND cometchat.leave_to_queue(w, w.not_updated, cometchat.failure_of(w.not_updated, false) ->> 'errorCode', false));
  END IF;
  failure := cometchat.failure_of(w.fault, w.fault ? 'token');
  RETURN cometchat.refusal(failure, w.fault ->> 'kind' IN ('rate_limited', 'server', 'timeout', 'network')
    AND cometchat.leave_to_queue(w, w.fault, failure ->> 'errorCode', false));
EXCEPTION WHEN lock_not_available THEN
  RETURN cometchat.refusal(cometchat.failure('TIMEOUT'));
END
$function$;

-- Whoever is in flight in process_queue() may be about to have the very token that we would ask for.
CREATE FUNCTION cometchat.settled(w cometchat.work, display_name text, email text, until timestamptz) RETURNS cometchat.work
LANGUAGE plpgsql
AS $function$
DECLARE
  patience timestamptz := LEAST(until, clock_timestamp() + interval '2 s');
BEGIN
  WHILE w.in_flight AND clock_timestamp() < patience LOOP
    PERFORM pg_sleep(0.02);
    w := cometchat.load(w.user_id, w.app_id, display_name, email);
  END LOOP;
  RETURN w;
END
$function$;

CREATE FUNCTION cometchat.settle(w cometchat.work, fault jsonb, pending boolean) RETURNS jsonb
LANGUAGE plpgsql
AS $function$
DECLARE
  failure jsonb := cometchat.failure_of(fault, fault ? 'token');
  unwritten jsonb;
BEGIN
  IF fault ->> 'kind' = 'uid_not_found' AND NOT w.deactivated THEN
    PERFORM cometchat.forget(w.user_id);
    RETURN cometchat.refusal(failure);
  END IF;
  unwritten := cometchat.finish_call(w);
  IF unwritten IS NOT NULL THEN RETURN cometchat.refusal(unwritten); END IF;
  IF fault IS NULL THEN RETURN cometchat.success(w.uid, w.token); END IF;
  -- deactivated by us, whom CometChat does not tell from unknown: no token works
  IF fault ->> 'kind' = 'uid_not_found' THEN RETURN cometchat.success(w.uid, NULL); END IF;
  RETURN cometchat.refusal(failure, pending AND cometchat.leave_to_queue(w, fault, failure ->> 'errorCode', false));
END
$function$;

CREATE FUNCTION public.cometchat_refresh_token(user_id uuid DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER COST 10000
SET search_path = pg_catalog, pg_temp SET lock_timeout = '4500ms' SET client_min_messages = 'warning'
AS $function$
#variable_conflict use_variable
DECLARE
  caller record := cometchat.identify(user_id);
  app record; until timestamptz := cometchat.deadline(); w cometchat.work; failure jsonb; round integer;
BEGIN
  IF caller.failure IS NOT NULL THEN RETURN cometchat.refusal(caller.failure); END IF;
  app := cometchat.app_id();
  IF app.failure IS NOT NULL THEN RETURN cometchat.refusal(app.failure); END IF;
  FOR round IN 1..2 LOOP
    w := cometchat.load(caller.who, app.app_id);
    failure := CASE w.status WHEN 'gone' THEN cometchat.failure('INVALID_INPUT', 'unknown user') WHEN 'suspended' THEN cometchat.failure('USER_DEACTIVATED') END;
    IF failure IS NULL AND round = 1 THEN failure := cometchat.lock_user(caller.who, until); END IF;
    IF failure IS NOT NULL THEN RETURN cometchat.refusal(failure); END IF;
  END LOOP;
  failure := cometchat.sending_refused(app.app_id);
  IF failure IS NOT NULL THEN RETURN cometchat.refusal(failure); END IF;
  w.deadline := until; w.for_login := true; w.asker := CASE WHEN NOT caller.trusted THEN caller.who END;
  IF w.deactivated THEN w := cometchat.reactivate(w); END IF;
  IF w.fault IS NULL THEN w := cometchat.mint(w, true); END IF;
  RETURN cometchat.settle(w, w.fault, false);
EXCEPTION WHEN lock_not_available THEN
  RETURN cometchat.refusal(cometchat.failure('TIMEOUT'));
END
$function$;

CREATE FUNCTION public.cometchat_revoke_tokens(user_id uuid DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER COST 10000
SET search_path = pg_catalog, pg_temp SET lock_timeout = '4500ms' SET client_min_messages = 'warning'
AS $function$
#variable_conflict use_variable
DECLARE
  caller record := cometchat.identify(user_id);
  app record; until timestamptz := cometchat.deadline(); w cometchat.work; failure jsonb;
BEGIN
  IF caller.failure IS NOT NULL THEN RETURN cometchat.refusal(caller.failure); END IF;
  app := cometchat.app_id();
  IF app.failure IS NOT NULL THEN
    PERFORM cometchat.forget_token(caller.who); -- nothing can be sent, and yet the token must go
    RETURN cometchat.refusal(app.failure);
  END IF;
  w := cometchat.load(caller.who, app.app_id);
  IF w.status = 'gone' THEN RETURN cometchat.refusal(cometchat.failure('INVALID_INPUT', 'unknown user')); END IF;
  failure := cometchat.lock_user(caller.who, until);
  IF failure IS NOT NULL THEN RETURN cometchat.refusal(failure); END IF;
  w := cometchat.settled(cometchat.load(caller.who, app.app_id), NULL, NULL, until);
  w.token := NULL; w.revoke_pending := true; w.deadline := until;
  w.asker := CASE WHEN NOT caller.trusted THEN caller.who END;
  failure := cometchat.sending_refused(app.app_id);
  IF failure IS NOT NULL THEN
    RETURN cometchat.settle(w, jsonb_build_object('kind', 'not_configured', 'failure', failure), true);
  END IF;
  w := cometchat.flush(w);
  RETURN cometchat.settle(w, w.fault, true);
EXCEPTION WHEN lock_not_available THEN
  RETURN cometchat.refusal(cometchat.failure('TIMEOUT'));
END
$function$;
