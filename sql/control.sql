-- The operator's switch, and the count of errors that the trigger kept from its statement.

CREATE TABLE cometchat.control (
  only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  paused    boolean NOT NULL DEFAULT false,
  paused_at timestamptz,
  expects_auth_users boolean NOT NULL DEFAULT false,
  compared_at timestamptz,
  gone_unsent bigint NOT NULL DEFAULT 0,
  run_at timestamptz,
  run_result text
);
COMMENT ON TABLE cometchat.control IS
  'One row: whether the worker''s sending is stopped, and whether there must be an auth.users.';
COMMENT ON COLUMN cometchat.control.expects_auth_users IS
  'Whether auth.users was there once; if it is missing then, nobody counts as existing.';
COMMENT ON COLUMN cometchat.control.paused IS 'Set by cometchat.pause(), cleared by resume().';
COMMENT ON COLUMN cometchat.control.compared_at IS
  'When the worker last compared the whole state with auth.users.';
COMMENT ON COLUMN cometchat.control.gone_unsent IS
  'How many it found gone then without the trigger having seen it: too many to tell CometChat by itself.';
COMMENT ON COLUMN cometchat.control.run_at IS 'When process_queue() was last at work.';
COMMENT ON COLUMN cometchat.control.run_result IS
  'How that ended: done, paused, canceled, or why nothing more was sent; sending while it has not.';
INSERT INTO cometchat.control DEFAULT VALUES;

CREATE SEQUENCE cometchat.trigger_failures;
COMMENT ON SEQUENCE cometchat.trigger_failures IS
  'Counts the times that the trigger on auth.users could not queue a user; nothing to do with ids.';

CREATE TABLE cometchat.trigger_misses (
  user_id       uuid,
  cometchat_uid text
);
-- A publication FOR ALL TABLES lets nobody delete from a table without one; a key would stand in the way.
ALTER TABLE cometchat.trigger_misses REPLICA IDENTITY FULL;
COMMENT ON TABLE cometchat.trigger_misses IS
  'Users that the trigger could not queue, because cometchat.sync_state was locked, say. It has no '
  'constraint and no index, so that nothing stands in the way; the worker and backfill() empty it.';
COMMENT ON COLUMN cometchat.trigger_misses.cometchat_uid IS 'Of a deleted user, whose mapping is gone.';
SELECT pg_catalog.pg_extension_config_dump('cometchat.trigger_misses', '');

CREATE FUNCTION cometchat.wake() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_wake_wrapper';
COMMENT ON FUNCTION cometchat.wake() IS
  'Wakes this database''s worker when the transaction commits, once however often it is called.';

CREATE FUNCTION cometchat.start_worker() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_start_worker_wrapper';
COMMENT ON FUNCTION cometchat.start_worker() IS 'Has a paused worker started when the transaction commits.';

-- Whoever creates the extension has a worker look at this database.
SELECT cometchat.start_worker();

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
  'Stops the sending of the worker and of process_queue(). What is queued stays; interactive calls go on.';

-- For resume(), and for the worker when the limit is lifted. (See cometchat.health(), 'not throttled'.)
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
COMMENT ON FUNCTION cometchat.make_throttled_due() IS 'Users that a 429 put off are due now.';

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
  'Lets the worker send again after cometchat.pause(), and tries again at once after a 429.';
