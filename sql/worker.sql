-- Switches of the worker, and its work in the foreground.

-- A database that was restored, cloned or copied elsewhere has the same rows, and may have the same settings:
-- it would deactivate the production app's users when its own are deleted. No key: a dump brings its rows
-- into a table that may have one already.
CREATE TABLE cometchat.home (
  system_identifier bigint NOT NULL,
  database          oid NOT NULL
);
-- Without it Postgres refuses every DELETE while there is a publication FOR ALL TABLES.
ALTER TABLE cometchat.home REPLICA IDENTITY FULL;
COMMENT ON TABLE cometchat.home IS
  'The database that sends, as the worker or process_queue() saw it first. Where it is another one than '
  'this, this one is a copy, and does not send until cometchat.resume().';
COMMENT ON COLUMN cometchat.home.system_identifier IS 'The cluster: pg_control_system().system_identifier.';
COMMENT ON COLUMN cometchat.home.database IS 'The database''s oid there.';

CREATE FUNCTION cometchat.is_copy() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT EXISTS (
    SELECT FROM cometchat.home AS h
    WHERE h.system_identifier <> (SELECT c.system_identifier FROM pg_catalog.pg_control_system() AS c)
       OR h.database <> (SELECT d.oid FROM pg_catalog.pg_database AS d
                         WHERE d.datname = pg_catalog.current_database()))
$function$;
COMMENT ON FUNCTION cometchat.is_copy() IS
  'Whether this database is a copy of the one that sends: restored, cloned, or upgraded with pg_upgrade.';

CREATE FUNCTION cometchat.settle_here() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  DELETE FROM cometchat.home AS h WHERE h.database IS NOT NULL;
  INSERT INTO cometchat.home (system_identifier, database)
  SELECT c.system_identifier, d.oid
  FROM pg_catalog.pg_control_system() AS c, pg_catalog.pg_database AS d
  WHERE d.datname = pg_catalog.current_database();
END
$function$;
COMMENT ON FUNCTION cometchat.settle_here() IS 'Makes this database the one that sends.';

CREATE FUNCTION cometchat.pause() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  PERFORM cometchat.restrict();
  UPDATE cometchat.control SET paused = true, paused_at = pg_catalog.now()
  WHERE only_row AND NOT paused;
  IF NOT EXISTS (SELECT FROM cometchat.home AS h WHERE h.database IS NOT NULL) THEN
    PERFORM cometchat.settle_here(); -- what is copied from here is a copy, though nothing was sent yet
  END IF;
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
  IF cometchat.is_copy() THEN
    PERFORM cometchat.settle_here();
  END IF;
  PERFORM cometchat.make_throttled_due();
  PERFORM cometchat.start_worker();
END
$function$;
COMMENT ON FUNCTION cometchat.resume() IS
  'Lets the worker send again after cometchat.pause(), or in a copy of a database, and ends the wait after '
  'a 429.';

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
