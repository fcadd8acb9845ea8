-- Queueing the users who were there before the trigger, without anybody feeling it.

-- "missing" is false for users who are queued, failed (retry_failed() is for those), banned, deleted or
-- excluded by the settings; so that once all others are in CometChat, no user is missing.
CREATE FUNCTION cometchat.backfill_page(after uuid, max_users integer, app_id text)
RETURNS TABLE (user_id uuid, missing boolean)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT au.user_id,
         state.user_id IS NULL
         OR (state.next_attempt_at IS NULL AND state.claim IS NULL AND state.failed_at IS NULL
             AND CASE WHEN state.sent_profile IS NOT NULL
                   THEN state.app_id <> backfill_page.app_id AND NOT au.suspended
                   ELSE NOT state.deactivated
                        AND (state.wanted_revision <> state.synced_revision
                             OR (NOT au.suspended AND (au.automatic OR state.requested
                                                       OR mapping.user_id IS NOT NULL)))
                 END)
  FROM cometchat.list_auth_users(backfill_page.after, backfill_page.max_users) AS au
  LEFT JOIN cometchat.sync_state AS state ON state.user_id = au.user_id
  LEFT JOIN public.cometchat_users AS mapping ON mapping.user_id = au.user_id
$function$;
COMMENT ON FUNCTION cometchat.backfill_page(uuid, integer, text) IS
  'The next users of auth.users by id, and whether they should be in CometChat but are not.';

-- A row that was inserted and not committed makes whoever needs the same one wait: a login would wait for
-- the backfill of a million users. So only the first are queued by the call itself, at its end, which
-- takes a fraction of a second; the others by the worker or process_queue(), a page in a transaction.
CREATE TABLE cometchat.running_backfill (
  only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  after_user uuid NOT NULL,
  remaining  bigint NOT NULL
);
COMMENT ON TABLE cometchat.running_backfill IS
  'One row while users of cometchat.backfill() are still to be queued.';
COMMENT ON COLUMN cometchat.running_backfill.only_row IS 'Always true: the table has one row at most.';
COMMENT ON COLUMN cometchat.running_backfill.after_user IS 'Users up to this one have been queued.';
COMMENT ON COLUMN cometchat.running_backfill.remaining IS 'How many are to be queued, about.';

CREATE FUNCTION cometchat.mark_backlog(user_ids uuid[]) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  marked bigint;
BEGIN
  INSERT INTO cometchat.sync_state AS s (user_id, wanted_revision, next_attempt_at, backlog)
  SELECT q.user_id, 1, pg_catalog.now(), true
  FROM pg_catalog.unnest(mark_backlog.user_ids) AS q(user_id)
  ORDER BY q.user_id -- the order in which other statements lock them
  ON CONFLICT (user_id) DO UPDATE
  SET wanted_revision = s.wanted_revision + 1, -- pending, however long the user is put off
      next_attempt_at = pg_catalog.now(), attempts = 0, failed_at = NULL, backlog = true
  WHERE s.next_attempt_at IS NULL AND s.claim IS NULL;
  GET DIAGNOSTICS marked = ROW_COUNT;
  RETURN marked;
END
$function$;
COMMENT ON FUNCTION cometchat.mark_backlog(uuid[]) IS
  'Makes users due, behind people, unless they are queued already; returns how many.';

CREATE FUNCTION cometchat.backfill() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  at_once CONSTANT integer := 10000;
  queued bigint;
  -- null where no app is configured: then no user belongs to another app
  app_id text := cometchat.configuration() #>> '{value,app_id}';
  after uuid;
  last uuid;
  missing uuid[];
  now_due uuid[] := '{}';
  due_up_to uuid;
  later bigint := 0;
BEGIN
  PERFORM cometchat.restrict();
  queued := cometchat.requeue_missed();
  IF NOT cometchat.has_auth_users() THEN
    RAISE undefined_table USING MESSAGE = 'auth.users does not exist or is not a table',
      HINT = 'Call cometchat.enqueue(user_id) for the users of your own table.';
  END IF;
  LOOP
    WITH page AS MATERIALIZED (
      SELECT p.user_id, p.missing FROM cometchat.backfill_page(after, 10000, app_id) AS p
    )
    SELECT (SELECT p.user_id FROM page AS p ORDER BY p.user_id DESC LIMIT 1),
           ARRAY(SELECT p.user_id FROM page AS p WHERE p.missing)
      INTO last, missing;
    EXIT WHEN last IS NULL;
    IF pg_catalog.cardinality(now_due) < at_once THEN
      now_due := now_due || missing;
      due_up_to := last;
    ELSE
      later := later + pg_catalog.cardinality(missing);
    END IF;
    after := last;
  END LOOP;
  -- Last: from here to the commit others wait for these rows.
  IF later > 0 THEN
    INSERT INTO cometchat.running_backfill AS b (after_user, remaining) VALUES (due_up_to, later)
    ON CONFLICT (only_row) DO UPDATE
    SET after_user = LEAST(b.after_user, EXCLUDED.after_user), remaining = EXCLUDED.remaining;
  END IF;
  queued := queued + cometchat.mark_backlog(now_due) + later;
  IF queued > 0 THEN
    PERFORM cometchat.wake();
  END IF;
  RETURN queued;
END
$function$;
COMMENT ON FUNCTION cometchat.backfill() IS
  'Queues every user of auth.users that is not in CometChat yet; returns how many. Safe to repeat. Of many '
  'users, the worker or process_queue() queues the later ones; see cometchat.progress.';

CREATE FUNCTION cometchat.continue_backfill(app_id text, max_users integer) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  after uuid;
  last uuid;
  missing uuid[];
  marked bigint;
BEGIN
  SELECT b.after_user INTO after FROM cometchat.running_backfill AS b WHERE b.only_row
  FOR UPDATE SKIP LOCKED;
  IF NOT FOUND OR NOT cometchat.has_auth_users() THEN
    RETURN NULL;
  END IF;
  WITH page AS MATERIALIZED (
    SELECT p.user_id, p.missing FROM cometchat.backfill_page(after, max_users, app_id) AS p
  )
  SELECT (SELECT p.user_id FROM page AS p ORDER BY p.user_id DESC LIMIT 1),
         ARRAY(SELECT p.user_id FROM page AS p WHERE p.missing)
    INTO last, missing;
  IF last IS NULL THEN
    DELETE FROM cometchat.running_backfill WHERE only_row;
    RETURN NULL;
  END IF;
  marked := cometchat.mark_backlog(missing);
  UPDATE cometchat.running_backfill AS b
  SET after_user = last, remaining = GREATEST(b.remaining - marked, 0) WHERE b.only_row;
  RETURN marked;
END
$function$;
COMMENT ON FUNCTION cometchat.continue_backfill(text, integer) IS
  'Queues the next page of users that cometchat.backfill() left for later; null when there is none, or none '
  'can be read now.';
