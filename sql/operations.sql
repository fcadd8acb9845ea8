-- What operators run and look at: backfill, failed users, statistics, progress.

-- "missing" is false for users who are queued, failed (retry_failed() is for those), banned, deleted or
-- excluded by the settings; so that once all others are in CometChat, no user is missing.
CREATE FUNCTION cometchat.backfill_page(after uuid, max_users integer, app_id text)
RETURNS TABLE (user_id uuid, missing boolean)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT au.user_id,
         state.user_id IS NULL
         OR (state.next_attempt_at IS NULL AND state.claim IS NULL AND state.failed_at IS NULL
             AND CASE WHEN state.sent_profile IS NOT NULL
                   THEN state.app_id <> backfill_page.app_id AND NOT au.suspended
                   ELSE NOT state.deactivated
                        AND (state.wanted_revision <> state.synced_revision
                             OR (NOT au.suspended AND (au.automatic OR state.requested
                                                       OR mapping.user_id IS NOT NULL)))
                 END)
  FROM cometchat.list_auth_users(backfill_page.after, backfill_page.max_users) AS au
  LEFT JOIN cometchat.sync_state AS state ON state.user_id = au.user_id
  LEFT JOIN public.cometchat_users AS mapping ON mapping.user_id = au.user_id
$function$;
COMMENT ON FUNCTION cometchat.backfill_page(uuid, integer, text) IS
  'The next users of auth.users by id, and whether they should be in CometChat but are not.';

CREATE FUNCTION cometchat.backfill() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  queued bigint;
  -- null where no app is configured: then no user belongs to another app
  app_id text := cometchat.configuration() #>> '{value,app_id}';
  after uuid;
  last uuid;
  number bigint;
BEGIN
  PERFORM cometchat.restrict();
  queued := cometchat.requeue_missed();
  IF NOT cometchat.has_auth_users() THEN
    RAISE undefined_table USING MESSAGE = 'auth.users does not exist or is not a table',
      HINT = 'Call cometchat.enqueue(user_id) for the users of your own table.';
  END IF;
  LOOP
    WITH page AS MATERIALIZED (
      SELECT p.user_id, p.missing FROM cometchat.backfill_page(after, 10000, app_id) AS p
    ), marked AS (
      INSERT INTO cometchat.sync_state AS s (user_id, wanted_revision, next_attempt_at)
      SELECT p.user_id, 1, pg_catalog.now() FROM page AS p WHERE p.missing
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
  'Queues every user of auth.users that is not in CometChat yet; returns how many. Safe to repeat.';

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
  'Queues one or all users of cometchat.failed_users again; returns how many.';

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
                -- SECURITY: exact types, or a better match in public would be bound for good
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
  'One row: how many users are known, synced, pending and failed, the send rate, and the time left.';
