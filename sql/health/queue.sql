-- Checks of the queue: failures of the trigger, overdue users, failed users.

CREATE FUNCTION cometchat.health_trigger_errors(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  number bigint;
BEGIN
  check_name := 'trigger errors';
  SELECT CASE WHEN q.is_called THEN q.last_value ELSE 0 END INTO number
  FROM cometchat.trigger_failures AS q;
  ok := number = 0;
  detail := number || ' failures of the trigger';
  hint := CASE WHEN NOT ok THEN
    'SELECT cometchat.backfill(); SELECT setval(''cometchat.trigger_failures'', 1, false);' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_trigger_errors(jsonb) IS
  'The row of cometchat.health() about users that the trigger could not queue.';

CREATE FUNCTION cometchat.health_queue(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  overdue interval;
BEGIN
  check_name := 'queue';
  SELECT pg_catalog.now() - min(s.next_attempt_at) INTO overdue FROM cometchat.sync_state AS s
  -- the backlog waits behind people, and for the rate limit
  WHERE s.next_attempt_at IS NOT NULL AND s.claim IS NULL AND NOT s.backlog
    AND pg_catalog.isfinite(s.next_attempt_at);
  ok := COALESCE(overdue, '0') < interval '5 minutes';
  detail := CASE WHEN overdue IS NULL OR overdue < '0' THEN 'no user is overdue'
                 ELSE 'the first user is overdue by ' || pg_catalog.date_trunc('second', overdue) END;
  hint := CASE WHEN NOT ok THEN CASE WHEN (facts #>> '{status,preloaded}')::boolean
    THEN 'SELECT cometchat.resume(); -- another failing row, if there is one, says why it does not move'
    ELSE 'CALL cometchat.process_queue();' END END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_queue(jsonb) IS
  'The row of cometchat.health() about users who have been due for long.';

CREATE FUNCTION cometchat.health_failed_users(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  number bigint;
BEGIN
  check_name := 'failed users';
  SELECT count(*) INTO number FROM cometchat.failed_users;
  ok := number = 0;
  detail := number || ' users';
  hint := CASE WHEN NOT ok THEN 'SELECT cometchat.retry_failed(); -- once the causes in '
                                'cometchat.failed_users are mended' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_failed_users(jsonb) IS
  'The row of cometchat.health() about users that cannot be synced.';
