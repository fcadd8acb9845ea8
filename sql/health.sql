-- cometchat.health(): one row for each check. The checks themselves are in sql/health/, by topic.
--
-- It neither hangs nor raises: it waits a moment for a lock, and a check that fails is a row that says so.

CREATE FUNCTION cometchat.health()
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '200ms'
AS $function$
DECLARE
  facts jsonb := '{}';
  unread text;
  fault jsonb;
  part text;
BEGIN
  BEGIN
    facts := cometchat.catalog_facts();
  EXCEPTION WHEN OTHERS THEN
    unread := pg_catalog.concat(SQLSTATE, ' ', SQLERRM);
  END;
  -- Nothing works then, the other checks included.
  fault := COALESCE(cometchat.table_fault(), cometchat.own_grants_fault(facts));
  IF fault IS NOT NULL THEN
    check_name := fault ->> 'check';
    ok := false;
    detail := fault ->> 'detail';
    hint := fault ->> 'hint';
    RETURN NEXT;
    RETURN;
  END IF;
  BEGIN
    PERFORM cometchat.switch_role();
  EXCEPTION WHEN OTHERS THEN
    RETURN QUERY SELECT c.* FROM cometchat.broken_check('library', SQLSTATE, SQLERRM, facts) AS c;
    RETURN; -- not with a superuser's rights
  END;

  IF unread IS NOT NULL THEN
    RETURN QUERY SELECT c.* FROM cometchat.broken_check('catalogs', '', unread, facts) AS c;
  END IF;

  -- First: the request below is a success, or a failure, of its own.
  BEGIN
    facts := pg_catalog.jsonb_set(facts, '{status}', cometchat.worker_status());
  EXCEPTION WHEN OTHERS THEN
    RETURN QUERY SELECT c.* FROM cometchat.broken_check('status', SQLSTATE, SQLERRM, facts) AS c;
  END;
  BEGIN
    facts := pg_catalog.jsonb_set(facts, '{configuration}', cometchat.configuration());
  EXCEPTION WHEN OTHERS THEN
    facts := pg_catalog.jsonb_set(facts, '{configuration}',
      pg_catalog.jsonb_build_object('error', SQLERRM, 'sqlstate', SQLSTATE));
  END;
  -- The only request; nothing is sent after restrict().
  BEGIN
    facts := pg_catalog.jsonb_set(facts, '{answer}',
      CASE WHEN facts #> '{configuration,error}' IS NOT NULL THEN facts -> 'configuration'
           ELSE cometchat.probe_api() END);
    -- what the answer's clock and headers said
    facts := pg_catalog.jsonb_set(facts, '{status,recent,clock_ahead}',
                                  cometchat.worker_status() #> '{recent,clock_ahead}');
  EXCEPTION WHEN OTHERS THEN
    RETURN QUERY SELECT c.* FROM cometchat.broken_check('API key', SQLSTATE, SQLERRM, facts) AS c;
  END;
  PERFORM cometchat.restrict();

  FOREACH part IN ARRAY cometchat.health_checks() LOOP
    BEGIN
      RETURN QUERY EXECUTE pg_catalog.format('SELECT c.* FROM cometchat.%I($1) AS c', 'health_' || part)
        USING facts;
    EXCEPTION WHEN OTHERS THEN
      RETURN QUERY SELECT c.* FROM cometchat.broken_check(
        pg_catalog.replace(part, '_', ' '), SQLSTATE, SQLERRM, facts) AS c;
    END;
  END LOOP;
END
$function$;
COMMENT ON FUNCTION cometchat.health() IS
  'One row for each check; the hint of a failing row mends it, run by a superuser in psql. Sends one '
  'request to CometChat.';
