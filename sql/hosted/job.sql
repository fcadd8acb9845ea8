-- One user's work from the queue, and what its outcome means: the twin of crates/sync/src/job.rs,
-- next_attempt.rs and policy.rs.

CREATE FUNCTION cometchat.may_be_there(w cometchat.work) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
AS $$ BEGIN RETURN w.mapped OR w.was_known OR w.certainty <> 'settled'; END $$;
COMMENT ON FUNCTION cometchat.may_be_there(cometchat.work) IS 'CometChat may have the user, for all we know.';

-- Not to be synced by itself, and not in CometChat yet.
CREATE FUNCTION cometchat.is_passed_over(w cometchat.work) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
AS $function$
BEGIN
  RETURN w.status = 'active' AND w.passed_over IS NOT NULL AND NOT w.requested AND NOT w.mapped
         AND NOT w.was_known; -- of an account, that a run has reactivated it and came no further say
END
$function$;
COMMENT ON FUNCTION cometchat.is_passed_over(cometchat.work) IS
  'Whether the settings leave the user out until somebody asks for them.';

CREATE FUNCTION cometchat.is_to_deactivate(w cometchat.work) RETURNS boolean
LANGUAGE plpgsql STABLE
AS $function$
BEGIN
  RETURN NOT w.deactivated AND cometchat.may_be_there(w)
    AND (w.status = 'suspended' OR w.status = 'gone' AND cometchat.setting('on_delete') = 'deactivate');
END
$function$;
COMMENT ON FUNCTION cometchat.is_to_deactivate(cometchat.work) IS
  'Whether the work deactivates a user who, as far as is known, is active.';

-- Every session ends first, since a reactivated user's old tokens would work again.
CREATE FUNCTION cometchat.deactivate(INOUT w cometchat.work)
LANGUAGE plpgsql
AS $function$
DECLARE
  was_there boolean := w.mapped OR w.was_known;
  answer jsonb;
  refused jsonb;
BEGIN
  w.token := NULL;
  w := cometchat.nothing_sent(w);
  w := cometchat.flush(w);
  IF w.fault IS NULL THEN
    w.deactivated := true; -- active until now, so the deactivation is ours, also if its answer is lost
  ELSIF w.fault ->> 'kind' = 'uid_not_found' THEN
    w.fault := NULL;
    IF NOT was_there THEN
      RETURN;
    END IF;
    -- Deactivated already, or not there. If that was others, no token was ended: a reactivated user's old ones would
    -- work again.
    w.revoke_pending := w.revoke_pending OR NOT w.deactivated;
  ELSIF w.fault ->> 'kind' = 'bad_user'
        OR w.fault ->> 'kind' = 'server' AND w.attempts >= 2 AND w.fault ->> 'effect' <> '2' THEN
    -- CometChat will not end the tokens, but nothing works with them once the user is deactivated. They are ended
    -- before the next one is minted.
    refused := w.fault;
    w.fault := NULL;
    w.revoke_pending := true;
    -- What a flush that works would have shown.
    answer := cometchat.ask(w, 'GET', cometchat.user_path(w.uid), NULL, w.uid);
    IF answer ? 'kind' AND answer ->> 'kind' <> 'uid_not_found' THEN
      w.fault := answer;
      RETURN;
    END IF;
    w.deactivated := w.deactivated
      OR NOT answer ? 'kind' AND COALESCE(answer #>> '{data,deactivatedAt}', '0') !~ '^[1-9]';
  ELSE
    RETURN;
  END IF;
  answer := cometchat.ask(w, 'DELETE', '/users', jsonb_build_object('uidsToDeactivate', jsonb_build_array(w.uid)));
  IF answer ? 'kind' THEN
    w := cometchat.note(w, answer);
    w.fault := answer;
  ELSIF EXISTS (SELECT FROM jsonb_array_elements_text(CASE jsonb_typeof(answer #> '{data,deactivatedUids}')
                                                      WHEN 'array' THEN answer #> '{data,deactivatedUids}'
                                                      ELSE '[]' END) AS d(uid) WHERE lower(d.uid) = lower(w.uid)) THEN
    w.deactivated := true;
  END IF;
  w.fault := COALESCE(w.fault, refused);
END
$function$;
COMMENT ON FUNCTION cometchat.deactivate(cometchat.work) IS 'Ends every session of the user, and deactivates.';

CREATE FUNCTION cometchat.remove_remote(INOUT w cometchat.work)
LANGUAGE plpgsql
AS $function$
DECLARE
  -- What is under way still is looked at once more when it is over.
  over boolean := w.certainty <> 'in flight';
  was_mapped boolean := w.mapped;
  answer jsonb;
BEGIN
  w.token := NULL;
  w := cometchat.nothing_sent(w);
  CASE cometchat.setting('on_delete')
    WHEN 'keep' THEN
      w.removed := true;
    WHEN 'delete' THEN
      answer := cometchat.ask(w, 'DELETE', cometchat.user_path(w.uid), '{"permanent": true}');
      IF NOT answer ? 'kind' OR answer ->> 'kind' = 'uid_not_found' THEN
        w.removed := over;
      ELSE
        w := cometchat.note(w, answer);
        w.fault := answer;
      END IF;
    ELSE
      w := cometchat.deactivate(w);
      w.removed := w.fault IS NULL AND over AND NOT w.deactivated;
  END CASE;
  w.mapped := false;
END
$function$;
COMMENT ON FUNCTION cometchat.remove_remote(cometchat.work) IS 'Tells CometChat that the user was deleted here.';

-- Does the work; what was learned on the way stays in it.
CREATE FUNCTION cometchat.run(INOUT w cometchat.work)
LANGUAGE plpgsql
AS $function$
DECLARE
  refused jsonb;
BEGIN
  w.for_login := false;
  w.may_reactivate := false;
  w.asked := NOT cometchat.is_passed_over(w) AND (w.status IN ('active', 'unknown') OR cometchat.may_be_there(w));
  IF NOT w.asked THEN
    w.removed := w.status = 'gone';
  ELSIF w.status IN ('active', 'unknown') AND w.unreadable IS NOT NULL THEN
    -- A revocation does not depend on what cannot be read.
    IF w.revoke_pending AND w.mapped THEN
      w := cometchat.flush(w);
    END IF;
    IF w.fault IS NULL THEN
      w.fault := jsonb_build_object('kind', 'unreadable', 'message', w.unreadable);
    END IF;
  ELSIF w.status IN ('active', 'unknown') THEN
    w.deactivation_in_flight := w.certainty = 'in flight' AND w.was_known AND w.sent_profile IS NULL;
    w := cometchat.converge(w);
    -- A revocation that is still owed does not depend on what CometChat refuses of the profile.
    IF w.revoke_pending AND (w.fault IS NULL
                             OR w.fault ->> 'kind' <> 'deactivated' AND cometchat.decide(w.fault) = 'fail') THEN
      refused := w.fault;
      w.fault := NULL;
      w := cometchat.flush(w);
      -- Of somebody who is not there nothing is owed.
      w.fault := CASE WHEN refused IS NOT NULL AND w.fault ->> 'kind' = 'uid_not_found' THEN refused
                      ELSE COALESCE(w.fault, refused) END;
    END IF;
  ELSIF w.status = 'suspended' THEN
    w := cometchat.deactivate(w);
  ELSE
    w := cometchat.remove_remote(w);
  END IF;
END
$function$;
COMMENT ON FUNCTION cometchat.run(cometchat.work) IS 'Makes CometChat agree with what is wanted of a user.';

-- What is to be done about a user who could not be synced.
CREATE FUNCTION cometchat.decide(fault jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $function$
BEGIN
  RETURN CASE
    WHEN fault IS NULL THEN 'synced'
    WHEN fault ? 'not_created' THEN 'plan full'
    WHEN fault ->> 'kind' IN ('rate_limited', 'refused') THEN 'throttled'
    WHEN fault ->> 'kind' = 'network' THEN 'outage'
    WHEN fault ->> 'kind' IN ('timeout', 'server', 'uid_not_found') THEN 'retry'
    WHEN fault ->> 'kind' IN ('key_rejected', 'plan_limit', 'wrong_endpoint', 'not_cometchat', 'not_configured')
      THEN 'pause'
    ELSE 'fail' END;
END
$function$;
COMMENT ON FUNCTION cometchat.decide(jsonb) IS 'What is to be done about a failure: retry, pause, fail and so on.';

CREATE FUNCTION cometchat.unsettled_ms(effect integer) RETURNS bigint
LANGUAGE plpgsql STABLE
AS $$ BEGIN RETURN CASE effect WHEN 1 THEN 0 WHEN 2 THEN cometchat.in_flight_ms() END; END $$;
COMMENT ON FUNCTION cometchat.unsettled_ms(integer) IS
  'For how long it is uncertain what CometChat has; null if it is not.';

CREATE FUNCTION cometchat.put_off(whom uuid, mine bigint) RETURNS void
LANGUAGE plpgsql
AS $function$
BEGIN
  UPDATE cometchat.sync_state AS s
  SET claim = NULL, claimed_at = NULL,
      next_attempt_at = now() + interval '10 s',
      unsettled_until = GREATEST(CASE WHEN isfinite(s.unsettled_until) THEN s.unsettled_until END,
                                 clock_timestamp() + GREATEST(10000, cometchat.in_flight_ms()) * interval '1 ms')
  WHERE s.user_id IN (SELECT k.user_id FROM cometchat.sync_state AS k
                      WHERE k.user_id = whom AND k.claim = mine FOR UPDATE SKIP LOCKED);
END
$function$;
COMMENT ON FUNCTION cometchat.put_off(uuid, bigint) IS
  'Gives back a user whose outcome could not be written: it is tried again, and CometChat is asked what it has.';

-- Writes what became of a claimed user, where the claim is still ours. It waits for a lock as long as send_batch()
-- says: another session that claims has it for a moment. A user whom another transaction has locked for longer stays
-- claimed until finish_batch() finds that over, and is sent again; the others are not kept waiting.
CREATE FUNCTION cometchat.complete_one(w cometchat.work, mine bigint, decision text, took_ms bigint) RETURNS void
LANGUAGE plpgsql
AS $function$
DECLARE
  tries integer := CASE WHEN decision = 'synced' THEN 0
                        WHEN decision IN ('retry', 'fail') THEN w.attempts + 1 ELSE w.attempts END;
  synced boolean := decision = 'synced';
  failed boolean;
  delay_ms bigint;
  unsettled_ms bigint := cometchat.unsettled_ms(w.effect);
  settled boolean;
  check_when_settled boolean := false;
  -- FOR KEY SHARE takes UPDATE. A role that may only read auth.users leaves it to the foreign key.
  kept boolean := w.mapped AND CASE WHEN has_table_privilege(cometchat.auth_users_oid(), 'UPDATE')
    THEN EXISTS (SELECT FROM cometchat.statement_auth_users_keep(ARRAY[w.user_id]))
    ELSE EXISTS (SELECT FROM cometchat.statement_auth_users_present(ARRAY[w.user_id])) END;
  untried boolean := w.fault ? 'unsent';
  written bigint;
BEGIN
  -- A user whose row of auth.users is locked, being deleted say: without the mapping the token would be lost.
  IF w.mapped AND NOT kept AND EXISTS (SELECT FROM cometchat.statement_auth_users_present(ARRAY[w.user_id])) THEN
    PERFORM cometchat.put_off(w.user_id, mine);
    RETURN;
  END IF;
  IF decision = 'retry' AND tries >= cometchat.setting('max_attempts')::integer THEN
    decision := 'fail';
  END IF;
  failed := decision = 'fail';
  delay_ms := CASE decision
    WHEN 'synced' THEN w.back_in_ms
    WHEN 'fail' THEN NULL
    WHEN 'retry' THEN GREATEST(random() * LEAST(2000 * 2 ^ LEAST(tries - 1, 20), 900000), 100)
    WHEN 'throttled' THEN LEAST(GREATEST(COALESCE((w.fault ->> 'retry_after')::integer, 1) * 1000, 100), 60000)
    WHEN 'plan full' THEN 300000
    -- "suspect" is behind the others then
    WHEN 'suspect' THEN 1000
    ELSE 0 END;
  settled := unsettled_ms IS NULL AND (w.certainty = 'settled'
    OR w.certainty IN ('never asked', 'unsettled') AND synced AND NOT cometchat.is_passed_over(w)
    OR w.certainty = 'never asked' AND synced);
  IF unsettled_ms IS NULL AND w.certainty = 'in flight' AND NOT cometchat.is_passed_over(w) THEN
    check_when_settled := true;
  END IF;
  written := cometchat.statement_complete(mine, ARRAY[w.user_id], ARRAY[w.revision], ARRAY[w.uid], ARRAY[w.token],
    ARRAY[kept],
    ARRAY[CASE WHEN w.mapped OR w.sent_profile IS NOT NULL OR w.deactivated
                    OR w.was_known AND (NOT synced OR w.revoke_pending) THEN w.app_id END],
    ARRAY[w.sent_profile], ARRAY[w.sent_metadata],
    ARRAY[CASE WHEN w.sent_profile IS NOT NULL THEN array_to_string(w.sent_fields, ',') END],
    ARRAY[w.deactivated], ARRAY[w.revoke_pending], ARRAY[synced], ARRAY[delay_ms], ARRAY[tries], ARRAY[failed],
    ARRAY[CASE WHEN NOT synced AND NOT untried THEN cometchat.stored_code(w.fault) END],
    ARRAY[CASE WHEN NOT synced AND NOT untried THEN w.fault ->> 'message' END],
    ARRAY[w.name_argument], ARRAY[w.name_argument_base], ARRAY[w.removed AND synced], ARRAY[settled],
    ARRAY[unsettled_ms], ARRAY[check_when_settled],
    ARRAY[CASE WHEN NOT synced THEN NULLIF((w.fault ->> 'status')::integer, 0) END],
    ARRAY[CASE WHEN w.asked THEN took_ms END], ARRAY[w.knew_revocation]);
  IF written = 0 AND w.deactivated AND w.status <> 'active' THEN
    -- A call took the claim over. That it was us who deactivated, nothing else would tell.
    PERFORM cometchat.statement_keep_deactivated(mine, ARRAY[w.user_id], ARRAY[w.app_id], ARRAY[w.uid]);
  END IF;
END
$function$;
COMMENT ON FUNCTION cometchat.complete_one(cometchat.work, bigint, text, bigint) IS
  'Writes what became of a user of the queue.';
