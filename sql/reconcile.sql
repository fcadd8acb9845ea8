-- Does CometChat agree with us: its own list against our state, and our state against auth.users.

CREATE FUNCTION cometchat.remote_users(page integer, per_page integer) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'cometchat_remote_users_wrapper';
COMMENT ON FUNCTION cometchat.remote_users(integer, integer) IS
  'One page of CometChat''s own list of users, each with the fields in which it differs from ours.';

-- The list is as long as CometChat has users: what a function returns, and what is joined, spills to
-- disk beyond work_mem.
CREATE FUNCTION cometchat.listing() RETURNS TABLE (uid text, gone boolean, differs text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 100000 SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  answer jsonb;
  page integer := 1;
BEGIN
  LOOP
    answer := cometchat.remote_users(page, 1000);
    IF answer ? 'error' THEN
      RAISE object_not_in_prerequisite_state USING MESSAGE = answer ->> 'error',
        HINT = 'SELECT * FROM cometchat.health() says what to do.';
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
COMMENT ON FUNCTION cometchat.listing() IS
  'CometChat''s whole list of users: uid, whether deactivated, and the fields that differ from ours.';

CREATE FUNCTION cometchat.diff_remote_users()
RETURNS TABLE (kind text, user_id uuid, cometchat_uid text, detail text, mendable boolean)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  WITH remote AS MATERIALIZED (
    SELECT r.uid, r.gone, r.differs FROM cometchat.listing() AS r
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
COMMENT ON FUNCTION cometchat.diff_remote_users() IS 'Where CometChat''s list and our state disagree.';

CREATE FUNCTION cometchat.unseen_changes(from_id uuid, most integer, repair boolean) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'cometchat_unseen_changes_wrapper';
COMMENT ON FUNCTION cometchat.unseen_changes(uuid, integer, boolean) IS
  'Compares the state of so many users, from an id on, with auth.users: who changed, was banned or was '
  'deleted without the trigger having seen it. With repair they are queued.';

-- Whom CometChat has, or should have: read again by whoever sends next, and mended.
CREATE FUNCTION cometchat.send_again(users uuid[]) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  UPDATE cometchat.sync_state AS s
  SET sent_profile = NULL, sent_metadata = NULL, next_attempt_at = pg_catalog.now(),
      wanted_revision = s.wanted_revision + 1, attempts = 0, failed_at = NULL
  WHERE s.user_id = ANY (send_again.users)
$function$;
COMMENT ON FUNCTION cometchat.send_again(uuid[]) IS
  'Queues users as if nothing were known of what CometChat has.';

CREATE FUNCTION cometchat.reconcile(repair boolean DEFAULT false)
RETURNS TABLE (kind text, user_id uuid, cometchat_uid text, detail text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  caller oid := cometchat.caller();
  app text := cometchat.configuration() #>> '{value,app_id}';
  answer jsonb;
  finding record;
  sending boolean := true;
  mendable uuid[] := '{}';
  -- where the next page begins
  at uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
  PERFORM cometchat.become();
  -- SECURITY: inside a security-restricted operation nobody calls, and nothing is sent.
  IF caller IS NULL
     OR repair AND NOT pg_catalog.has_function_privilege(caller, 'cometchat.pause()', 'EXECUTE') THEN
    RAISE insufficient_privilege USING MESSAGE = 'permission denied to repair',
      HINT = 'cometchat.reconcile() without repair only looks.';
  END IF;
  -- The whole comparison is made for the first row; nothing is sent after it.
  FOR finding IN SELECT c.* FROM cometchat.diff_remote_users() AS c LOOP
    IF sending THEN
      PERFORM cometchat.restrict();
      sending := false;
    END IF;
    kind := finding.kind;
    user_id := finding.user_id;
    cometchat_uid := finding.cometchat_uid;
    detail := finding.detail;
    RETURN NEXT;
    IF repair AND finding.mendable THEN
      mendable := mendable || finding.user_id;
      IF pg_catalog.cardinality(mendable) >= 1000 THEN
        PERFORM cometchat.send_again(mendable);
        mendable := '{}';
      END IF;
    END IF;
  END LOOP;
  IF sending THEN
    PERFORM cometchat.restrict();
  END IF;
  IF repair THEN
    PERFORM cometchat.send_again(mendable);
  END IF;

  -- What no trigger saw, of those of whom anything is known
  WHILE at IS NOT NULL LOOP
    answer := cometchat.unseen_changes(at, 1000, repair) -> 'value';
    RETURN QUERY
      SELECT f.kind, f.user_id, f.cometchat_uid, f.detail
      FROM pg_catalog.jsonb_to_recordset(answer -> 'found')
        AS f(kind text, user_id uuid, cometchat_uid text, detail text);
    at := answer ->> 'next';
  END LOOP;

  -- and of the others.
  IF cometchat.has_auth_users() THEN
    LOOP
      kind := NULL;
      FOR finding IN SELECT p.* FROM cometchat.page_of_users(at, 1000, app) AS p ORDER BY p.user_id LOOP
        at := finding.user_id;
        kind := 'missing';
        IF finding.left_out THEN
          user_id := finding.user_id;
          cometchat_uid := NULL;
          detail := 'in auth.users, never sent to CometChat';
          RETURN NEXT;
        END IF;
      END LOOP;
      EXIT WHEN kind IS NULL;
    END LOOP;
    IF repair THEN
      PERFORM cometchat.backfill();
    END IF;
  END IF;

  IF repair THEN
    UPDATE cometchat.control SET compared_at = pg_catalog.now(), gone_unsent = 0 WHERE only_row;
    PERFORM cometchat.wake();
  END IF;
END
$function$;
COMMENT ON FUNCTION cometchat.reconcile(boolean) IS
  'Compares with CometChat''s own list and with auth.users: missing, orphan, drifted, gone; with repair it '
  'queues the fixes.';
