-- Whose claim a number is: the twin of src/store/claim_number.rs and queue.rs.

-- The inverted upper half is this process, so that others see whether it is still there.
CREATE FUNCTION cometchat.session_claim() RETURNS bigint
LANGUAGE plpgsql VOLATILE
AS $$ BEGIN RETURN ~((pg_backend_pid()::bigint << 32) | 1); END $$;
COMMENT ON FUNCTION cometchat.session_claim() IS 'The number of this session''s claims.';

CREATE FUNCTION cometchat.is_claimed_elsewhere(claim bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $function$
DECLARE
  process integer := CASE WHEN claim < 0 THEN (~claim) >> 32 END;
BEGIN
  RETURN process <> pg_backend_pid() AND EXISTS (SELECT FROM pg_stat_get_activity(process) AS a);
END
$function$;
COMMENT ON FUNCTION cometchat.is_claimed_elsewhere(bigint) IS
  'Whether another session, which is still there, has the user in flight.';

-- Frees the claims of sessions that are gone, and those that are older than any request takes.
CREATE FUNCTION cometchat.reclaim_stale() RETURNS void
LANGUAGE plpgsql
AS $function$
DECLARE
  mine constant bigint := cometchat.session_claim();
  users uuid[];
  claims bigint[];
BEGIN
  -- By its index: of EXISTS the planner expects to find one soon, and reads the whole table for each user, as long as
  -- there are no statistics.
  IF (SELECT s.claim FROM cometchat.sync_state AS s WHERE s.claim IS NOT NULL ORDER BY s.claim LIMIT 1) IS NULL THEN
    RETURN;
  END IF;
  SELECT array_agg(c.user_id), array_agg(c.claim) INTO users, claims
  FROM (SELECT x.user_id, x.claim
        FROM (SELECT array_agg(a.pid) AS pids, array_agg(a.backend_start) AS starts
              FROM cometchat.statement_sessions() AS a) AS n,
             cometchat.statement_stale_claims(mine, n.pids, n.starts) AS x
        UNION SELECT y.user_id, y.claim FROM cometchat.statement_abandoned_claims(mine, 600000) AS y) AS c;
  IF users IS NOT NULL THEN
    PERFORM cometchat.statement_free_claims(users, claims, cometchat.in_flight_ms());
  END IF;
END
$function$;
COMMENT ON FUNCTION cometchat.reclaim_stale() IS 'Takes claims away from sessions that are gone.';
