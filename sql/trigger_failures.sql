-- What the trigger must not raise: failures are counted and the users recorded, and queued later.
--
-- The trigger may have waited for a lock before: here is hardly waited for another one.

CREATE FUNCTION cometchat.record_trigger_failure(code text, message text, user_id uuid, deleted boolean)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '10ms'
AS $function$
DECLARE
  missed uuid := record_trigger_failure.user_id;
  restricted boolean := false;
  uid text;
BEGIN
  BEGIN
    PERFORM cometchat.restrict();
    restricted := true;
  EXCEPTION WHEN OTHERS THEN
    NULL; -- the library is missing
  END;
  IF missed IS NOT NULL THEN
    -- SECURITY: not with a superuser's rights. Without this uid the one of sync_state is used.
    IF restricted AND record_trigger_failure.deleted THEN
      BEGIN
        IF cometchat.owns_mapping_table() THEN
          SELECT u.cometchat_uid INTO uid FROM public.cometchat_users AS u WHERE u.user_id = missed;
          RAISE raise_exception; -- the table's lock goes: see on_auth_user_before_delete()
        END IF;
      EXCEPTION WHEN OTHERS THEN
        NULL; -- or the table is locked
      END;
    END IF;
    BEGIN
      INSERT INTO cometchat.trigger_misses (user_id, cometchat_uid) VALUES (missed, uid);
    EXCEPTION WHEN OTHERS THEN
      NULL;
    END;
  END IF;
  BEGIN
    PERFORM pg_catalog.nextval('cometchat.trigger_failures');
  EXCEPTION WHEN OTHERS THEN
    NULL;
  END;
  RAISE WARNING 'could not queue a user for CometChat'
    USING DETAIL = pg_catalog.format('%s: %s', code, message),
          HINT = 'The worker or cometchat.backfill() queues the user later.';
END
$function$;
COMMENT ON FUNCTION cometchat.record_trigger_failure(text, text, uuid, boolean) IS
  'Warns of a failure of the trigger, counts it, and records the user in cometchat.trigger_misses.';

CREATE FUNCTION cometchat.record_all_missed() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '100ms'
AS $function$
BEGIN
  BEGIN
    -- SECURITY: as above.
    PERFORM cometchat.restrict();
    IF cometchat.owns_mapping_table() THEN
      INSERT INTO cometchat.trigger_misses (user_id, cometchat_uid)
      SELECT u.user_id, u.cometchat_uid FROM public.cometchat_users AS u;
    END IF;
  EXCEPTION WHEN OTHERS THEN
    NULL;
  END;
  BEGIN
    INSERT INTO cometchat.trigger_misses (user_id) SELECT s.user_id FROM cometchat.sync_state AS s;
  EXCEPTION WHEN OTHERS THEN
    NULL; -- the table may be locked
  END;
END
$function$;
COMMENT ON FUNCTION cometchat.record_all_missed() IS
  'Records every known user in cometchat.trigger_misses.';

-- A user whose state is locked stays recorded, so that one user does not delay the others.
CREATE FUNCTION cometchat.requeue_missed() RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '100ms'
AS $function$
DECLARE
  unlocked uuid[];
  queued bigint;
BEGIN
  unlocked := ARRAY(SELECT s.user_id FROM cometchat.sync_state AS s
                    WHERE s.user_id IN (SELECT m.user_id FROM cometchat.trigger_misses AS m)
                    FOR UPDATE OF s SKIP LOCKED)
           || ARRAY(SELECT DISTINCT m.user_id FROM cometchat.trigger_misses AS m
                    WHERE NOT EXISTS (SELECT FROM cometchat.sync_state AS s
                                      WHERE s.user_id = m.user_id));
  WITH missed AS (
    DELETE FROM cometchat.trigger_misses AS m WHERE m.user_id = ANY (unlocked)
    RETURNING m.user_id, m.cometchat_uid
  ), users AS (
    SELECT m.user_id, pg_catalog.max(m.cometchat_uid) AS cometchat_uid
    FROM missed AS m GROUP BY m.user_id ORDER BY m.user_id
  )
  SELECT count(cometchat.mark_due(u.user_id, u.cometchat_uid)) INTO queued FROM users AS u;
  RETURN queued;
END
$function$;
COMMENT ON FUNCTION cometchat.requeue_missed() IS
  'Queues the users of cometchat.trigger_misses whose state is not locked; returns how many.';
