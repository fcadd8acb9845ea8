-- Checks of the sending: whether it is paused or throttled, what is left of the limit, what happened lately.

CREATE FUNCTION cometchat.health_sending(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  status jsonb := facts -> 'status';
  copy boolean := cometchat.is_copy();
BEGIN
  check_name := 'sending';
  SELECT NOT c.paused AND NOT copy AND status ->> 'paused_code' IS NULL,
         CASE WHEN c.paused THEN 'paused by an operator'
              WHEN copy THEN 'this database is a copy of the one that sends'
              ELSE status ->> 'paused_code' END,
         CASE WHEN c.paused THEN 'SELECT cometchat.resume();'
              WHEN copy THEN 'SELECT cometchat.resume(); -- once it takes the original''s place, or has an app of '
                             'its own (cometchat.app_id): with the same one it changes the original''s users'
              WHEN (status ->> 'new_users_wait')::boolean AND status ->> 'paused_code' = 'PLAN_LIMIT'
                THEN '-- Only new users wait, until CometChat''s plan has room for them; they are then sent '
                     'automatically.'
              WHEN status ->> 'paused_code' IS NOT NULL
                THEN 'SELECT cometchat.resume(); -- tries at once: sending resumes automatically when '
                     'CometChat accepts requests again' END
    INTO ok, detail, hint FROM cometchat.control AS c;
  detail := COALESCE(detail, 'not paused');
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_sending(jsonb) IS
  'The row of cometchat.health() that says whether the sending is paused.';

CREATE FUNCTION cometchat.health_rate_limit(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  status jsonb := facts -> 'status';
  recent jsonb := facts #> '{status,recent}';
  refused interval := pg_catalog.clock_timestamp()
                      - pg_catalog.to_timestamp((recent ->> 'refused_since')::float8);
BEGIN
  check_name := 'rate limit';
  ok := status ->> 'throttled_until' IS NULL AND COALESCE(refused < interval '1 minute', true);
  detail := CASE WHEN refused >= interval '1 minute'
                 THEN pg_catalog.format('refused for %s: ', pg_catalog.date_trunc('second', refused))
                 ELSE '' END
    || CASE
    WHEN status ->> 'throttled_until' IS NOT NULL THEN pg_catalog.format(
      '%s answered 429 and asked for a wait of %s; nothing is sent until %s', status ->> 'throttled_by',
      COALESCE((status ->> 'throttled_for') || ' s', 'unknown length'),
      pg_catalog.to_timestamp((status ->> 'throttled_until')::float8))
    WHEN NOT ok THEN 'no request has succeeded since'
    ELSE 'not throttled' END;
  hint := CASE WHEN ok THEN NULL
               WHEN status ->> 'throttled_by' = 'a proxy or gateway'
                 THEN 'SELECT cometchat.resume(); -- tries at once: a proxy or gateway between this server '
                      'and CometChat refuses requests, see cometchat.proxy'
               ELSE 'SELECT cometchat.resume(); -- tries at once: sending resumes automatically at that time; '
                    'if it is refused again, something else uses up the app''s limit, or the plan is too '
                    'small' END;
  RETURN NEXT;

  check_name := 'allowance';
  ok := true;
  detail := COALESCE(NULLIF(pg_catalog.concat_ws('; ',
      'create and delete: ' || cometchat.allowance(recent -> 'create_allowance'),
      'everything else: ' || cometchat.allowance(recent -> 'other_allowance')), ''),
    'CometChat has not announced a limit')
    || COALESCE('; cometchat.rate_limit in force: ' || (status ->> 'rate_per_minute') || ' a minute', '');
  hint := NULL;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_rate_limit(jsonb) IS
  'The rows of cometchat.health() about CometChat''s rate limit: 429, and what is left.';

CREATE FUNCTION cometchat.allowance(announced jsonb) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT pg_catalog.format('%s of %s left %s ago', announced ->> 'remaining', announced ->> 'limit',
           pg_catalog.date_trunc('second', pg_catalog.clock_timestamp()
             - pg_catalog.to_timestamp((announced ->> 'at')::float8)))
  WHERE announced ->> 'at' IS NOT NULL
$function$;
COMMENT ON FUNCTION cometchat.allowance(jsonb) IS 'An announced limit in words; null if there is none.';

CREATE FUNCTION cometchat.health_recent(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  recent jsonb := facts #> '{status,recent}';
  ends integer := (recent ->> 'worker_ends')::integer;
BEGIN
  check_name := 'last success';
  ok := true;
  detail := COALESCE(pg_catalog.to_timestamp((recent ->> 'succeeded_at')::float8)::text,
                     'no request has succeeded since the server''s start');
  hint := NULL;
  RETURN NEXT;

  check_name := 'recent warnings';
  SELECT COALESCE(pg_catalog.string_agg(pg_catalog.format('%s%s: %s',
           pg_catalog.date_trunc('second', pg_catalog.to_timestamp((w.value ->> 'at')::float8)),
           CASE WHEN (w.value ->> 'times')::integer > 1 THEN ' (' || (w.value ->> 'times') || ' times)'
                ELSE '' END,
           w.value ->> 'text'), E'\n' ORDER BY w.ordinality), 'none')
    INTO detail
  FROM pg_catalog.jsonb_array_elements(recent -> 'warnings') WITH ORDINALITY AS w;
  RETURN NEXT;

  check_name := 'worker restarts';
  ok := COALESCE(ends < 3, true);
  detail := pg_catalog.format('ended by others %s times in the last 10 minutes', COALESCE(ends, 0))
    || COALESCE('; session ' || (facts ->> 'terminator') || ' calls pg_terminate_backend()', '');
  hint := CASE WHEN NOT ok THEN
    COALESCE('SELECT pg_terminate_backend(' || (facts ->> 'terminator') || '); ', '')
    || 'SELECT cometchat.clear_warnings(); -- what ends idle sessions should spare those whose '
       'backend_type is ''cometchat worker''' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_recent(jsonb) IS
  'The rows of cometchat.health() about the recent past: last success, warnings, ends of the worker.';
