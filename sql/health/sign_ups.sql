-- The check for users who signed up unseen: before the trigger was attached, or while it was off.

CREATE FUNCTION cometchat.health_missed_sign_ups(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  -- All users, or, where there are many, as many as a moment allows, from a random one on.
  until timestamptz := pg_catalog.clock_timestamp() + interval '300 milliseconds';
  -- Those behind it a backfill that is under way will queue.
  last_to_be_known uuid := COALESCE((SELECT b.after_user FROM cometchat.running_backfill AS b WHERE b.only_row),
                                    'ffffffff-ffff-ffff-ffff-ffffffffffff');
  first uuid := pg_catalog.gen_random_uuid();
  after uuid := first;
  wrapped boolean := false;
  compared bigint := 0;
  unseen bigint := 0;
  page record;
BEGIN
  check_name := 'missed sign-ups';
  IF NOT cometchat.has_auth_users() THEN
    ok := true;
    detail := 'auth.users does not exist';
    RETURN NEXT;
    RETURN;
  END IF;
  LOOP
    SELECT count(*) AS users,
           count(*) FILTER (WHERE NOT wrapped OR u.user_id < first) AS compared,
           count(*) FILTER (WHERE s.known IS NULL AND u.user_id <= last_to_be_known
                            AND (NOT wrapped OR u.user_id < first)) AS unknown,
           (pg_catalog.array_agg(u.user_id ORDER BY u.user_id DESC))[1] AS last
      INTO page
    FROM cometchat.list_auth_users(after, 500) AS u
    -- by its index: LIMIT keeps it from becoming a join
    LEFT JOIN LATERAL (SELECT true AS known FROM cometchat.sync_state AS s
                       WHERE s.user_id = u.user_id LIMIT 1) AS s ON true;
    compared := compared + page.compared;
    unseen := unseen + page.unknown;
    after := page.last;
    IF page.users < 500 THEN
      EXIT WHEN wrapped;
      wrapped := true;
      after := NULL;
    END IF;
    EXIT WHEN pg_catalog.clock_timestamp() > until OR (wrapped AND after > first);
  END LOOP;
  ok := unseen = 0;
  detail := pg_catalog.format('%s of %s compared users are not known here', unseen, compared);
  hint := CASE WHEN NOT ok THEN 'SELECT cometchat.backfill();' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_missed_sign_ups(jsonb) IS
  'The row of cometchat.health() about users of auth.users who were never queued.';
