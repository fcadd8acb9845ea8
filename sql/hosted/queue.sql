-- The queue's steps, one user at a time: the twin of src/sync (without threads, hence serial).

-- A session's claims carry its process, so that others see whether it is still there: src/users/worker.rs.
CREATE FUNCTION cometchat.session_claim() RETURNS bigint
LANGUAGE sql VOLATILE
AS $$ SELECT ~((pg_backend_pid()::bigint << 32) | 1) $$;

CREATE FUNCTION cometchat.is_stale(claim bigint, claimed_at timestamptz) RETURNS boolean
LANGUAGE sql STABLE
AS $function$
  SELECT claimed_at < now() - interval '10 minutes' OR claim < 0 AND NOT EXISTS (
    SELECT FROM pg_stat_get_activity((~claim >> 32)::integer) AS a WHERE a.backend_start <= claimed_at)
$function$;

-- Nobody has a chance: one request at a time looks, after 5 s, then ever more rarely, at least once a minute.
CREATE FUNCTION cometchat.open_breaker(code text) RETURNS void
LANGUAGE sql
AS $function$
  UPDATE cometchat.control AS c
  SET paused_code = code, probes = c.probes + 1, probe_at = clock_timestamp() + LEAST(5 * 2 ^ LEAST(c.probes, 4), 60) * interval '1 s'
  WHERE c.only_row
$function$;

CREATE FUNCTION cometchat.close_breaker() RETURNS void
LANGUAGE sql
AS $function$
  UPDATE cometchat.control AS c SET paused_code = NULL, probes = 0, probe_at = NULL
  WHERE c.only_row IN (SELECT k.only_row FROM cometchat.control AS k WHERE k.probes > 0 FOR UPDATE SKIP LOCKED)
$function$;

CREATE FUNCTION cometchat.claim_batch(max_users integer) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms'
AS $function$
DECLARE
  mine constant bigint := cometchat.session_claim();
  app record := cometchat.app_id();
  k cometchat.control;
  failure jsonb;
  claimed uuid[];
  w cometchat.work;
BEGIN
  PERFORM cometchat.finish_batch(); -- what an earlier run of this session may have left behind
  SELECT * INTO k FROM cometchat.control;
  failure := COALESCE(app.failure, (cometchat.endpoint(app.app_id)).failure);
  IF failure IS NOT NULL THEN RETURN failure; END IF;
  IF k.paused OR k.not_before > clock_timestamp() OR k.probe_at > clock_timestamp()
     OR clock_timestamp() > statement_timestamp() + interval '45 s' THEN -- the platform ends statements after 2 minutes
    RETURN '{"value": 0}';
  END IF;
  IF EXISTS (SELECT FROM cometchat.trigger_misses) THEN PERFORM cometchat.requeue_missed(); END IF;
  UPDATE cometchat.sync_state AS s SET claim = NULL, claimed_at = NULL,
    unsettled_until = now() + 2 * cometchat.setting('request_timeout')::interval
  WHERE s.user_id IN (SELECT x.user_id FROM cometchat.sync_state AS x
                      WHERE x.claim IS NOT NULL AND cometchat.is_stale(x.claim, x.claimed_at) FOR UPDATE SKIP LOCKED);
  WITH due AS MATERIALIZED (
    SELECT s.user_id FROM cometchat.sync_state AS s WHERE s.next_attempt_at <= now() AND s.claim IS NULL
    ORDER BY s.next_attempt_at LIMIT CASE WHEN k.paused_code IS NULL THEN LEAST(max_users, 1) ELSE 1 END FOR UPDATE SKIP LOCKED
  ), claims AS (
    UPDATE cometchat.sync_state AS s SET claim = mine, claimed_at = clock_timestamp(),
      unsettled_until = COALESCE(s.unsettled_until, 'infinity') FROM due WHERE s.user_id = due.user_id RETURNING s.user_id
  ) SELECT array_agg(c.user_id) INTO claimed FROM claims AS c;
  -- CometChat does not say who has deactivated somebody: leave word before it happens.
  FOR w IN SELECT (cometchat.load(u.id, app.app_id)).* FROM unnest(claimed) AS u(id) LOOP
    IF cometchat.is_to_deactivate(w) THEN
      UPDATE cometchat.sync_state AS s SET deactivated = true, app_id = app.app_id, cometchat_uid = w.uid
      WHERE s.user_id = w.user_id AND COALESCE(s.app_id, app.app_id) = app.app_id;
    END IF;
  END LOOP;
  RETURN jsonb_build_object('value', COALESCE(cardinality(claimed), 0));
END
$function$;
COMMENT ON FUNCTION cometchat.claim_batch(integer) IS 'First step of cometchat.process_queue().';

CREATE FUNCTION cometchat.is_to_deactivate(w cometchat.work) RETURNS boolean
LANGUAGE sql STABLE
AS $function$
  SELECT NOT w.deactivated AND CASE w.status WHEN 'suspended' THEN w.mapped OR w.was_known OR w.certainty <> 'settled'
    WHEN 'gone' THEN cometchat.setting('on_delete') NOT IN ('delete', 'keep') ELSE false END
$function$;

-- Deactivates: every session ends first, since a reactivated user's old tokens would work again.
CREATE FUNCTION cometchat.deactivate(INOUT w cometchat.work)
LANGUAGE plpgsql
AS $function$
DECLARE
  answer jsonb;
BEGIN
  w.token := NULL;
  w := cometchat.flush(w);
  IF w.fault IS NULL THEN w.deactivated := true;
  ELSIF w.fault ->> 'kind' = 'uid_not_found' THEN
    w.fault := NULL;
    IF NOT (w.mapped OR w.was_known) THEN RETURN; END IF;
  ELSE RETURN; END IF;
  answer := cometchat.ask(w, 'DELETE', '/users', jsonb_build_object('uidsToDeactivate', jsonb_build_array(w.uid)));
  IF answer ? 'kind' THEN w.fault := answer;
  ELSIF answer #> '{data,deactivatedUids}' @> to_jsonb(ARRAY[lower(w.uid)]) THEN w.deactivated := true;
  END IF;
END
$function$;

-- One user of this session's: sends, and writes what became of it. Holds no lock while it waits for CometChat.
-- {"value": true}; false when sending more now is useless.
CREATE FUNCTION cometchat.send_batch() RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET client_min_messages = 'warning'
AS $function$
DECLARE
  mine constant bigint := cometchat.session_claim();
  app record := cometchat.app_id();
  whom uuid; w cometchat.work; removed boolean := false; skipped boolean; verdict text; answer jsonb;
BEGIN
  SELECT s.user_id INTO whom FROM cometchat.sync_state AS s WHERE s.claim = mine ORDER BY s.next_attempt_at LIMIT 1;
  IF NOT FOUND THEN RETURN '{"value": true}'; END IF;
  w := cometchat.load(whom, app.app_id);
  w.deadline := cometchat.deadline(); w.for_login := false; w.may_reactivate := false;
  skipped := w.status = 'active' AND w.not_by_itself AND NOT w.requested AND NOT w.mapped AND w.sent_profile IS NULL AND NOT w.deactivated;
  IF skipped THEN NULL;
  ELSIF w.status = 'active' THEN
    w := cometchat.converge(w);
    IF w.fault IS NULL AND w.revoke_pending THEN w := cometchat.flush(w); END IF;
  ELSIF w.status = 'suspended' THEN
    IF w.mapped OR w.was_known OR w.certainty <> 'settled' THEN
      w := cometchat.deactivate(w); w.sent_profile := NULL; w.sent_metadata := NULL; w.sent_fields := NULL;
    END IF;
  ELSIF NOT (w.mapped OR w.was_known OR w.certainty <> 'settled') THEN removed := true;
  ELSE
    w.token := NULL; w.sent_profile := NULL; w.sent_metadata := NULL; w.sent_fields := NULL;
    CASE cometchat.setting('on_delete')
      WHEN 'keep' THEN removed := true;
      WHEN 'delete' THEN
        answer := cometchat.ask(w, 'DELETE', cometchat.user_path(w.uid), '{"permanent": true}');
        removed := NOT answer ? 'kind' OR answer ->> 'kind' = 'uid_not_found';
        IF NOT removed THEN w.fault := answer; END IF;
      ELSE
        w := cometchat.deactivate(w);
        removed := w.fault IS NULL AND NOT w.deactivated AND w.certainty <> 'in flight';
    END CASE;
  END IF;
  verdict := CASE w.fault ->> 'kind'
    WHEN 'rate_limited' THEN 'throttled' WHEN 'network' THEN 'outage'
    WHEN 'timeout' THEN 'retry' WHEN 'server' THEN 'retry' WHEN 'uid_not_found' THEN 'retry'
    WHEN 'key_rejected' THEN 'pause' WHEN 'plan_limit' THEN 'pause' WHEN 'wrong_endpoint' THEN 'pause'
    WHEN 'not_cometchat' THEN 'pause' WHEN 'not_configured' THEN 'pause' ELSE 'fail' END;
  IF w.fault IS NULL THEN verdict := 'agreed'; END IF;
  PERFORM cometchat.finish_one(w, mine, verdict, removed);
  IF verdict IN ('pause', 'outage') THEN
    PERFORM cometchat.open_breaker(CASE verdict WHEN 'outage' THEN 'NETWORK' ELSE cometchat.failure_of(w.fault, false) ->> 'errorCode' END);
  ELSIF NOT skipped THEN PERFORM cometchat.close_breaker();
  END IF;
  RETURN jsonb_build_object('value', CASE WHEN verdict IN ('agreed', 'retry', 'fail') THEN 'true' ELSE 'false' END::jsonb);
END
$function$;
COMMENT ON FUNCTION cometchat.send_batch() IS 'Second step of cometchat.process_queue().';

-- src/sync/finish.rs, for one.
CREATE FUNCTION cometchat.finish_one(w cometchat.work, mine bigint, verdict text, removed boolean) RETURNS void
LANGUAGE plpgsql
AS $function$
DECLARE
  s cometchat.sync_state;
  changed boolean; overtaken boolean := false; tries integer; delay interval;
  code text := COALESCE(w.fault ->> 'code', upper(w.fault ->> 'kind'));
BEGIN
  SELECT * INTO s FROM cometchat.sync_state AS x WHERE x.user_id = w.user_id AND x.claim = mine FOR UPDATE;
  IF NOT FOUND THEN
    -- A call took it over. That it was us who deactivated, nothing else would tell.
    IF w.deactivated AND w.status <> 'active' THEN
      UPDATE cometchat.sync_state AS x SET deactivated = true
      WHERE x.user_id = w.user_id AND x.app_id = w.app_id AND x.cometchat_uid = w.uid;
    END IF;
    RETURN;
  END IF;
  changed := s.wanted_revision <> w.revision;
  IF w.mapped AND w.status <> 'gone' THEN
    BEGIN
      PERFORM set_config('lock_timeout', '100ms', true);
      INSERT INTO public.cometchat_users AS u (user_id, cometchat_uid, cometchat_auth_token) VALUES (w.user_id, w.uid, w.token)
      ON CONFLICT (user_id) DO UPDATE SET cometchat_auth_token = EXCLUDED.cometchat_auth_token, updated_at = now()
      WHERE lower(u.cometchat_uid) = lower(EXCLUDED.cometchat_uid) AND u.cometchat_auth_token IS DISTINCT FROM EXCLUDED.cometchat_auth_token;
      overtaken := EXISTS (SELECT FROM public.cometchat_users AS u WHERE u.user_id = w.user_id AND lower(u.cometchat_uid) <> lower(w.uid));
    EXCEPTION
      WHEN foreign_key_violation THEN NULL; -- deleted meanwhile
      WHEN lock_not_available THEN          -- being deleted, say: without the mapping the token would be lost
        UPDATE cometchat.sync_state AS x SET claim = NULL, claimed_at = NULL, next_attempt_at = now() + interval '10 s' WHERE x.user_id = w.user_id;
        RETURN;
    END;
  END IF;
  IF removed AND NOT changed THEN
    DELETE FROM cometchat.sync_state AS x WHERE x.user_id = w.user_id;
    RETURN;
  END IF;
  overtaken := overtaken OR changed;
  tries := CASE verdict WHEN 'agreed' THEN 0 WHEN 'retry' THEN s.attempts + 1 WHEN 'fail' THEN s.attempts + 1 ELSE s.attempts END;
  IF verdict = 'retry' AND tries >= cometchat.setting('max_attempts')::integer THEN verdict := 'fail'; END IF;
  delay := CASE verdict
    WHEN 'agreed' THEN w.back_in_ms * interval '1 ms'
    WHEN 'fail' THEN NULL
    WHEN 'retry' THEN GREATEST(random() * LEAST(2 * 2 ^ LEAST(tries - 1, 20), 900), 0.1) * interval '1 s'
    WHEN 'throttled' THEN LEAST(GREATEST(COALESCE((w.fault ->> 'retry_after')::integer, 1), 0.1), 60) * interval '1 s'
    ELSE interval '0' END;
  UPDATE cometchat.sync_state AS x
  SET cometchat_uid = w.uid, app_id = w.app_id, sent_profile = w.sent_profile, sent_metadata = w.sent_metadata,
      sent_fields = w.sent_fields, deactivated = w.deactivated, revoke_pending = w.revoke_pending,
      name_argument = CASE WHEN changed THEN x.name_argument ELSE w.name_argument END,
      name_argument_base = CASE WHEN changed THEN x.name_argument_base ELSE w.name_argument_base END,
      synced_revision = CASE WHEN verdict = 'agreed' THEN w.revision ELSE x.synced_revision END,
      attempts = CASE WHEN overtaken THEN x.attempts ELSE tries END,
      next_attempt_at = CASE WHEN overtaken AND (verdict = 'agreed' OR COALESCE(delay, '0') <= '0') THEN now() ELSE now() + delay END,
      failed_at = CASE WHEN verdict = 'fail' AND NOT overtaken THEN now() END,
      error_code = code, error_message = CASE WHEN NOT overtaken THEN w.fault ->> 'message' END,
      unsettled_until = CASE WHEN verdict = 'agreed' THEN NULL
        WHEN cometchat.effect(w.fault) IS NULL THEN x.unsettled_until
        ELSE GREATEST(NULLIF(x.unsettled_until, 'infinity'), now() + cometchat.effect(w.fault)) END,
      outcomes = x.outcomes + 1,
      claim = NULL, claimed_at = NULL
  WHERE x.user_id = w.user_id;
END
$function$;

CREATE FUNCTION cometchat.finish_batch() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
  UPDATE cometchat.sync_state AS s SET claim = NULL, claimed_at = NULL,
    unsettled_until = now() + 2 * cometchat.setting('request_timeout')::interval
  WHERE s.claim = cometchat.session_claim()
$function$;
COMMENT ON FUNCTION cometchat.finish_batch() IS 'Last step of cometchat.process_queue().';

CREATE FUNCTION cometchat.worker_status() RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
  job text;
BEGIN
  IF to_regclass('cron.job') IS NOT NULL THEN
    EXECUTE 'SELECT min(jobid)::text FROM cron.job WHERE active AND command ILIKE ''%cometchat.process_queue%''' INTO job;
  END IF;
  RETURN (SELECT jsonb_build_object('preloaded', false, 'worker_pid', job, 'paused_code', c.paused_code,
    'throttled_until', CASE WHEN c.not_before > clock_timestamp() THEN extract(epoch FROM c.not_before) END,
    'throttled_by', 'CometChat', 'library_version', '0.1.0') FROM cometchat.control AS c);
END
$function$;
COMMENT ON FUNCTION cometchat.worker_status() IS 'What the control table and pg_cron know.';

CREATE FUNCTION cometchat.wake() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$ BEGIN END $$;
COMMENT ON FUNCTION cometchat.wake() IS 'Does nothing here: pg_cron calls process_queue() every few seconds.';

CREATE FUNCTION cometchat.start_worker() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
  UPDATE cometchat.control SET not_before = NULL, probe_at = NULL WHERE only_row;
END
$function$;
COMMENT ON FUNCTION cometchat.start_worker() IS 'For resume(): the next run of process_queue() sends at once.';

CREATE FUNCTION cometchat.check_profile(profile text) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
  hint constant text := 'Its keys are name, avatar, link, role, tags, statusMessage and metadata.';
  fields jsonb := profile::jsonb;
  field record;
BEGIN
  IF profile IS NULL THEN
    RETURN;
  END IF;
  IF jsonb_typeof(fields) <> 'object' THEN
    RAISE invalid_parameter_value USING MESSAGE = 'profile must be a JSON object', HINT = hint;
  END IF;
  FOR field IN SELECT f.key, f.value FROM jsonb_each(fields) AS f ORDER BY f.key LOOP
    IF field.key <> ALL ('{name,avatar,link,role,tags,statusMessage,metadata}') THEN
      RAISE invalid_parameter_value USING
        MESSAGE = format('profile has an unknown key "%s"', field.key), HINT = hint;
    END IF;
    CONTINUE WHEN field.value = 'null';
    IF jsonb_typeof(field.value) <> (CASE field.key WHEN 'tags' THEN 'array' WHEN 'metadata' THEN 'object'
                                                    ELSE 'string' END)
       OR field.key = 'avatar' AND cometchat.valid_avatar(field.value #>> '{}') IS NULL
       OR field.key = 'link' AND cometchat.valid_avatar(
            regexp_replace(field.value #>> '{}', '^http://', 'https://', 'i')) IS NULL
       OR field.key = 'role' AND length(field.value #>> '{}') > 100
       OR field.key = 'statusMessage' AND length(field.value #>> '{}') > 1000
       OR field.key = 'metadata' AND octet_length(field.value::text) > 5000
       OR field.key = 'tags' AND (jsonb_array_length(field.value) > 25
            OR field.value @? '$[*] ? (@.type() != "string" || @ like_regex "^.{101}")') THEN
      RAISE invalid_parameter_value USING MESSAGE = format('%s of the profile cannot be sent', field.key);
    END IF;
  END LOOP;
END
$function$;
COMMENT ON FUNCTION cometchat.check_profile(text) IS
  'Raises an error that says why CometChat would refuse this profile, if it would.';
