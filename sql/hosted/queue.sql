-- The steps of process_queue(), one user at a time: the twin of src/worker/foreground.rs and of
-- crates/sync/src/circuit_breaker.rs. There are no threads, and no lock is held while CometChat is waited for.

-- What is noted in cometchat.sending waits for no lock, which a call in a long transaction may have after a 429: where
-- nothing can be noted the run ends, and the next one learns the same.
--
-- Nobody has a chance: one request at a time looks, after 5 s, then ever more rarely, at least once a minute.
CREATE FUNCTION cometchat.open_breaker(code text) RETURNS void
LANGUAGE plpgsql
AS $function$
BEGIN
  UPDATE cometchat.sending AS s
  SET paused_code = code, probes = s.probes + 1, suspect = NULL,
      probe_at = clock_timestamp() + LEAST(5 * 2 ^ LEAST(s.probes, 4), 60) * interval '1 s'
  WHERE s.only_row IN (SELECT k.only_row FROM cometchat.sending AS k FOR UPDATE SKIP LOCKED);
END
$function$;
COMMENT ON FUNCTION cometchat.open_breaker(text) IS 'Pauses the sending until the next probe.';

CREATE FUNCTION cometchat.close_breaker() RETURNS void
LANGUAGE plpgsql
AS $function$
BEGIN
  UPDATE cometchat.sending AS s SET paused_code = NULL, probes = 0, probe_at = NULL, suspect = NULL
  WHERE s.only_row IN (SELECT k.only_row FROM cometchat.sending AS k
                       WHERE k.paused_code IS NOT NULL OR k.suspect IS NOT NULL FOR UPDATE SKIP LOCKED);
END
$function$;
COMMENT ON FUNCTION cometchat.close_breaker() IS 'Goes on with the sending.';

-- Why the queue sends nothing now; null if it does.
CREATE FUNCTION cometchat.queue_waits() RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $function$
BEGIN
  RETURN (SELECT c.paused FROM cometchat.control AS c)
    OR EXISTS (SELECT FROM cometchat.sending AS s
               WHERE GREATEST(s.not_before, s.queue_not_before, s.probe_at) > clock_timestamp());
END
$function$;
COMMENT ON FUNCTION cometchat.queue_waits() IS
  'Whether the queue sends nothing now: paused, throttled, or before the next probe.';

CREATE FUNCTION cometchat.clock_set_back() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  PERFORM cometchat.statement_clock_set_back(cometchat.in_flight_ms());
  PERFORM cometchat.start_worker();
  DELETE FROM cometchat.user_budgets AS b WHERE b.whole_at > now() + interval '1 min';
END
$function$;
COMMENT ON FUNCTION cometchat.clock_set_back() IS
  'The server''s clock was set back: who waits is due now, and nothing is withheld for longer.';

CREATE FUNCTION cometchat.claim_batch(max_users integer) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = 'force_generic_plan'
SET lock_timeout = '500ms' SET client_min_messages = 'warning'
AS $function$
DECLARE
  mine constant bigint := cometchat.session_claim();
  app record;
  failure jsonb;
  home record;
  claimed uuid;
  w cometchat.work;
BEGIN
  IF cometchat.is_restricted() THEN
    RETURN cometchat.failure('UNAUTHORIZED'); -- SECURITY: as in identify()
  END IF;
  IF cometchat.read_only() THEN
    RETURN cometchat.failure('READ_ONLY');
  END IF;
  PERFORM cometchat.finish_batch(); -- what an earlier run of this session may have left behind
  SELECT * INTO home FROM cometchat.statement_sending();
  IF home.last_run_is_ahead THEN
    PERFORM cometchat.clock_set_back();
  END IF;
  app := cometchat.app_id();
  failure := COALESCE(app.failure, (cometchat.endpoint(app.app_id)).failure);
  IF failure IS NOT NULL THEN
    PERFORM cometchat.statement_record_run(failure ->> 'error');
    RETURN failure;
  END IF;
  IF home.paused OR home.is_copy THEN
    PERFORM cometchat.statement_record_run('paused');
    RETURN '{"value": 0}';
  END IF;
  -- The platform ends statements after two minutes, a role's own setting perhaps sooner: whoever was claimed shortly
  -- before would lose an attempt.
  IF cometchat.queue_waits() OR clock_timestamp() > statement_timestamp()
       + LEAST(interval '45 s', NULLIF(current_setting('statement_timeout')::interval, '0') / 2) THEN
    PERFORM cometchat.statement_record_run(
      COALESCE((SELECT s.paused_code FROM cometchat.sending AS s WHERE s.probe_at > clock_timestamp()), 'done'));
    RETURN '{"value": 0}';
  END IF;
  IF NOT home.has_home THEN
    PERFORM cometchat.settle_here();
  END IF;
  -- A call in a long transaction may have made the row of one of them: they stay recorded, and the queue goes on.
  BEGIN
    IF EXISTS (SELECT FROM cometchat.trigger_misses) THEN
      PERFORM cometchat.requeue_missed();
    END IF;
  EXCEPTION WHEN lock_not_available THEN
    NULL;
  END;
  PERFORM cometchat.statement_catch_up_with_ids(); -- what send_batch() writes must not fail for it
  PERFORM cometchat.reclaim_stale();
  LOOP
    SELECT c.user_id INTO claimed FROM cometchat.statement_claim(LEAST(max_users, 1), LEAST(max_users, 1), mine, 0) AS c;
    IF claimed IS NULL THEN
      BEGIN
        EXIT WHEN cometchat.continue_backfill(app.app_id, 500) IS NULL;
      EXCEPTION WHEN lock_not_available THEN
        EXIT; -- as above
      END;
    ELSE
      EXIT WHEN cometchat.try_lock(claimed);
      -- A call is at work for this user: its request and ours would be two. (The worker of the extension is
      -- there before the call.)
      PERFORM cometchat.statement_defer(mine, ARRAY[claimed], '{1000}');
      claimed := NULL;
    END IF;
  END LOOP;
  IF claimed IS NULL THEN
    PERFORM cometchat.statement_record_run('done');
    RETURN '{"value": 0}';
  END IF;
  PERFORM cometchat.statement_record_run('sending');
  w := cometchat.load(claimed, app.app_id);
  IF w.status = 'gone' THEN
    PERFORM cometchat.statement_wipe(ARRAY[claimed]);
  END IF;
  -- CometChat does not say who has deactivated somebody: leave word before it happens.
  IF cometchat.is_to_deactivate(w) THEN
    PERFORM cometchat.statement_intend_to_deactivate(ARRAY[claimed], ARRAY[w.uid], mine, app.app_id);
  END IF;
  INSERT INTO cometchat.claimed_work AS c (claim, work) VALUES (mine, to_jsonb(w))
  ON CONFLICT (claim) DO UPDATE SET work = EXCLUDED.work;
  RETURN '{"value": 1}';
END
$function$;
COMMENT ON FUNCTION cometchat.claim_batch(integer) IS 'First step of cometchat.process_queue(): claims one user.';

-- Sends for this session's user, and writes what became of it. {"value": true}; false when sending more now is
-- useless.
CREATE FUNCTION cometchat.send_batch() RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = 'force_generic_plan'
SET lock_timeout = '500ms' SET client_min_messages = 'warning'
AS $function$
DECLARE
  mine constant bigint := cometchat.session_claim();
  started timestamptz := clock_timestamp();
  whom uuid;
  first_refused uuid;
  is_probe boolean;
  w cometchat.work;
  decision text;
  ended text := 'done';
  ends boolean := false;
BEGIN
  IF cometchat.is_restricted() THEN
    RETURN cometchat.failure('UNAUTHORIZED');
  END IF;
  DELETE FROM cometchat.claimed_work AS c WHERE c.claim = mine
  RETURNING (jsonb_populate_record(NULL::cometchat.work, c.work)).* INTO w;
  IF NOT FOUND OR NOT EXISTS (SELECT FROM cometchat.sync_state AS s WHERE s.user_id = w.user_id AND s.claim = mine) THEN
    RETURN '{"value": true}';
  END IF;
  whom := w.user_id;
  w.deadline := cometchat.deadline();
  w := cometchat.run(w);
  decision := cometchat.decide(w.fault);
  SELECT s.suspect, s.paused_code IS NOT NULL INTO first_refused, is_probe FROM cometchat.sending AS s;
  IF decision IN ('synced', 'fail') AND w.asked THEN
    -- CometChat answers: only the user before was concerned.
    IF first_refused <> whom THEN
      UPDATE cometchat.sync_state AS s
      SET attempts = s.attempts + 1,
          next_attempt_at = CASE WHEN s.attempts + 1 < cometchat.setting('max_attempts')::integer
            THEN now() + GREATEST(random() * LEAST(2 * 2 ^ LEAST(s.attempts, 20), 900), 0.1) * interval '1 s' END,
          failed_at = CASE WHEN s.attempts + 1 >= cometchat.setting('max_attempts')::integer THEN now() END
      WHERE s.user_id IN (SELECT k.user_id FROM cometchat.sync_state AS k
                          WHERE k.user_id = first_refused AND k.claim IS NULL AND k.next_attempt_at IS NOT NULL
                          FOR UPDATE SKIP LOCKED);
    END IF;
    PERFORM cometchat.close_breaker();
  ELSIF decision IN ('pause', 'outage') THEN
    ended := cometchat.stored_code(w.fault);
    IF first_refused IS NULL AND NOT is_probe THEN
      UPDATE cometchat.sending AS s SET suspect = whom
      WHERE s.only_row IN (SELECT k.only_row FROM cometchat.sending AS k FOR UPDATE SKIP LOCKED);
      decision := CASE WHEN FOUND THEN 'suspect' ELSE decision END;
    ELSE
      PERFORM cometchat.open_breaker(CASE decision WHEN 'outage' THEN 'NETWORK'
                                     ELSE cometchat.failure_of(w.fault, false) ->> 'errorCode' END);
      ends := true;
      decision := CASE WHEN is_probe THEN 'suspect' ELSE decision END;
    END IF;
  END IF;
  BEGIN
    PERFORM cometchat.complete_one(w, mine, decision,
      (extract(epoch FROM clock_timestamp() - started) * 1000)::bigint);
  EXCEPTION
    WHEN lock_not_available THEN -- an app's own transaction has locked the row of cometchat_users, say
      PERFORM cometchat.put_off(w.user_id, mine);
    WHEN integrity_constraint_violation OR data_exception OR raise_exception OR insufficient_privilege
         OR syntax_error_or_access_rule_violation OR triggered_action_exception THEN
      -- An app's own trigger on cometchat_users, say, refuses this user.
      PERFORM cometchat.statement_mark_failed(w.user_id, mine, w.revision, 'SQLSTATE ' || SQLSTATE);
  END;
  IF ends OR decision IN ('throttled', 'pause', 'outage') THEN
    PERFORM cometchat.statement_record_run(COALESCE(NULLIF(ended, 'done'), cometchat.stored_code(w.fault)));
    RETURN '{"value": false}';
  END IF;
  RETURN '{"value": true}';
END
$function$;
COMMENT ON FUNCTION cometchat.send_batch() IS 'Second step of cometchat.process_queue(): sends, and writes the outcome.';

CREATE FUNCTION cometchat.finish_batch() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  mine constant bigint := cometchat.session_claim();
BEGIN
  UPDATE cometchat.sync_state AS s
  SET claim = NULL, claimed_at = NULL, unsettled_until = now() + cometchat.in_flight_ms() * interval '1 ms'
  WHERE s.user_id IN (SELECT k.user_id FROM cometchat.sync_state AS k WHERE k.claim = mine FOR UPDATE SKIP LOCKED);
  IF FOUND THEN
    PERFORM cometchat.statement_record_run('canceled');
  END IF;
END
$function$;
COMMENT ON FUNCTION cometchat.finish_batch() IS
  'Last step of cometchat.process_queue(): gives back what was not sent.';
