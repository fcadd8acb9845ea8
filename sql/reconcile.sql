-- Does CometChat agree with us: its own list against our state.

CREATE FUNCTION cometchat.remote_users(page integer, per_page integer) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'cometchat_remote_users_wrapper';
COMMENT ON FUNCTION cometchat.remote_users(integer, integer) IS
  'One page of CometChat''s own list of users, each with the fields in which it differs from ours.';

CREATE FUNCTION cometchat.compare(uids text[], gone boolean[], differs text[])
RETURNS TABLE (kind text, user_id uuid, cometchat_uid text, detail text, mendable boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
  WITH remote AS MATERIALIZED (
    SELECT r.uid, r.gone, r.differs
    FROM ROWS FROM (pg_catalog.unnest(compare.uids), pg_catalog.unnest(compare.gone),
                    pg_catalog.unnest(compare.differs)) AS r(uid, gone, differs)
  ), ours AS (
    SELECT s.user_id, COALESCE(u.cometchat_uid, s.cometchat_uid) AS uid, s.deactivated,
           s.sent_profile IS NOT NULL AS should_be_there,
           s.next_attempt_at IS NOT NULL OR s.claim IS NOT NULL AS pending
    FROM cometchat.sync_state AS s
    LEFT JOIN public.cometchat_users AS u ON u.user_id = s.user_id
  )
  SELECT 'missing', o.user_id, o.uid,
         CASE WHEN r.uid IS NULL THEN 'not in CometChat' ELSE 'deactivated in CometChat' END,
         -- somebody's decision in the dashboard stands
         r.uid IS NULL
  FROM ours AS o LEFT JOIN remote AS r ON r.uid = o.uid
  WHERE o.should_be_there AND NOT o.pending AND (r.uid IS NULL OR r.gone)
  UNION ALL
  SELECT 'drifted', o.user_id, o.uid, 'differs in ' || r.differs, true
  FROM ours AS o JOIN remote AS r ON r.uid = o.uid AND NOT r.gone
  WHERE o.should_be_there AND NOT o.pending AND r.differs <> ''
  UNION ALL
  SELECT 'drifted', o.user_id, o.uid, 'active in CometChat, deactivated here', true
  FROM ours AS o JOIN remote AS r ON r.uid = o.uid AND NOT r.gone
  WHERE o.deactivated AND NOT o.pending
  UNION ALL
  SELECT 'orphan', NULL, r.uid, 'in CometChat, unknown here', false
  FROM remote AS r
  WHERE NOT r.gone
    AND NOT EXISTS (SELECT FROM public.cometchat_users AS u WHERE u.cometchat_uid = r.uid)
    AND NOT EXISTS (SELECT FROM ours AS o WHERE o.uid = r.uid)
    AND NOT EXISTS (SELECT FROM ours AS o WHERE o.user_id::text = r.uid)
$function$;
COMMENT ON FUNCTION cometchat.compare(text[], boolean[], text[]) IS
  'Where CometChat''s list and our state disagree; the arrays are the list, an entry each.';

CREATE FUNCTION cometchat.reconcile(repair boolean DEFAULT false)
RETURNS TABLE (kind text, user_id uuid, cometchat_uid text, detail text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
  answer jsonb;
  page integer := 1;
  -- CometChat's list, an entry each
  uids text[] := '{}';
  gone boolean[] := '{}';
  drift text[] := '{}';
  caller oid := cometchat.caller();
BEGIN
  PERFORM cometchat.become();
  -- SECURITY: inside a security-restricted operation nobody calls, and nothing is sent.
  IF caller IS NULL
     OR repair AND NOT pg_catalog.has_function_privilege(caller, 'cometchat.pause()', 'EXECUTE') THEN
    RAISE insufficient_privilege USING MESSAGE = 'permission denied to repair',
      HINT = 'cometchat.reconcile() without repair only looks.';
  END IF;
  LOOP
    answer := cometchat.remote_users(page, 1000);
    IF answer ? 'error' THEN
      RAISE object_not_in_prerequisite_state USING MESSAGE = answer ->> 'error',
        HINT = 'SELECT * FROM cometchat.health() says what to do.';
    END IF;
    SELECT uids || pg_catalog.array_agg(u.uid), gone || pg_catalog.array_agg(u.deactivated),
           drift || pg_catalog.array_agg(u.differs)
      INTO uids, gone, drift
    FROM pg_catalog.jsonb_to_recordset(answer #> '{value,users}')
      AS u(uid text, deactivated boolean, differs text);
    EXIT WHEN NOT (answer #>> '{value,more}')::boolean;
    page := page + 1;
  END LOOP;

  PERFORM cometchat.restrict();
  RETURN QUERY
    SELECT c.kind, c.user_id, c.cometchat_uid, c.detail
    FROM cometchat.compare(uids, gone, drift) AS c;

  IF repair THEN
    -- Whom it has, or should have: read again by whoever sends next, and mended.
    UPDATE cometchat.sync_state AS s
    SET sent_profile = NULL, sent_metadata = NULL, next_attempt_at = pg_catalog.now(),
        wanted_revision = s.wanted_revision + 1, attempts = 0, failed_at = NULL
    FROM cometchat.compare(uids, gone, drift) AS c
    WHERE c.user_id = s.user_id AND c.mendable;
    PERFORM cometchat.wake();
  END IF;
END
$function$;
COMMENT ON FUNCTION cometchat.reconcile(boolean) IS
  'Compares with CometChat''s own list: missing, orphan, drifted; with repair it queues the fixes.';
