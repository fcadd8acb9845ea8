-- Switches of the worker, and its work in the foreground.

CREATE FUNCTION cometchat.pause() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  PERFORM cometchat.restrict();
  UPDATE cometchat.control SET paused = true, paused_at = pg_catalog.now()
  WHERE only_row AND NOT paused;
  PERFORM cometchat.wake();
END
$function$;
COMMENT ON FUNCTION cometchat.pause() IS
  'Stops sending by the worker and process_queue(). Queued users stay queued; interactive calls continue.';

-- For resume(), and for the worker when the limit is lifted; see cometchat.health(), 'rate limit'.
CREATE FUNCTION cometchat.make_throttled_due() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  UPDATE cometchat.sync_state AS s SET next_attempt_at = pg_catalog.now()
  WHERE s.next_attempt_at > pg_catalog.now() AND s.claim IS NULL
    AND s.wanted_revision <> s.synced_revision
    AND COALESCE(s.error_code, 'RATE_LIMITED') IN ('RATE_LIMITED', 'ERR_TOO_MANY_REQUESTS');
END
$function$;
COMMENT ON FUNCTION cometchat.make_throttled_due() IS 'Makes users due that a 429 postponed.';

CREATE FUNCTION cometchat.resume() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  PERFORM cometchat.restrict();
  UPDATE cometchat.control SET paused = false, paused_at = NULL WHERE only_row AND paused;
  PERFORM cometchat.make_throttled_due();
  PERFORM cometchat.start_worker();
END
$function$;
COMMENT ON FUNCTION cometchat.resume() IS
  'Lets the worker send again after cometchat.pause(), and ends the wait after a 429.';

-- The steps take on the rights that they need; the procedure commits between them, and therefore cannot
-- be a definer.
CREATE PROCEDURE cometchat.process_queue(max_users integer DEFAULT 100)
LANGUAGE plpgsql
AS $procedure$
DECLARE
  -- SECURITY: no definer, since it commits, and so it has its caller's search_path: every name and
  -- operator is qualified.
  remaining pg_catalog.int4 := max_users;
  answer pg_catalog.jsonb;
  canceled pg_catalog.text;
BEGIN
  WHILE remaining OPERATOR(pg_catalog.>) 0 LOOP
    answer := cometchat.claim_batch(LEAST(remaining, 20));
    COMMIT;
    EXIT WHEN (answer OPERATOR(pg_catalog.->>) 'value')::pg_catalog.int4 OPERATOR(pg_catalog.=) 0;
    IF answer OPERATOR(pg_catalog.->>) 'error' IS NULL THEN
      remaining := remaining OPERATOR(pg_catalog.-)
                   (answer OPERATOR(pg_catalog.->>) 'value')::pg_catalog.int4;
      BEGIN
        answer := cometchat.send_batch();
      EXCEPTION WHEN query_canceled THEN
        GET STACKED DIAGNOSTICS canceled = MESSAGE_TEXT;
      END;
      COMMIT;
      -- Also after an error or a cancel: the results of what was sent until then must be stored.
      PERFORM cometchat.finish_batch();
      COMMIT;
    END IF;
    IF canceled IS NOT NULL THEN
      RAISE query_canceled USING MESSAGE = canceled;
    END IF;
    IF answer OPERATOR(pg_catalog.->>) 'error' IS NOT NULL THEN
      RAISE object_not_in_prerequisite_state
        USING MESSAGE = answer OPERATOR(pg_catalog.->>) 'error',
              HINT = 'SELECT * FROM cometchat.health() shows the cause and the fix.';
    END IF;
    EXIT WHEN COALESCE(answer OPERATOR(pg_catalog.->>) 'value', 'false')
              OPERATOR(pg_catalog.<>) 'true'::pg_catalog.text;
  END LOOP;
END
$procedure$;
COMMENT ON PROCEDURE cometchat.process_queue(integer) IS
  'Does the worker''s job in the foreground where the library cannot be preloaded; for pg_cron.';
