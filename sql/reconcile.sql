-- Compares CometChat's list of users with sync_state, and sync_state with auth.users.

-- The list may be longer than memory allows: what a function returns, and what is joined, spills to disk
-- beyond work_mem.
CREATE FUNCTION cometchat.list_all_remote_users()
RETURNS TABLE (uid text, deactivated boolean, differing_fields text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 100000 SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  answer jsonb;
  page integer := 1;
BEGIN
  LOOP
    answer := cometchat.list_remote_users(page, 1000);
    IF answer ? 'error' THEN
      RAISE object_not_in_prerequisite_state USING MESSAGE = answer ->> 'error',
        HINT = 'SELECT * FROM cometchat.health() shows the cause and the fix.';
    END IF;
    RETURN QUERY
      SELECT u.uid, u.deactivated, u.differs
      FROM pg_catalog.jsonb_to_recordset(answer #> '{value,users}')
        AS u(uid text, deactivated boolean, differs text);
    EXIT WHEN NOT (answer #>> '{value,more}')::boolean;
    page := page + 1;
  END LOOP;
END
$function$;
COMMENT ON FUNCTION cometchat.list_all_remote_users() IS
  'CometChat''s whole list of users: uid, whether deactivated, and the fields that differ from ours.';

CREATE FUNCTION cometchat.diff_remote_users()
RETURNS TABLE (kind text, user_id uuid, cometchat_uid text, detail text, repairable boolean)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  WITH remote AS MATERIALIZED (
    SELECT r.uid, r.deactivated, r.differing_fields FROM cometchat.list_all_remote_users() AS r
  ), local AS (
    SELECT s.user_id, COALESCE(u.cometchat_uid, s.cometchat_uid) AS uid, s.deactivated,
           s.sent_profile IS NOT NULL AS expected,
           s.next_attempt_at IS NOT NULL OR s.claim IS NOT NULL AS pending
    FROM cometchat.sync_state AS s
    LEFT JOIN public.cometchat_users AS u ON u.user_id = s.user_id
  )
  SELECT 'missing', l.user_id, l.uid,
         CASE WHEN r.uid IS NULL THEN 'not in CometChat' ELSE 'deactivated in CometChat' END,
         -- a deactivation in the dashboard is an operator's decision and stays
         r.uid IS NULL
  FROM local AS l LEFT JOIN remote AS r ON r.uid = l.uid
  WHERE l.expected AND NOT l.pending AND (r.uid IS NULL OR r.deactivated)
  UNION ALL
  SELECT 'drifted', l.user_id, l.uid, 'differs in ' || r.differing_fields, true
  FROM local AS l JOIN remote AS r ON r.uid = l.uid AND NOT r.deactivated
  WHERE l.expected AND NOT l.pending AND r.differing_fields <> ''
  UNION ALL
  SELECT 'drifted', l.user_id, l.uid, 'active in CometChat, deactivated here', true
  FROM local AS l JOIN remote AS r ON r.uid = l.uid AND NOT r.deactivated
  WHERE l.deactivated AND NOT l.pending
  UNION ALL
  SELECT 'orphan', NULL, r.uid, 'in CometChat, unknown here', false
  FROM remote AS r
  WHERE NOT r.deactivated
    AND NOT EXISTS (SELECT FROM public.cometchat_users AS u WHERE u.cometchat_uid = r.uid)
    AND NOT EXISTS (SELECT FROM local AS l WHERE l.uid = r.uid)
    AND NOT EXISTS (SELECT FROM local AS l WHERE l.user_id::text = r.uid)
$function$;
COMMENT ON FUNCTION cometchat.diff_remote_users() IS
  'The differences between CometChat''s list of users and cometchat.sync_state.';

-- The next attempt reads these users from CometChat and sends what differs.
CREATE FUNCTION cometchat.resync_users(user_ids uuid[]) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  UPDATE cometchat.sync_state AS s
  SET sent_profile = NULL, sent_metadata = NULL, next_attempt_at = pg_catalog.now(),
      wanted_revision = s.wanted_revision + 1, attempts = 0, failed_at = NULL
  WHERE s.user_id = ANY (resync_users.user_ids)
$function$;
COMMENT ON FUNCTION cometchat.resync_users(uuid[]) IS
  'Queues users, and forgets which profile CometChat has.';

CREATE FUNCTION cometchat.diff_all_auth_users(repair boolean)
RETURNS TABLE (kind text, user_id uuid, cometchat_uid text, detail text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  answer jsonb;
  -- where the next page begins
  from_id uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
  WHILE from_id IS NOT NULL LOOP
    answer := cometchat.diff_auth_users(from_id, 1000, repair) -> 'value';
    RETURN QUERY
      SELECT f.kind, f.user_id, f.cometchat_uid, f.detail
      FROM pg_catalog.jsonb_to_recordset(answer -> 'found')
        AS f(kind text, user_id uuid, cometchat_uid text, detail text);
    from_id := answer ->> 'next';
  END LOOP;
END
$function$;
COMMENT ON FUNCTION cometchat.diff_all_auth_users(boolean) IS
  'Changes in auth.users that the trigger missed, of users with a sync state or a mapping. With repair '
  'they are queued.';

CREATE FUNCTION cometchat.list_missing_users(app_id text)
RETURNS TABLE (kind text, user_id uuid, cometchat_uid text, detail text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  found_user record;
  last uuid;
  after uuid;
BEGIN
  LOOP
    last := NULL;
    FOR found_user IN SELECT p.* FROM cometchat.backfill_page(after, 1000, app_id) AS p
                      ORDER BY p.user_id LOOP
      last := found_user.user_id;
      IF found_user.missing THEN
        kind := 'missing';
        user_id := found_user.user_id;
        detail := 'in auth.users, never sent to CometChat';
        RETURN NEXT;
      END IF;
    END LOOP;
    EXIT WHEN last IS NULL;
    after := last;
  END LOOP;
END
$function$;
COMMENT ON FUNCTION cometchat.list_missing_users(text) IS
  'Users of auth.users that should be in CometChat and were never sent.';

CREATE FUNCTION cometchat.reconcile(repair boolean DEFAULT false)
RETURNS TABLE (kind text, user_id uuid, cometchat_uid text, detail text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  caller oid := cometchat.calling_role();
  app_id text := cometchat.configuration() #>> '{value,app_id}';
  finding record;
  may_send boolean := true;
  repairable uuid[] := '{}';
BEGIN
  PERFORM cometchat.switch_role();
  -- SECURITY: inside a security-restricted operation there is no caller, and nothing is sent.
  IF caller IS NULL
     OR repair AND NOT pg_catalog.has_function_privilege(caller, 'cometchat.pause()', 'EXECUTE') THEN
    RAISE insufficient_privilege USING MESSAGE = 'permission denied to repair',
      HINT = 'cometchat.reconcile() without repair only compares.';
  END IF;
  -- All requests are sent before the first row is there, and none after it.
  FOR finding IN SELECT c.* FROM cometchat.diff_remote_users() AS c LOOP
    IF may_send THEN
      PERFORM cometchat.restrict();
      may_send := false;
    END IF;
    kind := finding.kind;
    user_id := finding.user_id;
    cometchat_uid := finding.cometchat_uid;
    detail := finding.detail;
    RETURN NEXT;
    IF repair AND finding.repairable THEN
      repairable := repairable || finding.user_id;
      IF pg_catalog.cardinality(repairable) >= 1000 THEN
        PERFORM cometchat.resync_users(repairable);
        repairable := '{}';
      END IF;
    END IF;
  END LOOP;
  IF may_send THEN
    PERFORM cometchat.restrict();
  END IF;
  IF repair THEN
    PERFORM cometchat.resync_users(repairable);
  END IF;

  RETURN QUERY SELECT d.* FROM cometchat.diff_all_auth_users(repair) AS d;
  IF cometchat.has_auth_users() THEN
    RETURN QUERY SELECT m.* FROM cometchat.list_missing_users(app_id) AS m;
    IF repair THEN
      PERFORM cometchat.backfill();
    END IF;
  END IF;

  IF repair THEN
    UPDATE cometchat.control SET last_compared_at = pg_catalog.now(), missed_deletions = 0
    WHERE only_row;
    PERFORM cometchat.wake();
  END IF;
END
$function$;
COMMENT ON FUNCTION cometchat.reconcile(boolean) IS
  'Compares with CometChat''s own list and with auth.users: missing, orphan, drifted, gone. With repair it '
  'queues the fixes.';
