-- Compares CometChat's list of users with sync_state, and sync_state with auth.users.

-- In memory that does not grow with the number of users: each list is read page by page, and what is
-- returned, sorted or joined goes to disk beyond a few megabytes, whatever work_mem is. In no table of its
-- own, so that it compares on a standby and in read-only transactions, too.

CREATE FUNCTION cometchat.list_all_remote_users()
RETURNS TABLE (user_id uuid, uid text, deactivated boolean, differing_fields text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 1000000
SET search_path = pg_catalog, pg_temp SET jit = off SET work_mem = '4MB'
AS $function$
DECLARE
  answer jsonb;
  page integer := 1;
  pages text;
BEGIN
  LOOP
    PERFORM cometchat.show_progress(pg_catalog.format('page %s of %s', page, COALESCE(pages, '?')));
    answer := cometchat.compare_remote_page(page);
    IF answer ? 'error' THEN
      RAISE object_not_in_prerequisite_state USING MESSAGE = answer ->> 'error',
        DETAIL = pg_catalog.format('Page %s of %s of CometChat''s list was not read.',
                                   page, COALESCE(pages, '?')),
        HINT = CASE answer ->> 'errorCode'
                 WHEN 'RATE_LIMITED' THEN 'Without a statement_timeout it waits.'
                 ELSE 'SELECT * FROM cometchat.health() shows the cause and the fix.' END;
    END IF;
    answer := answer -> 'value';
    RETURN QUERY
      SELECT s.id::uuid, NULL::text, false, ''
      FROM pg_catalog.jsonb_array_elements_text(answer -> 'seen') AS s(id);
    RETURN QUERY
      SELECT f.user_id, f.uid, f.deactivated, f.differs
      FROM pg_catalog.jsonb_to_recordset(answer -> 'found')
        AS f(user_id uuid, uid text, deactivated boolean, differs text);
    EXIT WHEN NOT (answer ->> 'more')::boolean;
    pages := answer ->> 'pages';
    page := page + 1;
  END LOOP;
  PERFORM cometchat.show_progress('the list is read, comparing');
END
$function$;
COMMENT ON FUNCTION cometchat.list_all_remote_users() IS
  'CometChat''s whole list: the user here, or null and the uid of somebody unknown here; whether '
  'deactivated, and the fields that differ from ours.';

-- One statement: it sees the state as it was before the list was read, so that nobody is missed who was
-- sent meanwhile. Without nested loops: how many differ is not known when it is planned.
CREATE FUNCTION cometchat.diff_remote_users()
RETURNS TABLE (kind text, user_id uuid, cometchat_uid text, detail text, repairable boolean,
               wanted_revision bigint)
LANGUAGE sql VOLATILE ROWS 1000
SET search_path = pg_catalog, pg_temp SET jit = off
SET work_mem = '4MB' SET hash_mem_multiplier = 1 SET enable_nestloop = off
AS $function$
  WITH remote AS MATERIALIZED (
    SELECT r.user_id, r.uid, r.deactivated, r.differing_fields
    FROM cometchat.list_all_remote_users() AS r
  ), seen AS (
    -- somebody is on two pages if the list changed meanwhile
    SELECT DISTINCT ON (r.user_id) r.user_id, r.deactivated, r.differing_fields
    FROM remote AS r WHERE r.user_id IS NOT NULL ORDER BY r.user_id
  ), local AS (
    SELECT s.user_id, COALESCE(u.cometchat_uid, s.cometchat_uid) AS uid, s.wanted_revision,
           r.differing_fields,
           CASE WHEN s.sent_profile IS NOT NULL AND r.user_id IS NULL THEN 'not in CometChat'
                -- a deactivation in the dashboard is an operator's decision and stays
                WHEN s.sent_profile IS NOT NULL AND r.deactivated THEN 'deactivated in CometChat'
                WHEN s.sent_profile IS NOT NULL AND r.differing_fields <> '' THEN 'differs'
                WHEN s.deactivated AND NOT r.deactivated
                  THEN 'active in CometChat, deactivated here' END AS difference
    FROM cometchat.sync_state AS s
    LEFT JOIN public.cometchat_users AS u ON u.user_id = s.user_id
    LEFT JOIN seen AS r ON r.user_id = s.user_id
    WHERE s.next_attempt_at IS NULL AND s.claim IS NULL
  ), former AS (
    -- the mapping is gone, the state knows which uid it was
    SELECT s.cometchat_uid AS uid FROM cometchat.sync_state AS s
    LEFT JOIN public.cometchat_users AS u ON u.user_id = s.user_id
    WHERE s.cometchat_uid <> s.user_id::text AND u.user_id IS NULL
  )
  SELECT CASE l.difference WHEN 'not in CometChat' THEN 'missing'
                           WHEN 'deactivated in CometChat' THEN 'missing' ELSE 'drifted' END,
         l.user_id, l.uid,
         CASE l.difference WHEN 'differs' THEN 'differs in ' || l.differing_fields
                           ELSE l.difference END,
         l.difference <> 'deactivated in CometChat', l.wanted_revision
  FROM local AS l WHERE l.difference IS NOT NULL
  UNION ALL
  SELECT DISTINCT 'orphan', NULL::uuid, r.uid, 'in CometChat, unknown here', false, NULL::bigint
  FROM remote AS r LEFT JOIN former AS f ON f.uid = r.uid
  WHERE r.user_id IS NULL AND NOT r.deactivated AND f.uid IS NULL
$function$;
COMMENT ON FUNCTION cometchat.diff_remote_users() IS
  'The differences between CometChat''s list of users and cometchat.sync_state.';

-- What changed while the list was read is as old as the list, and no difference. (In a transaction with one
-- snapshot it cannot be seen.)
CREATE FUNCTION cometchat.is_unchanged(user_id uuid, wanted_revision bigint) RETURNS boolean
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT EXISTS (SELECT FROM cometchat.sync_state AS s
                 WHERE s.user_id = is_unchanged.user_id
                   AND s.wanted_revision = is_unchanged.wanted_revision
                   AND s.next_attempt_at IS NULL AND s.claim IS NULL)
$function$;
COMMENT ON FUNCTION cometchat.is_unchanged(uuid, bigint) IS
  'Whether nothing has happened to a user since their state was read.';

-- The next attempt reads these users from CometChat and sends what differs.
CREATE FUNCTION cometchat.resync_users(user_ids uuid[]) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  UPDATE cometchat.sync_state AS s
  SET sent_profile = NULL, sent_metadata = NULL, next_attempt_at = pg_catalog.now(),
      wanted_revision = s.wanted_revision + 1, attempts = 0, failed_at = NULL,
      backlog = s.backlog OR s.next_attempt_at IS NULL -- behind people, if they are not among them
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
  compared bigint := 0;
  -- where the next page begins
  from_id uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
  WHILE from_id IS NOT NULL LOOP
    PERFORM cometchat.show_progress(compared || ' users compared with auth.users');
    answer := cometchat.diff_auth_users(from_id, 1000, repair) -> 'value';
    RETURN QUERY
      SELECT f.kind, f.user_id, f.cometchat_uid, f.detail
      FROM pg_catalog.jsonb_to_recordset(answer -> 'found')
        AS f(kind text, user_id uuid, cometchat_uid text, detail text);
    compared := compared + (answer ->> 'seen')::bigint;
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
  pages bigint := 0;
BEGIN
  LOOP
    PERFORM cometchat.show_progress(pages * 1000 || ' users of auth.users looked for');
    pages := pages + 1;
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
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET work_mem = '4MB'
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
    CONTINUE WHEN finding.user_id IS NOT NULL
                  AND NOT cometchat.is_unchanged(finding.user_id, finding.wanted_revision);
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
  PERFORM cometchat.show_progress(NULL);
END
$function$;
COMMENT ON FUNCTION cometchat.reconcile(boolean) IS
  'Compares with CometChat''s own list and with auth.users: missing, orphan, drifted, gone. With repair it '
  'queues the fixes.';

-- As pg_stat_activity, which it reads, it shows the statements of others to members of pg_read_all_stats
-- alone.
CREATE VIEW cometchat.reconcile_progress AS
  SELECT a.pid, a.usename AS role_name, a.query_start AS started_at, m.matched[1] AS doing,
         m.matched[2]::integer AS page, m.matched[3]::integer AS pages
  FROM pg_catalog.pg_stat_activity AS a,
  LATERAL (SELECT pg_catalog.regexp_match(
             a.query, '^/[*] cometchat: ((?:page ([0-9]{1,9})(?: of ([0-9]{1,9}))?)?[^*]*) [*]/ ') AS matched) AS m
  WHERE a.state = 'active' AND a.datname = pg_catalog.current_database() AND m.matched IS NOT NULL;
COMMENT ON VIEW cometchat.reconcile_progress IS
  'How far each cometchat.reconcile() is that runs now: what it is doing, and on which page of CometChat''s '
  'list of how many.';
