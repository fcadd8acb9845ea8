-- What cometchat.health() stands on: the list of its checks, and what it says when a check cannot be made.

CREATE FUNCTION cometchat.health_checks() RETURNS text[]
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT ARRAY['configuration', 'answer', 'worker', 'recent', 'process_queue', 'write_access', 'sending',
               'rate_limit', 'auth_trigger', 'triggers', 'auth_users', 'missed_changes', 'missed_sign_ups',
               'foreign_key', 'trigger_errors', 'queue', 'failed_users', 'locks', 'grants', 'row_security',
               'replication', 'jit', 'extension', 'versions']
$function$;
COMMENT ON FUNCTION cometchat.health_checks() IS
  'The checks of cometchat.health() in their order: each is a function health_... of its facts.';

CREATE FUNCTION cometchat.own_grants_fault(facts jsonb) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT pg_catalog.jsonb_set(facts -> 'grants', '{check}', '"grants"')
  WHERE facts #>> '{grants,detail}' ~ E'\\mcometchat_ext (lacks|may not)'
$function$;
COMMENT ON FUNCTION cometchat.own_grants_fault(jsonb) IS
  'Which privileges the role cometchat_ext has lost, for cometchat.health(); null if none.';

CREATE FUNCTION cometchat.broken_check(name text, code text, message text, facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  check_name := broken_check.name;
  ok := false;
  detail := pg_catalog.format('not checked: %s %s', code, message);
  hint := CASE
    -- what holds the lock, else who lacks the right
    WHEN code = '55P03' THEN COALESCE((SELECT l.hint FROM cometchat.health_locks(facts) AS l),
                                      'SELECT * FROM cometchat.health(); -- the lock was held for a moment')
    WHEN code = '42501' THEN COALESCE(facts #>> '{grants,hint}',
                                      '-- See the row grants, and the owner of what the message names.')
    WHEN code IN ('58P01', 'XX000') AND message ~ 'cometchat_ext'
      THEN '-- The library is missing or does not load: install the package again.'
    ELSE '-- The message says what is wrong; the other rows were checked without it.' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.broken_check(text, text, text, jsonb) IS
  'The row of cometchat.health() for a check that failed itself.';

CREATE FUNCTION cometchat.health_locks(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  check_name := 'locks';
  SELECT pg_catalog.string_agg(pg_catalog.format('%s is locked (%s) by %s for %s s', l.value ->> 'relation',
           l.value ->> 'mode', COALESCE('prepared transaction ' || (l.value ->> 'prepared'),
             pg_catalog.format('process %s of %s, %s', l.value ->> 'pid', l.value ->> 'role',
                               l.value ->> 'state')), l.value ->> 'seconds'), '; '),
         pg_catalog.string_agg(DISTINCT COALESCE(
           'ROLLBACK PREPARED ' || pg_catalog.quote_literal(l.value ->> 'prepared') || ';',
           pg_catalog.format('SELECT pg_terminate_backend(%s);', l.value ->> 'pid')), ' ')
    INTO detail, hint
  FROM pg_catalog.jsonb_array_elements(NULLIF(facts -> 'locks', 'null')) AS l;
  ok := detail IS NULL;
  detail := COALESCE(detail, 'no table is locked');
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_locks(jsonb) IS
  'The row of cometchat.health() about sessions that have locked a table which the extension needs.';
