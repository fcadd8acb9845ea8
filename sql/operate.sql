-- What operators look at and do.

-- Who is not left out: who is queued or failed (retry_failed() is for those), who is banned or
-- deleted, and whom the settings pass over; so that once everybody is there, nobody is.
CREATE FUNCTION cometchat.page_of_users(after uuid, most integer, app text)
RETURNS TABLE (user_id uuid, left_out boolean)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT au.user_id,
         known.user_id IS NULL
         OR (known.next_attempt_at IS NULL AND known.claim IS NULL AND known.failed_at IS NULL
             AND CASE WHEN known.sent_profile IS NOT NULL
                   THEN known.app_id <> page_of_users.app AND NOT au.shut_out
                   ELSE NOT known.deactivated
                        AND (known.wanted_revision <> known.synced_revision
                             OR (NOT au.shut_out AND (au.by_itself OR known.requested
                                                      OR mapping.user_id IS NOT NULL)))
                 END)
  FROM cometchat.list_auth_users(page_of_users.after, page_of_users.most) AS au
  LEFT JOIN cometchat.sync_state AS known ON known.user_id = au.user_id
  LEFT JOIN public.cometchat_users AS mapping ON mapping.user_id = au.user_id
$function$;
COMMENT ON FUNCTION cometchat.page_of_users(uuid, integer, text) IS
  'The next users of auth.users by id, and whether they are not in CometChat though they should be.';

CREATE FUNCTION cometchat.backfill() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  queued bigint;
  -- null where nothing is configured: then nobody is of another app
  app text := cometchat.configuration() #>> '{value,app_id}';
  after uuid;
  last uuid;
  number bigint;
BEGIN
  PERFORM cometchat.restrict();
  queued := cometchat.requeue_missed();
  IF NOT cometchat.has_auth_users() THEN
    RAISE undefined_table USING MESSAGE = 'there is no table auth.users',
      HINT = 'Call cometchat.enqueue(user_id) for the users of your own table.';
  END IF;
  LOOP
    WITH page AS MATERIALIZED (
      SELECT p.user_id, p.left_out FROM cometchat.page_of_users(after, 10000, app) AS p
    ), marked AS (
      INSERT INTO cometchat.sync_state AS s (user_id, wanted_revision, next_attempt_at)
      SELECT p.user_id, 1, pg_catalog.now() FROM page AS p WHERE p.left_out
      ON CONFLICT (user_id) DO UPDATE SET next_attempt_at = pg_catalog.now(), attempts = 0
      WHERE s.next_attempt_at IS NULL AND s.claim IS NULL
      RETURNING s.user_id
    )
    SELECT (SELECT p.user_id FROM page AS p ORDER BY p.user_id DESC LIMIT 1),
           (SELECT count(*) FROM marked)
      INTO last, number;
    EXIT WHEN last IS NULL;
    queued := queued + number;
    after := last;
  END LOOP;
  IF queued > 0 THEN
    PERFORM cometchat.wake();
  END IF;
  RETURN queued;
END
$function$;
COMMENT ON FUNCTION cometchat.backfill() IS
  'Queues every user of auth.users that is not in CometChat yet; says how many. Safe to repeat.';

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
  SET failed_at = NULL, attempts = 0, next_attempt_at = pg_catalog.now()
  WHERE s.failed_at IS NOT NULL
    AND (retry_failed.user_id IS NULL OR s.user_id = retry_failed.user_id);
  GET DIAGNOSTICS retried = ROW_COUNT;
  PERFORM cometchat.wake();
  RETURN retried;
END
$function$;
COMMENT ON FUNCTION cometchat.retry_failed(uuid) IS
  'Gives users in cometchat.failed_users another chance: one, or all. Says how many.';

CREATE FUNCTION cometchat.worker_status() RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_worker_status_wrapper';
COMMENT ON FUNCTION cometchat.worker_status() IS 'What shared memory knows about this database.';

CREATE VIEW cometchat.stats AS
  SELECT f.requests, f.failures, f.rate_limited, f.synced, f.retried, f.failed, f.average_ms,
         f.slowest_ms
  FROM jsonb_to_record(cometchat.worker_status()) AS f(
    preloaded boolean, requests bigint, failures bigint, rate_limited bigint, synced bigint,
    retried bigint, failed bigint, average_ms double precision, slowest_ms double precision)
  WHERE f.preloaded;
COMMENT ON VIEW cometchat.stats IS
  'Counters and latencies since the server''s start; empty unless the library is preloaded.';

CREATE VIEW cometchat.progress AS
  SELECT c.users_total, c.synced, c.pending, c.in_flight, c.failed,
         CASE WHEN k.paused THEN 'OPERATOR' WHEN f.paused_code IS NOT NULL THEN f.paused_code
              WHEN f.throttled_until IS NOT NULL THEN 'RATE_LIMITED' END AS paused_reason,
         f.rate_per_minute,
         CASE WHEN c.pending = 0 THEN interval '0'
              WHEN f.rate_per_minute > 0
                -- exact types: a better match in public would be bound for good
                THEN c.pending::float8 * interval '1 minute' / f.rate_per_minute::float8 END AS eta
  FROM (SELECT count(*) AS users_total,
               count(*) FILTER (WHERE s.sent_profile IS NOT NULL) AS synced,
               count(*) FILTER (WHERE s.next_attempt_at IS NOT NULL OR s.claim IS NOT NULL)
                 AS pending,
               count(*) FILTER (WHERE s.claim IS NOT NULL) AS in_flight,
               count(*) FILTER (WHERE s.failed_at IS NOT NULL) AS failed
        FROM cometchat.sync_state AS s) AS c,
       jsonb_to_record(cometchat.worker_status()) AS f(
         paused_code text, throttled_until double precision, rate_per_minute integer),
       cometchat.control AS k;
COMMENT ON VIEW cometchat.progress IS
  'One row: how many users are known, synced, pending and failed, and how fast it goes.';

-- The worker's job in the foreground, in steps between which the procedure commits. The steps, in C,
-- take on the rights that they need; a procedure that commits can be no definer.
CREATE FUNCTION cometchat.claim_batch(most integer) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'cometchat_claim_batch_wrapper';
COMMENT ON FUNCTION cometchat.claim_batch(integer) IS 'First step of cometchat.process_queue().';

CREATE FUNCTION cometchat.send_batch() RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'cometchat_send_batch_wrapper';
COMMENT ON FUNCTION cometchat.send_batch() IS 'Second step of cometchat.process_queue().';

CREATE FUNCTION cometchat.finish_batch() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'cometchat_finish_batch_wrapper';
COMMENT ON FUNCTION cometchat.finish_batch() IS 'Last step of cometchat.process_queue().';

CREATE PROCEDURE cometchat.process_queue(max_users integer DEFAULT 100)
LANGUAGE plpgsql
AS $procedure$
DECLARE
  -- SECURITY: no definer, since it commits, and so it has its caller's search_path: every name and
  -- operator is qualified.
  rest pg_catalog.int4 := max_users;
  answer pg_catalog.jsonb;
  canceled pg_catalog.text;
BEGIN
  WHILE rest OPERATOR(pg_catalog.>) 0 LOOP
    answer := cometchat.claim_batch(LEAST(rest, 20));
    COMMIT;
    EXIT WHEN (answer OPERATOR(pg_catalog.->>) 'value')::pg_catalog.int4 OPERATOR(pg_catalog.=) 0;
    IF answer OPERATOR(pg_catalog.->>) 'error' IS NULL THEN
      rest := rest OPERATOR(pg_catalog.-) (answer OPERATOR(pg_catalog.->>) 'value')::pg_catalog.int4;
      BEGIN
        answer := cometchat.send_batch();
      EXCEPTION WHEN query_canceled THEN
        GET STACKED DIAGNOSTICS canceled = MESSAGE_TEXT;
      END;
      COMMIT;
      -- Also after a failure or a cancel: what was sent until then has happened.
      PERFORM cometchat.finish_batch();
      COMMIT;
    END IF;
    IF canceled IS NOT NULL THEN
      RAISE query_canceled USING MESSAGE = canceled;
    END IF;
    IF answer OPERATOR(pg_catalog.->>) 'error' IS NOT NULL THEN
      RAISE object_not_in_prerequisite_state
        USING MESSAGE = answer OPERATOR(pg_catalog.->>) 'error',
              HINT = 'SELECT * FROM cometchat.health() says what to do.';
    END IF;
    EXIT WHEN COALESCE(answer OPERATOR(pg_catalog.->>) 'value', 'false')
              OPERATOR(pg_catalog.<>) 'true'::pg_catalog.text;
  END LOOP;
END
$procedure$;
COMMENT ON PROCEDURE cometchat.process_queue(integer) IS
  'Does the worker''s job in the foreground where the library cannot be preloaded; for pg_cron.';
