-- Statistics and progress.

CREATE VIEW cometchat.stats AS
  SELECT f.requests, f.failures, f.rate_limited, f.synced, f.retried, f.failed, f.average_ms,
         f.slowest_ms,
         (SELECT CASE WHEN t.is_called THEN t.last_value ELSE 0 END
          FROM cometchat.trigger_failures AS t) AS trigger_failures,
         -- SECURITY: exact types, or a better match in public would be bound for good
         (SELECT CASE WHEN pg_catalog.min(s.next_attempt_at) < pg_catalog.now()
                      THEN pg_catalog.now() - pg_catalog.min(s.next_attempt_at) ELSE interval '0' END
          FROM cometchat.sync_state AS s
          WHERE s.next_attempt_at IS NOT NULL AND s.claim IS NULL AND NOT s.backlog) AS queue_lag,
         pg_catalog.to_timestamp(r.reset_at) AS reset_at
  FROM jsonb_to_record(cometchat.worker_status()) AS f(
    preloaded boolean, requests bigint, failures bigint, rate_limited bigint, synced bigint,
    retried bigint, failed bigint, average_ms double precision, slowest_ms double precision),
       jsonb_to_record(cometchat.request_stats()) AS r(reset_at double precision)
  WHERE f.preloaded;
COMMENT ON VIEW cometchat.stats IS
  'Counters and latencies since the server''s start, or reset_stats(); empty unless the library is '
  'preloaded. trigger_failures is not reset; queue_lag is how long the one who waits longest has been due, '
  'the backlog aside.';

CREATE VIEW cometchat.stats_requests AS
  SELECT r.class, r.outcome, r.requests
  FROM jsonb_to_recordset(cometchat.request_stats() -> 'requests'::text) AS r(
    class text, outcome text, requests bigint);
COMMENT ON VIEW cometchat.stats_requests IS
  'Requests by CometChat''s class of operations (core, standard, import) and by outcome: ok, rate_limited, '
  'refused, server_error, timeout, network.';

CREATE VIEW cometchat.stats_latency AS
  SELECT r.le_ms, r.requests
  FROM jsonb_to_recordset(cometchat.request_stats() -> 'latencies'::text) AS r(
    le_ms bigint, requests bigint);
COMMENT ON VIEW cometchat.stats_latency IS
  'How many requests took no longer than le_ms milliseconds; all of them where it is null.';

CREATE VIEW cometchat.sending_status AS
  SELECT CASE WHEN c.paused THEN 'OPERATOR'::text
              WHEN cometchat.is_copy() THEN 'COPY'::text
              WHEN f.paused_code IS NOT NULL THEN f.paused_code
              WHEN f.throttled_until IS NOT NULL THEN 'RATE_LIMITED'::text END AS paused_reason,
         f.rate_per_minute
  FROM cometchat.control AS c,
       jsonb_to_record(cometchat.worker_status()) AS f(
         paused_code text, throttled_until double precision, rate_per_minute integer);
COMMENT ON VIEW cometchat.sending_status IS
  'One row, a part of cometchat.progress: why nothing is sent, OPERATOR, COPY or an errorCode of '
  'cometchat_ensure_user(), null while it is; and the limit per minute.';

CREATE VIEW cometchat.progress AS
  SELECT c.users_total, c.synced, c.pending, c.in_flight, c.failed, c.paused_reason,
         c.rate_per_minute,
         -- SECURITY: exact types, or a better match in public would be bound for good
         CASE WHEN c.pending = 0 THEN interval '0'
              WHEN c.paused_reason IS NULL AND c.synced_per_minute > 0::float8
              THEN c.pending::float8 * interval '1 minute' / c.synced_per_minute END AS eta,
         c.backlog, c.passed_over, c.deactivated, c.synced_per_minute,
         '['::text || pg_catalog.rpad(pg_catalog.repeat('#'::text, c.twentieths), 20, '.'::text)
           || '] '::text || (c.twentieths * 5)::text || ' %'::text AS bar
  FROM (SELECT s.users_total + later.users AS users_total, s.synced, s.pending + later.users AS pending,
               s.in_flight, s.failed, s.backlog + later.users AS backlog, s.passed_over, s.deactivated,
               f.paused_reason, f.rate_per_minute, r.synced_per_minute,
               CASE WHEN s.users_total + later.users = 0 THEN 20
                    ELSE ((s.users_total - s.pending) * 20 / (s.users_total + later.users))::integer
               END AS twentieths
        FROM (SELECT count(*) AS users_total,
                     count(*) FILTER (WHERE s.sent_profile IS NOT NULL) AS synced,
                     count(*) FILTER (WHERE w.pending) AS pending,
                     count(*) FILTER (WHERE s.claim IS NOT NULL) AS in_flight,
                     count(*) FILTER (WHERE s.failed_at IS NOT NULL) AS failed,
                     count(*) FILTER (WHERE w.pending AND s.backlog) AS backlog,
                     count(*) FILTER (WHERE NOT w.pending AND s.sent_profile IS NULL
                                        AND NOT s.deactivated AND s.failed_at IS NULL) AS passed_over,
                     count(*) FILTER (WHERE s.deactivated) AS deactivated
              FROM cometchat.sync_state AS s,
                   -- Whoever is to come back when a ban ends is not pending.
                   LATERAL (SELECT s.claim IS NOT NULL
                              OR (s.next_attempt_at IS NOT NULL
                                  AND (s.wanted_revision <> s.synced_revision
                                       OR s.next_attempt_at <= pg_catalog.now())) AS pending) AS w) AS s,
             -- of a backfill that goes on
             (SELECT COALESCE(pg_catalog.max(b.remaining), 0::bigint) AS users
              FROM cometchat.running_backfill AS b) AS later,
             cometchat.sending_status AS f,
             jsonb_to_record(cometchat.request_stats()) AS r(synced_per_minute double precision)) AS c;
COMMENT ON VIEW cometchat.progress IS
  'One row: how many users are known, synced, pending (in flight and backlog are among them), failed, passed '
  'over (anonymous, unconfirmed) and deactivated; why sending is paused; the limit per minute; and the time '
  'left at the rate of the last minute, null while nothing moves. The command watch of psql shows the bar.';

CREATE FUNCTION cometchat.has_pending() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT EXISTS (SELECT FROM cometchat.running_backfill AS b WHERE b.only_row)
      OR EXISTS (SELECT FROM cometchat.sync_state AS s WHERE s.claim IS NOT NULL)
      OR EXISTS (SELECT FROM cometchat.sync_state AS s
                 WHERE s.next_attempt_at IS NOT NULL AND s.claim IS NULL AND s.backlog
                   AND (s.wanted_revision <> s.synced_revision OR s.next_attempt_at <= now()))
      OR EXISTS (SELECT FROM cometchat.sync_state AS s
                 WHERE s.next_attempt_at IS NOT NULL AND s.claim IS NULL AND NOT s.backlog
                   AND (s.wanted_revision <> s.synced_revision OR s.next_attempt_at <= now()))
$function$;
COMMENT ON FUNCTION cometchat.has_pending() IS
  'Whether users are pending, as cometchat.progress counts them; stops at the first.';

CREATE PROCEDURE cometchat.wait_until_synced(timeout interval DEFAULT '1 hour')
LANGUAGE plpgsql
AS $procedure$
DECLARE
  -- SECURITY: no definer, since it commits, and so it has its caller's search_path: every name and
  -- operator is qualified.
  give_up pg_catalog.timestamptz := pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) timeout;
BEGIN
  WHILE cometchat.has_pending() LOOP
    COMMIT; -- no snapshot is held while it waits
    IF pg_catalog.clock_timestamp() OPERATOR(pg_catalog.>=) give_up THEN
      RAISE object_not_in_prerequisite_state
        USING MESSAGE = 'users are still pending',
              HINT = 'SELECT * FROM cometchat.progress shows how many, and why.';
    END IF;
    PERFORM pg_catalog.pg_sleep(0.2);
  END LOOP;
END
$procedure$;
COMMENT ON PROCEDURE cometchat.wait_until_synced(interval) IS
  'Waits until no user is pending: all are synced, or in cometchat.failed_users. An error after the timeout.';
