-- Makes of a database of 0.1.0 what CREATE EXTENSION of 0.2.0 creates. docs/recipes.md, "A SQL object", says
-- what belongs here; tests/scenarios/tests/upgrade.rs compares the two, object by object.

-- SECURITY: as in ../schema.sql.
SET LOCAL search_path = pg_catalog, pg_temp;

-- A preloaded library is that of the server's last start: of a new function in C it would not know.
DO $block$
DECLARE
  library text := cometchat.worker_status() ->> 'library_version';
BEGIN
  IF pg_catalog.string_to_array(library, '.')::integer[] < ARRAY[0, 2, 0] THEN
    RAISE object_not_in_prerequisite_state USING
      MESSAGE = pg_catalog.format('the library that is loaded is cometchat_ext %s', library),
      DETAIL = 'The update is for the library of 0.2.0.',
      HINT = 'Restart the server (or, where the library is not preloaded, connect again), then repeat the command.';
  END IF;
END
$block$;

-- What changed, in the order of the files in sql/.

-- tables.sql: people go before the backlog.
ALTER TABLE cometchat.sync_state ADD COLUMN backlog boolean NOT NULL DEFAULT false, ADD COLUMN recent_attempts jsonb;
DROP INDEX cometchat.sync_state_due;
CREATE INDEX sync_state_due ON cometchat.sync_state (next_attempt_at)
  WHERE next_attempt_at IS NOT NULL AND claim IS NULL AND NOT backlog;

CREATE FUNCTION cometchat.request_stats() RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_request_stats_wrapper';
COMMENT ON FUNCTION cometchat.request_stats() IS
  'What was counted of requests since the server''s start or reset_stats(): by class and outcome, by '
  'latency, and how many users a minute are being synced.';

CREATE FUNCTION cometchat.reset_stats() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_reset_stats_wrapper';
COMMENT ON FUNCTION cometchat.reset_stats() IS 'Starts the counting of cometchat.stats anew.';

CREATE FUNCTION cometchat.describe_user(user_id uuid, error_code text) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_describe_user_wrapper';
COMMENT ON FUNCTION cometchat.describe_user(uuid, text) IS
  'What the library knows of a user, and what to do about the error code; for cometchat.explain_user().';

CREATE FUNCTION cometchat.clear_warnings() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_clear_warnings_wrapper';
COMMENT ON FUNCTION cometchat.clear_warnings() IS
  'Forgets the warnings and the worker''s ends that cometchat.health() shows.';

CREATE FUNCTION cometchat.cron_job() RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_cron_job_wrapper';
COMMENT ON FUNCTION cometchat.cron_job() IS
  'The job of pg_cron that calls cometchat.process_queue(), and its latest run; null if there is none.';
COMMENT ON FUNCTION cometchat.list_remote_users(integer, integer) IS
  'One page of CometChat''s own list of users.';

CREATE FUNCTION cometchat.compare_remote_page(page integer) RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'cometchat_compare_remote_page_wrapper';
COMMENT ON FUNCTION cometchat.compare_remote_page(integer) IS
  'A page of CometChat''s list compared with ours; waits while CometChat''s rate limit is used up.';

CREATE FUNCTION cometchat.show_progress(progress text) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_show_progress_wrapper';
COMMENT ON FUNCTION cometchat.show_progress(text) IS
  'Shows a comment before the statement in pg_stat_activity; null takes it away.';

CREATE FUNCTION cometchat.probe_api() RETURNS jsonb
LANGUAGE c VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'cometchat_probe_api_wrapper';
COMMENT ON FUNCTION cometchat.probe_api() IS
  'Sends one request, and says what is wrong if CometChat does not answer it or refuses the key.';

CREATE INDEX sync_state_backlog ON cometchat.sync_state (next_attempt_at)
  WHERE next_attempt_at IS NOT NULL AND claim IS NULL AND backlog;
COMMENT ON COLUMN cometchat.sync_state.backlog IS
  'Whether what is pending is nobody''s recent action, but a backfill say: it waits behind people.';
COMMENT ON COLUMN cometchat.sync_state.recent_attempts IS
  'The last five attempts, newest first, each [Unix time, error code, HTTP status, milliseconds]; see '
  'cometchat.attempts.';

-- src/sql.rs:8
-- requires:
--   tables

-- Row security of the public table: a user reads their own row.

-- A function, so that an operator can have it back as it was; see cometchat.health(), 'row security'.
--
-- The scalar sub-select is an init plan: the claim is read once for a statement, not once a row.
-- A sub that is not a uuid, or a missing one, selects nothing; claims that are not JSON are an error, as
-- in every policy that reads them.
--
-- SECURITY: where both claim styles are set, the older one decides, as in Supabase's auth.uid(): this
-- policy must agree with the policies of the app's own tables. src/calls/caller.rs is stricter, since it
-- acts for the user: two styles that differ are no session there. Neither grants more than the other to
-- a caller with one style, which is all that PostgREST sets.
CREATE FUNCTION cometchat.create_policies() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '2s'
AS $function$
BEGIN
  ALTER TABLE public.cometchat_users ENABLE ROW LEVEL SECURITY;
  DROP POLICY IF EXISTS cometchat_users_own_row ON public.cometchat_users;
  CREATE POLICY cometchat_users_own_row ON public.cometchat_users FOR SELECT
  USING (user_id = (
    SELECT CASE WHEN claim.sub OPERATOR(pg_catalog.~*)
                     '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
                THEN claim.sub::pg_catalog.uuid END
    FROM (SELECT COALESCE(
             NULLIF(pg_catalog.current_setting('request.jwt.claim.sub', true), ''),
             NULLIF(pg_catalog.current_setting('request.jwt.claims', true), '')::pg_catalog.jsonb
               OPERATOR(pg_catalog.->>) 'sub') AS sub) AS claim
  ));
  COMMENT ON POLICY cometchat_users_own_row ON public.cometchat_users IS
    'A signed-in user sees the row whose user_id is the sub of the session''s claims.';

  -- On Supabase service_role bypasses row security; elsewhere a role of that name may not.
  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'service_role') THEN
    DROP POLICY IF EXISTS cometchat_users_service ON public.cometchat_users;
    CREATE POLICY cometchat_users_service ON public.cometchat_users TO service_role
      USING (true) WITH CHECK (true);
    COMMENT ON POLICY cometchat_users_service ON public.cometchat_users IS
      'The server side sees and changes every row.';
  END IF;
END
$function$;
COMMENT ON FUNCTION cometchat.create_policies() IS
  'Makes the row security of public.cometchat_users what it was at first; takes the table''s owner or a '
  'superuser.';

CREATE OR REPLACE FUNCTION cometchat.add_foreign_key() RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off
SET lock_timeout = '5s'
AS $function$
BEGIN
  IF NOT cometchat.has_auth_users() THEN
    RETURN false;
  END IF;
  UPDATE cometchat.control SET expects_auth_users = true WHERE only_row AND NOT expects_auth_users;
  PERFORM cometchat.create_foreign_key();
  RETURN true;
EXCEPTION
  WHEN invalid_foreign_key OR undefined_column OR datatype_mismatch OR insufficient_privilege THEN
    RAISE WARNING 'foreign key from cometchat_users to auth.users was not created'
      USING DETAIL = SQLERRM, HINT = 'auth.users needs a primary key (id uuid).';
    RETURN false;
  -- cometchat_users is older than auth.users, say.
  WHEN foreign_key_violation THEN
    RAISE WARNING 'foreign key from cometchat_users to auth.users was not created'
      USING DETAIL = 'cometchat_users has users who are not in auth.users.',
            HINT = 'Nothing else needs the key. To have it, insert them into auth.users or delete their rows, '
                   'then SELECT cometchat.enable_auth_trigger();';
    RETURN false;
END
$function$;

-- src/sql.rs:10
-- requires:
--   auth_users

-- How a user gets into the queue: marked by a trigger, or by an operator with overrides.

-- on_auth_user_insert() tries the mere INSERT first, which is what nearly all sign-ups take, at half the
-- cost; a test compares the rows. Statements that make many users due, or set more columns, are apart
-- too: on_truncate(), enqueue(), backfill(), and those of src/store.
CREATE OR REPLACE FUNCTION cometchat.mark_due(user_id uuid, cometchat_uid text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
#variable_conflict use_column
BEGIN
  INSERT INTO cometchat.sync_state AS s (user_id, cometchat_uid, wanted_revision, next_attempt_at)
  VALUES (mark_due.user_id, mark_due.cometchat_uid, 1, pg_catalog.now())
  ON CONFLICT (user_id) DO UPDATE
  SET cometchat_uid = COALESCE(EXCLUDED.cometchat_uid, s.cometchat_uid),
      wanted_revision = s.wanted_revision + 1, next_attempt_at = pg_catalog.now(),
      attempts = 0, failed_at = NULL, backlog = false;
END
$function$;

CREATE OR REPLACE FUNCTION cometchat.enqueue(user_id uuid, profile jsonb DEFAULT NULL) RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
#variable_conflict use_column
BEGIN
  PERFORM cometchat.restrict();
  IF enqueue.user_id IS NULL THEN
    RAISE null_value_not_allowed USING MESSAGE = 'user_id must not be null';
  END IF;
  PERFORM cometchat.check_profile(enqueue.profile::text);

  INSERT INTO cometchat.sync_state AS s
    (user_id, overrides, wanted_revision, requested, next_attempt_at)
  VALUES (enqueue.user_id,
          NULLIF(pg_catalog.jsonb_strip_nulls(enqueue.profile), '{}'), 1, true, pg_catalog.now())
  ON CONFLICT (user_id) DO UPDATE SET
    -- a key set to null removes its override
    overrides = NULLIF(pg_catalog.jsonb_strip_nulls(
      CASE WHEN pg_catalog.jsonb_typeof(s.overrides) = 'object' THEN s.overrides ELSE '{}' END
      || COALESCE(enqueue.profile, '{}')), '{}'),
    wanted_revision = s.wanted_revision + 1, requested = true,
    next_attempt_at = pg_catalog.now(), attempts = 0, failed_at = NULL, backlog = false;
  PERFORM cometchat.wake();
END
$function$;

-- src/sql.rs:12
-- requires:
--   trigger_failures

-- The triggers on auth.users: one cheap write each, and no failure here reaches the sign-up.
--
-- plpgsql, so that a missing library cannot break them: a user that cannot be queued is recorded in
-- cometchat.trigger_misses. Queueing and waking are separate blocks: a failure in one does not undo the
-- other.
--
-- No column is named where a trigger is created (src/store/attach.rs), neither in UPDATE OF nor in WHEN:
-- Postgres would then refuse to change its type or to drop it, and would ignore a column added later.
--
-- They fire for the origin of a change only, as triggers do by default: what a replica applies, or a
-- restore loads, was sent by its origin, and would be a flood. reconcile() finds what was not.
--
-- SECURITY: definers with a fixed search_path that take on the rights of cometchat_ext before they touch
-- a table. They belong to the superuser: code that runs as cometchat_ext, a trigger on our tables say,
-- must not be able to alter them. EXECUTE on a trigger function is checked when the trigger is created,
-- not when it fires.
--
-- What runs at each sign-up and each edit calls functions in an IF, where nothing but the function runs: a
-- PERFORM is a statement, whose start and end cost as much again.

CREATE OR REPLACE FUNCTION cometchat.record_trigger_failure(code text, message text, user_id uuid, deleted boolean)
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

CREATE OR REPLACE FUNCTION cometchat.on_auth_user_before_delete() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '100ms'
AS $function$
DECLARE
  uid text;
BEGIN
  BEGIN
    PERFORM cometchat.restrict();
    -- SECURITY: as above.
    IF pg_catalog.pg_typeof(OLD.id) <> 'uuid'::regtype THEN
      RAISE datatype_mismatch USING MESSAGE = 'auth.users.id is not of type uuid';
    END IF;
    IF cometchat.owns_mapping_table() THEN
      BEGIN
        SELECT u.cometchat_uid INTO uid FROM public.cometchat_users AS u WHERE u.user_id = OLD.id;
        -- The table's lock goes with this block. The cascade takes a stronger one: whoever holds one already and
        -- waits for that would be in a deadlock with a migration of the mapping, or a REINDEX.
        RAISE raise_exception;
      EXCEPTION WHEN raise_exception THEN
        NULL;
      END;
    END IF;
    PERFORM cometchat.mark_due(OLD.id, uid);
  EXCEPTION WHEN OTHERS THEN
    IF pg_catalog.pg_typeof(OLD.id) = 'uuid'::regtype THEN
      PERFORM cometchat.record_trigger_failure(SQLSTATE, SQLERRM, OLD.id, true);
    ELSE
      PERFORM cometchat.record_trigger_failure(SQLSTATE, SQLERRM, NULL, true);
    END IF;
  END;
  BEGIN
    PERFORM cometchat.wake();
  EXCEPTION WHEN OTHERS THEN
    NULL;
  END;
  RETURN OLD;
EXCEPTION WHEN OTHERS THEN
  RETURN OLD;
END
$function$;

CREATE OR REPLACE FUNCTION cometchat.on_auth_user_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '100ms'
AS $function$
BEGIN
  BEGIN
    IF cometchat.restrict() IS NULL THEN NULL; END IF;
    -- SECURITY: an id of the table owner's own type would be cast by the owner's function, here with
    -- our rights. (plpgsql plans a statement only when it executes it.)
    IF pg_catalog.pg_typeof(NEW.id) <> 'uuid'::regtype THEN
      RAISE datatype_mismatch USING MESSAGE = 'auth.users.id is not of type uuid';
    END IF;
    INSERT INTO cometchat.sync_state (user_id, wanted_revision, next_attempt_at)
    VALUES (NEW.id, 1, pg_catalog.now()) ON CONFLICT (user_id) DO NOTHING;
    IF NOT FOUND THEN
      PERFORM cometchat.mark_due(NEW.id);
    END IF;
  EXCEPTION WHEN OTHERS THEN
    BEGIN
      IF pg_catalog.pg_typeof(NEW.id) = 'uuid'::regtype THEN
        PERFORM cometchat.record_trigger_failure(SQLSTATE, SQLERRM, NEW.id, false);
      ELSE
        PERFORM cometchat.record_trigger_failure(SQLSTATE, SQLERRM, NULL, false);
      END IF;
    EXCEPTION WHEN OTHERS THEN
      NULL;
    END;
  END;
  BEGIN
    IF cometchat.wake() IS NULL THEN NULL; END IF;
  EXCEPTION WHEN OTHERS THEN
    NULL; -- the library is missing; the next worker or process_queue() finds the row
  END;
  RETURN NULL;
END
$function$;

CREATE OR REPLACE FUNCTION cometchat.enqueue_changed_user(old_row record, new_row record) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '100ms'
AS $function$
DECLARE
  users uuid[];
BEGIN
  BEGIN
    -- SECURITY: as above.
    IF pg_catalog.pg_typeof(new_row.id) <> 'uuid'::regtype THEN
      RAISE datatype_mismatch USING MESSAGE = 'auth.users.id is not of type uuid';
    END IF;
    -- With another id, one user is gone and another one exists.
    users := CASE WHEN old_row.id <> new_row.id THEN ARRAY[old_row.id, new_row.id]
                  ELSE ARRAY[new_row.id] END;
    IF cometchat.restrict() IS NULL THEN NULL; END IF;
    IF cometchat.mark_due(users[1]) IS NULL THEN NULL; END IF;
    IF users[2] IS NOT NULL AND cometchat.mark_due(users[2]) IS NULL THEN NULL; END IF;
  EXCEPTION WHEN OTHERS THEN
    BEGIN
      PERFORM cometchat.record_trigger_failure(SQLSTATE, SQLERRM, users[1], false);
      IF users[2] IS NOT NULL THEN
        PERFORM cometchat.record_trigger_failure(SQLSTATE, SQLERRM, users[2], false);
      END IF;
    EXCEPTION WHEN OTHERS THEN
      NULL;
    END;
  END;
  BEGIN
    IF cometchat.wake() IS NULL THEN NULL; END IF;
  EXCEPTION WHEN OTHERS THEN
    NULL;
  END;
END
$function$;

-- BEFORE TRUNCATE of auth.users or one of its partitions, and of public.cometchat_users, which
-- TRUNCATE ... CASCADE empties: every known user is queued. For users who still exist this changes nothing.
CREATE OR REPLACE FUNCTION cometchat.on_truncate() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '100ms'
AS $function$
BEGIN
  BEGIN
    PERFORM cometchat.restrict();
    IF cometchat.owns_mapping_table() THEN
      INSERT INTO cometchat.sync_state AS s
        (user_id, cometchat_uid, wanted_revision, next_attempt_at, backlog)
      SELECT u.user_id, u.cometchat_uid, 1, pg_catalog.now(), true FROM public.cometchat_users AS u
      ON CONFLICT (user_id) DO UPDATE
      SET cometchat_uid = EXCLUDED.cometchat_uid,
          wanted_revision = s.wanted_revision + 1, next_attempt_at = pg_catalog.now(),
          attempts = 0, failed_at = NULL, backlog = true
      -- One statement may fire the trigger twice.
      WHERE s.next_attempt_at IS DISTINCT FROM pg_catalog.now();
    END IF;
    UPDATE cometchat.sync_state AS s
    SET wanted_revision = s.wanted_revision + 1, next_attempt_at = pg_catalog.now(),
        attempts = 0, failed_at = NULL, backlog = true
    WHERE s.next_attempt_at IS DISTINCT FROM pg_catalog.now()
      -- not users whose earlier deletion CometChat has
      AND (NOT s.deactivated OR s.next_attempt_at IS NOT NULL OR s.claim IS NOT NULL
           OR s.failed_at IS NOT NULL);
  EXCEPTION WHEN OTHERS THEN
    PERFORM cometchat.record_trigger_failure(SQLSTATE, SQLERRM, NULL, true);
    PERFORM cometchat.record_all_missed();
  END;
  BEGIN
    PERFORM cometchat.wake();
  EXCEPTION WHEN OTHERS THEN
    NULL;
  END;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  RETURN NULL;
END
$function$;

-- src/sql.rs:13
-- requires:
--   auth_trigger

-- Switches of the worker, and its work in the foreground.

-- A database that was restored, cloned or copied elsewhere has the same rows, and may have the same settings:
-- it would deactivate the production app's users when its own are deleted. No key: a dump brings its rows
-- into a table that may have one already.
CREATE TABLE cometchat.home (
  system_identifier bigint NOT NULL,
  database          oid NOT NULL
);

-- Without it Postgres refuses every DELETE while there is a publication FOR ALL TABLES.
ALTER TABLE cometchat.home REPLICA IDENTITY FULL;
COMMENT ON TABLE cometchat.home IS
  'The database that sends, as the worker or process_queue() saw it first. Where it is another one than '
  'this, this one is a copy, and does not send until cometchat.resume().';
COMMENT ON COLUMN cometchat.home.system_identifier IS 'The cluster: pg_control_system().system_identifier.';
COMMENT ON COLUMN cometchat.home.database IS 'The database''s oid there.';

CREATE FUNCTION cometchat.is_copy() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT EXISTS (
    SELECT FROM cometchat.home AS h
    WHERE h.system_identifier <> (SELECT c.system_identifier FROM pg_catalog.pg_control_system() AS c)
       OR h.database <> (SELECT d.oid FROM pg_catalog.pg_database AS d
                         WHERE d.datname = pg_catalog.current_database()))
$function$;
COMMENT ON FUNCTION cometchat.is_copy() IS
  'Whether this database is a copy of the one that sends: restored, cloned, or upgraded with pg_upgrade.';

CREATE FUNCTION cometchat.settle_here() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  DELETE FROM cometchat.home AS h WHERE h.database IS NOT NULL;
  INSERT INTO cometchat.home (system_identifier, database)
  SELECT c.system_identifier, d.oid
  FROM pg_catalog.pg_control_system() AS c, pg_catalog.pg_database AS d
  WHERE d.datname = pg_catalog.current_database();
END
$function$;
COMMENT ON FUNCTION cometchat.settle_here() IS 'Makes this database the one that sends.';

CREATE OR REPLACE FUNCTION cometchat.pause() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  PERFORM cometchat.restrict();
  UPDATE cometchat.control SET paused = true, paused_at = pg_catalog.now()
  WHERE only_row AND NOT paused;
  IF NOT EXISTS (SELECT FROM cometchat.home AS h WHERE h.database IS NOT NULL) THEN
    PERFORM cometchat.settle_here(); -- what is copied from here is a copy, though nothing was sent yet
  END IF;
  PERFORM cometchat.wake();
END
$function$;

CREATE OR REPLACE FUNCTION cometchat.resume() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  PERFORM cometchat.restrict();
  UPDATE cometchat.control SET paused = false, paused_at = NULL WHERE only_row AND paused;
  IF cometchat.is_copy() THEN
    PERFORM cometchat.settle_here();
  END IF;
  PERFORM cometchat.make_throttled_due();
  PERFORM cometchat.start_worker();
END
$function$;
COMMENT ON FUNCTION cometchat.resume() IS
  'Lets the worker send again after cometchat.pause(), or in a copy of a database, and ends the wait after '
  'a 429.';

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

CREATE OR REPLACE FUNCTION cometchat.backfill() RETURNS bigint
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

-- src/sql.rs:15
-- requires:
--   backfill

-- Statistics and progress.

CREATE OR REPLACE VIEW cometchat.stats AS
  SELECT f.requests, f.failures, f.rate_limited, f.synced, f.retried, f.failed, f.average_ms,
         f.slowest_ms,
         (SELECT CASE WHEN t.is_called THEN t.last_value ELSE 0 END
          FROM cometchat.trigger_failures AS t) AS trigger_failures,
         -- SECURITY: exact types, or a better match in public would be bound for good
         (SELECT CASE WHEN pg_catalog.min(s.next_attempt_at) < pg_catalog.now()
                      THEN pg_catalog.now() - pg_catalog.min(s.next_attempt_at) ELSE interval '0' END
          FROM cometchat.sync_state AS s
          WHERE s.next_attempt_at IS NOT NULL AND s.claim IS NULL AND NOT s.backlog) AS queue_lag,
         pg_catalog.to_timestamp(r.reset_at) AS reset_at
  FROM jsonb_to_record(cometchat.worker_status()) AS f(
    preloaded boolean, requests bigint, failures bigint, rate_limited bigint, synced bigint,
    retried bigint, failed bigint, average_ms double precision, slowest_ms double precision),
       jsonb_to_record(cometchat.request_stats()) AS r(reset_at double precision)
  WHERE f.preloaded;
COMMENT ON VIEW cometchat.stats IS
  'Counters and latencies since the server''s start, or reset_stats(); empty unless the library is '
  'preloaded. trigger_failures is not reset; queue_lag is how long the one who waits longest has been due, '
  'the backlog aside.';

CREATE VIEW cometchat.stats_requests AS
  SELECT r.class, r.outcome, r.requests
  FROM jsonb_to_recordset(cometchat.request_stats() -> 'requests'::text) AS r(
    class text, outcome text, requests bigint);
COMMENT ON VIEW cometchat.stats_requests IS
  'Requests by CometChat''s class of operations (core, standard, import) and by outcome: ok, rate_limited, '
  'refused, server_error, timeout, network.';

CREATE VIEW cometchat.stats_latency AS
  SELECT r.le_ms, r.requests
  FROM jsonb_to_recordset(cometchat.request_stats() -> 'latencies'::text) AS r(
    le_ms bigint, requests bigint);
COMMENT ON VIEW cometchat.stats_latency IS
  'How many requests took no longer than le_ms milliseconds; all of them where it is null.';

CREATE VIEW cometchat.sending_status AS
  SELECT CASE WHEN c.paused THEN 'OPERATOR'::text
              WHEN cometchat.is_copy() THEN 'COPY'::text
              WHEN f.paused_code IS NOT NULL THEN f.paused_code
              WHEN f.throttled_until IS NOT NULL THEN 'RATE_LIMITED'::text END AS paused_reason,
         f.rate_per_minute
  FROM cometchat.control AS c,
       jsonb_to_record(cometchat.worker_status()) AS f(
         paused_code text, throttled_until double precision, rate_per_minute integer);
COMMENT ON VIEW cometchat.sending_status IS
  'One row, a part of cometchat.progress: why nothing is sent, OPERATOR, COPY or an errorCode of '
  'cometchat_ensure_user(), null while it is; and the limit per minute.';

CREATE OR REPLACE VIEW cometchat.progress AS
  SELECT c.users_total, c.synced, c.pending, c.in_flight, c.failed, c.paused_reason,
         c.rate_per_minute,
         -- SECURITY: exact types, or a better match in public would be bound for good
         CASE WHEN c.pending = 0 THEN interval '0'
              WHEN c.paused_reason IS NULL AND c.synced_per_minute > 0::float8
              THEN c.pending::float8 * interval '1 minute' / c.synced_per_minute END AS eta,
         c.backlog, c.passed_over, c.deactivated, c.synced_per_minute,
         '['::text || pg_catalog.rpad(pg_catalog.repeat('#'::text, c.twentieths), 20, '.'::text)
           || '] '::text || (c.twentieths * 5)::text || ' %'::text AS bar
  FROM (SELECT s.users_total + later.users AS users_total, s.synced, s.pending + later.users AS pending,
               s.in_flight, s.failed, s.backlog + later.users AS backlog, s.passed_over, s.deactivated,
               f.paused_reason, f.rate_per_minute, r.synced_per_minute,
               CASE WHEN s.users_total + later.users = 0 THEN 20
                    ELSE ((s.users_total - s.pending) * 20 / (s.users_total + later.users))::integer
               END AS twentieths
        FROM (SELECT count(*) AS users_total,
                     count(*) FILTER (WHERE s.sent_profile IS NOT NULL) AS synced,
                     count(*) FILTER (WHERE w.pending) AS pending,
                     count(*) FILTER (WHERE s.claim IS NOT NULL) AS in_flight,
                     count(*) FILTER (WHERE s.failed_at IS NOT NULL) AS failed,
                     count(*) FILTER (WHERE w.pending AND s.backlog) AS backlog,
                     count(*) FILTER (WHERE NOT w.pending AND s.sent_profile IS NULL
                                        AND NOT s.deactivated AND s.failed_at IS NULL) AS passed_over,
                     count(*) FILTER (WHERE s.deactivated) AS deactivated
              FROM cometchat.sync_state AS s,
                   -- Whoever is to come back when a ban ends is not pending.
                   LATERAL (SELECT s.claim IS NOT NULL
                              OR (s.next_attempt_at IS NOT NULL
                                  AND (s.wanted_revision <> s.synced_revision
                                       OR s.next_attempt_at <= pg_catalog.now())) AS pending) AS w) AS s,
             -- of a backfill that goes on
             (SELECT COALESCE(pg_catalog.max(b.remaining), 0::bigint) AS users
              FROM cometchat.running_backfill AS b) AS later,
             cometchat.sending_status AS f,
             jsonb_to_record(cometchat.request_stats()) AS r(synced_per_minute double precision)) AS c;
COMMENT ON VIEW cometchat.progress IS
  'One row: how many users are known, synced, pending (in flight and backlog are among them), failed, passed '
  'over (anonymous, unconfirmed) and deactivated; why sending is paused; the limit per minute; and the time '
  'left at the rate of the last minute, null while nothing moves. The command watch of psql shows the bar.';

CREATE FUNCTION cometchat.has_pending() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT EXISTS (SELECT FROM cometchat.running_backfill AS b WHERE b.only_row)
      OR EXISTS (SELECT FROM cometchat.sync_state AS s WHERE s.claim IS NOT NULL)
      OR EXISTS (SELECT FROM cometchat.sync_state AS s
                 WHERE s.next_attempt_at IS NOT NULL AND s.claim IS NULL AND s.backlog
                   AND (s.wanted_revision <> s.synced_revision OR s.next_attempt_at <= now()))
      OR EXISTS (SELECT FROM cometchat.sync_state AS s
                 WHERE s.next_attempt_at IS NOT NULL AND s.claim IS NULL AND NOT s.backlog
                   AND (s.wanted_revision <> s.synced_revision OR s.next_attempt_at <= now()))
$function$;
COMMENT ON FUNCTION cometchat.has_pending() IS
  'Whether users are pending, as cometchat.progress counts them; stops at the first.';

CREATE PROCEDURE cometchat.wait_until_synced(timeout interval DEFAULT '1 hour')
LANGUAGE plpgsql
AS $procedure$
DECLARE
  -- SECURITY: no definer, since it commits, and so it has its caller's search_path: every name and
  -- operator is qualified.
  give_up pg_catalog.timestamptz := pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) timeout;
BEGIN
  WHILE cometchat.has_pending() LOOP
    COMMIT; -- no snapshot is held while it waits
    IF pg_catalog.clock_timestamp() OPERATOR(pg_catalog.>=) give_up THEN
      RAISE object_not_in_prerequisite_state
        USING MESSAGE = 'users are still pending',
              HINT = 'SELECT * FROM cometchat.progress shows how many, and why.';
    END IF;
    PERFORM pg_catalog.pg_sleep(0.2);
  END LOOP;
END
$procedure$;
COMMENT ON PROCEDURE cometchat.wait_until_synced(interval) IS
  'Waits until no user is pending: all are synced, or in cometchat.failed_users. An error after the timeout.';

CREATE OR REPLACE FUNCTION cometchat.retry_failed(user_id uuid DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  retried bigint;
BEGIN
  PERFORM cometchat.restrict();
  UPDATE cometchat.sync_state AS s
  SET failed_at = NULL, attempts = 0, next_attempt_at = pg_catalog.now(),
      backlog = retry_failed.user_id IS NULL -- all of them are many
  WHERE s.failed_at IS NOT NULL
    AND (retry_failed.user_id IS NULL OR s.user_id = retry_failed.user_id);
  GET DIAGNOSTICS retried = ROW_COUNT;
  PERFORM cometchat.wake();
  RETURN retried;
END
$function$;

CREATE VIEW cometchat.attempts AS
  SELECT s.user_id, a.number::integer AS number,
         pg_catalog.to_timestamp((a.attempt ->> 0)::float8) AS attempted_at,
         a.attempt ->> 1 AS error_code, (a.attempt ->> 2)::integer AS http_status,
         (a.attempt ->> 3)::bigint AS duration_ms
  FROM cometchat.sync_state AS s,
       pg_catalog.jsonb_array_elements(s.recent_attempts) WITH ORDINALITY AS a(attempt, number);
COMMENT ON VIEW cometchat.attempts IS
  'The last five attempts for each user, by the worker or process_queue() and by calls that left the user to '
  'them: 1 is the newest. Without an error code it succeeded; duration_ms is that of all its requests.';

CREATE FUNCTION cometchat.explain_user(user_id uuid) RETURNS TABLE (fact text, value text, hint text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  state cometchat.sync_state;
  paused text;
  known jsonb;
  is_mapped boolean;
  pending boolean;
  retry text := 'Mend what "last error" says, then SELECT cometchat.retry_failed('''
                || explain_user.user_id || ''');';
BEGIN
  PERFORM cometchat.restrict();
  IF explain_user.user_id IS NULL THEN
    RAISE null_value_not_allowed USING MESSAGE = 'user_id must not be null';
  END IF;
  SELECT s.* INTO state FROM cometchat.sync_state AS s WHERE s.user_id = explain_user.user_id;
  SELECT s.paused_reason INTO paused FROM cometchat.sending_status AS s;
  known := cometchat.describe_user(explain_user.user_id, state.error_code);
  IF known ? 'error' THEN
    RETURN QUERY SELECT 'auth.users', 'cannot be read: ' || (known ->> 'error'),
      'SELECT * FROM cometchat.health() WHERE NOT ok;';
    RETURN;
  END IF;
  is_mapped := EXISTS (SELECT FROM public.cometchat_users AS u WHERE u.user_id = explain_user.user_id);
  pending := state.claim IS NOT NULL OR (state.next_attempt_at IS NOT NULL
             AND (state.wanted_revision <> state.synced_revision OR state.next_attempt_at <= pg_catalog.now()));

  fact := 'can chat';
  SELECT v.value, v.hint INTO value, hint FROM (VALUES
    (1, known ->> 'status' = 'deleted', 'no: not in auth.users', NULL),
    (2, known ->> 'status' = 'suspended', 'no: banned or deleted in auth.users', 'Lift the ban.'),
    (3, state.error_code = 'USER_DEACTIVATED', 'no: deactivated in CometChat by others',
        'Reactivate the user in CometChat''s dashboard, or call cometchat_ensure_user as service_role.'),
    (4, (known ->> 'has_token')::boolean, 'yes' || CASE WHEN state.failed_at IS NOT NULL
        THEN ', but the last change was given up' ELSE '' END,
        CASE WHEN state.failed_at IS NOT NULL THEN retry END),
    (5, state.failed_at IS NOT NULL, 'no: given up', retry),
    (6, pending AND paused IS NOT NULL, 'not yet: sending is paused (' || paused || ')',
        'SELECT * FROM cometchat.health() WHERE NOT ok;'),
    (7, pending, 'not yet: queued', NULL),
    (8, known ->> 'passed_over' IS NOT NULL AND NOT is_mapped, 'at the first login: the user is '
        || (known ->> 'passed_over'), 'SELECT cometchat.enqueue(''' || explain_user.user_id || ''');'),
    (9, is_mapped, 'yes: the next login makes a token', NULL),
    (10, true, 'at the first login: never queued', 'SELECT cometchat.backfill();')
  ) AS v(number, applies, value, hint) WHERE v.applies ORDER BY v.number LIMIT 1;
  RETURN NEXT;

  RETURN QUERY SELECT f.fact, f.value, f.hint FROM (VALUES
    ('auth.users', CASE known ->> 'status'
       WHEN 'suspended' THEN 'banned or deleted'
         || COALESCE(', until ' || (pg_catalog.now() + (known ->> 'back_in_ms')::float8 * interval '1 ms'), '')
       WHEN 'deleted' THEN 'not there' WHEN 'unknown' THEN 'ban or deletion cannot be read'
       ELSE 'active' END, NULL),
    ('wanted name', known ->> 'name', NULL),
    ('profile', 'cannot be read: ' || (known ->> 'unreadable'),
       'Mend the value, in auth.users or with cometchat.enqueue().'),
    ('uid in CometChat', CASE WHEN is_mapped OR state.sent_profile IS NOT NULL OR state.deactivated
       THEN known ->> 'uid' END, NULL),
    ('app', NULLIF(state.app_id, known ->> 'app_id'), 'What is stored is of this app, not of the one that is set.'),
    ('CometChat has', CASE
       WHEN state.deactivated THEN 'the user, deactivated by us'
       WHEN (known ->> 'is_current')::boolean THEN 'the profile that is wanted'
       WHEN state.sent_profile IS NOT NULL THEN 'another profile than is wanted'
       ELSE 'nothing that is known' END, NULL),
    ('token', CASE WHEN (known ->> 'has_token')::boolean THEN 'stored'
       WHEN state.revoke_pending THEN 'to be flushed in CometChat' ELSE 'none' END, NULL),
    ('queue', CASE
       WHEN state.claim IS NOT NULL THEN 'being sent since ' || state.claimed_at
       WHEN state.failed_at IS NOT NULL THEN 'given up at ' || state.failed_at
       WHEN state.next_attempt_at <= pg_catalog.now() THEN 'due' || CASE WHEN state.backlog THEN ', behind people' ELSE '' END
       WHEN state.next_attempt_at IS NOT NULL THEN 'due at ' || state.next_attempt_at
       ELSE 'nothing to do' END, NULL),
    ('failed attempts', NULLIF(state.attempts, 0)::text, NULL),
    ('last error', state.error_code || COALESCE(': ' || state.error_message, ''), known ->> 'what_to_do'),
    ('sending', 'paused: ' || paused, 'SELECT * FROM cometchat.health() WHERE NOT ok;')
  ) AS f(fact, value, hint) WHERE f.value IS NOT NULL;

  RETURN QUERY
  SELECT 'attempt ' || a.number, a.attempted_at || ': ' || COALESCE(a.error_code, 'ok')
    || COALESCE(', HTTP ' || a.http_status, '') || COALESCE(', ' || a.duration_ms || ' ms', ''), NULL::text
  FROM cometchat.attempts AS a WHERE a.user_id = explain_user.user_id ORDER BY a.number;
END
$function$;
COMMENT ON FUNCTION cometchat.explain_user(uuid) IS
  'Why a user can or cannot chat: what is wanted, what CometChat has, what is queued, what failed, what to do.';

-- src/sql.rs:17
-- requires:
--   operations

-- Statements for the hints of cometchat.health(): how a setting is changed where it is set.

CREATE FUNCTION cometchat.setting_command(facts jsonb, name text, value text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  -- where the session has it from
  place text := facts #>> ARRAY['settings', setting_command.name, 'source'];
  assignment text := CASE WHEN value IS NULL THEN 'RESET ' || setting_command.name
                          ELSE pg_catalog.format('SET %s = %L', setting_command.name, value) END;
BEGIN
  RETURN CASE
    WHEN place = 'session' THEN assignment || ';'
    WHEN place = 'user' THEN pg_catalog.format('ALTER ROLE %I %s;', SESSION_USER, assignment)
    WHEN place = 'database user' THEN pg_catalog.format('ALTER ROLE %I IN DATABASE %I %s;',
      SESSION_USER, pg_catalog.current_database(), assignment)
    WHEN place = 'configuration file' THEN
      pg_catalog.format('ALTER SYSTEM %s; SELECT pg_reload_conf();', assignment)
    ELSE pg_catalog.format('ALTER DATABASE %I %s;', pg_catalog.current_database(), assignment) END;
END
$function$;
COMMENT ON FUNCTION cometchat.setting_command(jsonb, text, text) IS
  'The statement that sets, or with null resets, a setting where the session has it from.';

-- Also where other roles have it from.
CREATE FUNCTION cometchat.reset_commands(name text, value text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT pg_catalog.string_agg(CASE
           WHEN s.setrole = 0 THEN pg_catalog.format('ALTER DATABASE %I RESET %s;', d.datname, reset_commands.name)
           WHEN s.setdatabase = 0 THEN pg_catalog.format('ALTER ROLE %I RESET %s;', r.rolname, reset_commands.name)
           ELSE pg_catalog.format('ALTER ROLE %I IN DATABASE %I RESET %s;', r.rolname, d.datname,
                                       reset_commands.name)
         END, ' ' ORDER BY s.setrole, s.setdatabase)
  FROM pg_catalog.pg_db_role_setting AS s
  LEFT JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase
  LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
  WHERE (s.setdatabase = 0 OR d.datname = pg_catalog.current_database())
    AND EXISTS (SELECT FROM pg_catalog.unnest(s.setconfig) AS c(setting)
                WHERE c.setting ~* ('^' || reset_commands.name || '=(' || reset_commands.value || ')$'))
$function$;
COMMENT ON FUNCTION cometchat.reset_commands(text, text) IS
  'The statements that take back a setting of the database or a role whose value matches; null if none does.';

-- src/sql.rs:18
-- requires:
--   health_hints

-- What cometchat.health() reads of the catalogs before it gives up its owner's rights: which other
-- roles' settings, sessions and locks there are.
--
-- SECURITY: catalogs only. No value of a setting of ours is read.

CREATE FUNCTION cometchat.setting_facts() RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT COALESCE(pg_catalog.jsonb_object_agg(s.name, pg_catalog.jsonb_build_object(
           'source', s.source, 'file', s.sourcefile, 'line', s.sourceline)), '{}')
  FROM pg_catalog.pg_settings AS s
  WHERE s.source <> 'default'
    AND (s.name ~ '^cometchat[.]'
         OR s.name IN ('default_transaction_read_only', 'session_replication_role', 'jit'))
$function$;
COMMENT ON FUNCTION cometchat.setting_facts() IS
  'Where the session has its settings from, for cometchat.health(). Never a value.';

CREATE FUNCTION cometchat.lock_facts() RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
           'relation', l.relation::regclass, 'mode', l.mode, 'pid', l.pid, 'role', a.usename,
           'state', a.state, 'prepared', p.gid,
           'seconds', pg_catalog.round(EXTRACT(epoch FROM pg_catalog.clock_timestamp()
                                       - COALESCE(a.xact_start, p.prepared))))
         ORDER BY l.pid, l.relation)
  FROM pg_catalog.pg_locks AS l
  JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
  LEFT JOIN pg_catalog.pg_locks AS x ON l.pid IS NULL AND x.pid IS NULL AND x.locktype = 'transactionid'
   AND x.granted AND x.virtualtransaction = l.virtualtransaction
  LEFT JOIN pg_catalog.pg_prepared_xacts AS p ON p.transaction = x.transactionid
  WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d
                      WHERE d.datname = pg_catalog.current_database())
    -- those that stop a reader, or a writer
    AND l.mode IN ('AccessExclusiveLock', 'ExclusiveLock', 'ShareRowExclusiveLock', 'ShareLock')
    AND ((n.nspname = 'cometchat' AND c.relkind IN ('r', 'S'))
         OR (n.nspname = 'public' AND c.relname = 'cometchat_users')
         OR (n.nspname = 'auth' AND c.relname = 'users'))
$function$;
COMMENT ON FUNCTION cometchat.lock_facts() IS
  'Sessions that have locked a table which the extension needs, for cometchat.health().';

-- A session that may be what ends the worker again and again. SECURITY: its number, not its statement.
CREATE FUNCTION cometchat.terminator() RETURNS integer
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT a.pid FROM pg_catalog.pg_stat_activity AS a
  WHERE a.backend_type = 'client backend' AND a.pid <> pg_catalog.pg_backend_pid()
    AND a.query ~* 'pg_terminate_backend'
  ORDER BY a.query_start DESC LIMIT 1
$function$;
COMMENT ON FUNCTION cometchat.terminator() IS
  'The session whose latest statement calls pg_terminate_backend(), for cometchat.health().';

-- What was granted when the extension was created or updated is what pg_init_privs has: sql/grants.sql
-- and sql/native/grants.sql are the one list.
CREATE FUNCTION cometchat.grant_facts() RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  WITH objects AS (
    SELECT p.oid, d.classid, 'ROUTINE' AS kind, p.oid::regprocedure::text AS name, p.proacl AS acl,
           pg_catalog.acldefault('f', p.proowner) AS standard
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
    JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'cometchat_ext'
    WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
    UNION ALL
    SELECT c.oid, d.classid, CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
           c.oid::regclass::text, c.relacl,
           pg_catalog.acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner)
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
    JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'cometchat_ext'
    WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND c.relkind IN ('r', 'v', 'S')
    UNION ALL
    SELECT n.oid, 'pg_namespace'::regclass, 'SCHEMA', n.oid::regnamespace::text, n.nspacl,
           pg_catalog.acldefault('n', n.nspowner)
    FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'cometchat'
  ), shipped AS (
    SELECT o.kind, o.name, a.grantee, a.privilege_type
    FROM objects AS o
    LEFT JOIN pg_catalog.pg_init_privs AS i
      ON i.objoid = o.oid AND i.classoid = o.classid AND i.objsubid = 0,
    LATERAL pg_catalog.aclexplode(COALESCE(i.initprivs, o.standard)) AS a
  ), found AS (
    SELECT o.kind, o.name, a.grantee, a.privilege_type
    FROM objects AS o, LATERAL pg_catalog.aclexplode(COALESCE(o.acl, o.standard)) AS a
  ), clients AS (
    SELECT 0::oid AS oid, 'PUBLIC' AS name
    UNION ALL SELECT r.oid, pg_catalog.quote_ident(r.rolname) FROM pg_catalog.pg_roles AS r
    WHERE r.rolname IN ('anon', 'authenticated')
  ), wrong AS (
    SELECT pg_catalog.format('%I lacks %s on %s', r.rolname, s.privilege_type, s.name) AS what,
           pg_catalog.format('GRANT %s ON %s %s TO %I;', s.privilege_type, s.kind, s.name, r.rolname)
             AS mend
    FROM (SELECT * FROM shipped EXCEPT SELECT * FROM found) AS s
    JOIN pg_catalog.pg_roles AS r ON r.oid = s.grantee AND NOT r.rolsuper
    UNION ALL
    SELECT pg_catalog.format('%s has %s on %s', c.name, f.privilege_type, f.name),
           pg_catalog.format('REVOKE %s ON %s %s FROM %s CASCADE;', f.privilege_type, f.kind, f.name,
                             c.name)
    FROM (SELECT * FROM found EXCEPT SELECT * FROM shipped) AS f JOIN clients AS c ON c.oid = f.grantee
    UNION ALL
    SELECT pg_catalog.format('%s has %s on column %I of %s', c.name, a.privilege_type, t.attname, o.name),
           pg_catalog.format('REVOKE %s (%I) ON TABLE %s FROM %s CASCADE;', a.privilege_type, t.attname,
                             o.name, c.name)
    FROM objects AS o
    JOIN pg_catalog.pg_attribute AS t ON o.kind = 'TABLE' AND t.attrelid = o.oid,
    LATERAL pg_catalog.aclexplode(t.attacl) AS a JOIN clients AS c ON c.oid = a.grantee
    UNION ALL
    SELECT pg_catalog.format('%I may not use the schema public', r.rolname),
           pg_catalog.format('GRANT USAGE ON SCHEMA public TO %I;', r.rolname)
    FROM pg_catalog.pg_roles AS r
    WHERE r.rolname IN ('authenticated', 'service_role', 'cometchat_ext')
      AND NOT pg_catalog.has_schema_privilege(r.oid, 'public', 'USAGE')
    UNION ALL
    SELECT pg_catalog.format('%I is a member of %I', r.rolname, g.rolname),
           pg_catalog.format('REVOKE %I FROM %I;', g.rolname, r.rolname)
    FROM pg_catalog.pg_auth_members AS m
    JOIN pg_catalog.pg_roles AS r ON r.oid = m.member AND r.rolname IN ('anon', 'authenticated')
    JOIN pg_catalog.pg_roles AS g ON g.oid = m.roleid
     AND g.rolname IN ('authenticated', 'service_role', 'postgres')
  )
  SELECT pg_catalog.jsonb_build_object('detail', pg_catalog.string_agg(w.what, ', ' ORDER BY w.what),
                                       'hint', pg_catalog.string_agg(w.mend, ' ' ORDER BY w.mend))
  FROM wrong AS w
$function$;
COMMENT ON FUNCTION cometchat.grant_facts() IS
  'How privileges differ from those that the extension came with, for cometchat.health(): too few for any '
  'role, or too many for clients.';

CREATE FUNCTION cometchat.catalog_facts() RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT pg_catalog.jsonb_build_object(
    'settings', cometchat.setting_facts(), 'locks', cometchat.lock_facts(),
    'grants', cometchat.grant_facts(), 'terminator', cometchat.terminator(),
    'preload', pg_catalog.current_setting('shared_preload_libraries', true))
$function$;
COMMENT ON FUNCTION cometchat.catalog_facts() IS
  'What cometchat.health() reads of the catalogs with its owner''s rights.';

-- src/sql.rs:19
-- requires:
--   health_facts

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

-- src/sql.rs:20
-- requires:
--   health_runner

-- Checks of the settings, of the key, and of CometChat's answer to one request.

-- Hints that need what only the operator knows (an id, a key) are comments.
CREATE FUNCTION cometchat.health_configuration(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  error text := facts #>> '{configuration,error}';
  source text := facts #>> '{configuration,value,key_source}';
  database text := pg_catalog.quote_ident(pg_catalog.current_database());
  key_file text := pg_catalog.quote_literal(pg_catalog.current_setting('cometchat.api_key_file', true));
BEGIN
  check_name := 'configuration';
  ok := error IS NULL;
  detail := COALESCE(error, facts #>> '{configuration,value,base_url}');
  hint := CASE
    WHEN ok THEN NULL
    WHEN error LIKE '%api_key_file has group or world access' AND key_file LIKE '%/run/secrets/%'
      THEN pg_catalog.format(E'-- a secret of Docker Compose; UID is what "id -u postgres" prints in the container\n'
             '-- if it comes from a file, on the host: chown UID FILE && chmod 0400 FILE\n'
             '-- if it comes from a variable, in the service: secrets: [{source: %s, uid: "UID", mode: 0400}]',
             pg_catalog.regexp_replace(key_file, '.*/|''', '', 'g')) -- it is quoted
    WHEN error LIKE '%api_key_file has group or world access'
      THEN pg_catalog.format(E'\\! chmod 0600 %s', key_file)
    WHEN error LIKE '%api_key_file must be owned%' OR error LIKE '%api_key_file cannot be read'
      THEN pg_catalog.format(E'-- as root:\n\\! chown "$(stat -c %%U "$PGDATA")" %1$s && chmod 0600 %1$s',
                             key_file)
    WHEN error LIKE '%region is malformed'
      THEN cometchat.region_hint(facts)
    WHEN error ~ '(app_id|proxy|api_base_url|ca_file) '
      THEN pg_catalog.format('-- ALTER DATABASE %s SET cometchat.%s = ''...'';', database,
                             pg_catalog.substring(error, '(app_id|proxy|api_base_url|ca_file) '))
    WHEN facts #>> '{configuration,sqlstate}' IS NOT NULL
      THEN '-- Vault cannot read its secrets: bring back the root key that they were encrypted with, or '
           'SELECT vault.update_secret(s.id, ''...'') FROM vault.secrets AS s WHERE s.name ~ ''^cometchat_'';'
    ELSE pg_catalog.format('-- Set cometchat.app_id, cometchat.region and cometchat.api_key_file (ALTER '
                           'DATABASE %s SET cometchat.app_id = ''...'';), or the Vault secrets '
                           'cometchat_app_id, cometchat_region and cometchat_api_key.', database) END;
  RETURN NEXT;

  check_name := 'settings';
  ok := true;
  -- Where each comes from, never its value.
  SELECT COALESCE(pg_catalog.string_agg(pg_catalog.format('%s: %s', pg_catalog.substr(s.key, 11),
           s.value ->> 'source' || COALESCE(' ' || (s.value ->> 'file') || ':' || (s.value ->> 'line'), '')),
           ', ' ORDER BY s.key), 'all have their defaults')
    INTO detail
  FROM pg_catalog.jsonb_each(facts -> 'settings') AS s WHERE s.key ~ '^cometchat[.]';
  detail := detail || CASE WHEN source IS NOT NULL THEN '; the key: ' || source ELSE '' END;
  hint := NULL;
  RETURN NEXT;

  check_name := 'API key storage';
  ok := COALESCE(source, 'file') <> 'setting';
  detail := source;
  hint := CASE WHEN NOT ok THEN
    '-- cometchat.api_key is for development: write the key to a file of mode 0600 that belongs to the '
    'database user, set cometchat.api_key_file to its path, and take cometchat.api_key out of the '
    'configuration file.' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_configuration(jsonb) IS
  'The rows of cometchat.health() about the settings: complete, where from, where the key is.';

-- A region that CometChat does not have cannot be looked up.
CREATE FUNCTION cometchat.region_hint(facts jsonb) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  given text := COALESCE(NULLIF(pg_catalog.current_setting('cometchat.region', true), ''),
    pg_catalog.substring(facts #>> '{configuration,value,base_url}', 'api-([^.]*)[.]'), '');
  likely text := CASE WHEN given ~* E'^\\W*e' THEN 'eu' WHEN given ~* E'^\\W*i' THEN 'in' ELSE 'us' END;
BEGIN
  RETURN CASE WHEN facts -> 'settings' ? 'cometchat.region'
    THEN cometchat.setting_command(facts, 'cometchat.region', likely)
    ELSE pg_catalog.format('SELECT vault.update_secret(s.id, %L) FROM vault.secrets AS s '
                           'WHERE s.name = ''cometchat_region'';', likely) END
    || ' -- us, eu or in, as CometChat''s dashboard says';
END
$function$;
COMMENT ON FUNCTION cometchat.region_hint(jsonb) IS
  'The statement that sets the likely region in the place of one that CometChat does not have.';

CREATE FUNCTION cometchat.health_answer(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  error text := facts #>> '{answer,error}';
  code text := facts #>> '{answer,errorCode}';
  base_url text := facts #>> '{configuration,value,base_url}';
  ahead bigint := (facts #>> '{status,recent,clock_ahead}')::bigint;
BEGIN
  check_name := 'API key';
  -- a 429 says nothing about the key
  ok := error IS NULL OR code IS NOT DISTINCT FROM 'RATE_LIMITED';
  detail := COALESCE(error, 'CometChat answered');
  hint := CASE
    WHEN ok THEN NULL
    WHEN code = 'API_KEY_REJECTED'
      THEN '-- Use a REST API key (full access) of this app and region. '
           || CASE facts #>> '{configuration,value,key_source}'
                WHEN 'vault' THEN 'SELECT vault.update_secret(s.id, ''...'') FROM vault.secrets AS s WHERE '
                                  's.name = ''cometchat_api_key'';'
                ELSE 'The file is read again as soon as it changes.' END
    WHEN code = 'PLAN_LIMIT' THEN '-- The plan of the CometChat app is used up: its dashboard has larger ones.'
    WHEN error LIKE '%name not found' AND NOT facts -> 'settings' ? 'cometchat.api_base_url'
         AND base_url !~ 'api-(us|eu|in)[.]' THEN cometchat.region_hint(facts)
    WHEN error LIKE '%name not found'
      THEN pg_catalog.format(E'\\! getent hosts %s\n-- this must print an address: see the server''s name '
             'servers (resolv.conf)', pg_catalog.substring(base_url, '//([^/:]*)'))
    WHEN error LIKE '%: proxy' THEN cometchat.setting_command(facts, 'cometchat.proxy', NULL)
           || ' -- if CometChat can be reached directly; else set it to http://host:port of a proxy that runs'
    WHEN error LIKE '%: tls' THEN '-- See the row TLS.'
    WHEN code IN ('NETWORK', 'TIMEOUT')
      THEN pg_catalog.format(E'\\! curl -sS -m 10 -o /dev/null %s\n-- this must succeed on the database '
             'server: open its firewall for https, or set cometchat.proxy', base_url)
    WHEN code = 'NOT_CONFIGURED' THEN '-- See the row configuration.'
    ELSE '-- See docs/error-codes.md.' END;
  RETURN NEXT;

  check_name := 'TLS';
  ok := COALESCE(error NOT LIKE '%: tls', true);
  detail := CASE
    WHEN NOT ok THEN 'the certificate of ' || pg_catalog.substring(base_url, '//([^/:]*)')
                     || ' cannot be verified, or TLS fails otherwise'
    WHEN base_url IS NULL THEN 'not configured'
    WHEN base_url LIKE 'http:%' THEN 'none: http to this machine'
    ELSE 'https, verified' END
    || CASE WHEN facts -> 'settings' ? 'cometchat.ca_file' THEN ' by cometchat.ca_file'
            WHEN base_url LIKE 'https:%' THEN ' by the bundled authorities' ELSE '' END;
  hint := CASE
    WHEN ok THEN NULL
    WHEN facts -> 'settings' ? 'cometchat.ca_file'
      THEN cometchat.setting_command(facts, 'cometchat.ca_file', NULL)
           || ' -- or put the authority that signs the certificate into that file'
    ELSE cometchat.setting_command(facts, 'cometchat.ca_file', '/etc/ssl/certs/ca-certificates.crt')
         || ' -- the system''s authorities: if a proxy of yours signs certificates, its own must be there'
    END;
  RETURN NEXT;

  check_name := 'clock';
  ok := COALESCE(pg_catalog.abs(ahead) <= 60, true);
  detail := CASE WHEN ahead IS NULL THEN 'CometChat''s clock was not seen yet'
                 WHEN ok THEN 'agrees with CometChat''s'
                 ELSE pg_catalog.format('%s s %s CometChat''s', pg_catalog.abs(ahead),
                                        CASE WHEN ahead > 0 THEN 'behind' ELSE 'ahead of' END) END;
  hint := CASE WHEN NOT ok THEN E'-- as root:\n\\! timedatectl set-ntp true' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_answer(jsonb) IS
  'The rows of cometchat.health() about what CometChat answers: key, TLS, clock.';

DROP FUNCTION cometchat.health_sending(jsonb);
-- src/sql.rs:21
-- requires:
--   health_api

-- Checks of the sending: whether it is paused or throttled, what is left of the limit, what happened lately.

CREATE FUNCTION cometchat.health_sending(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  status jsonb := facts -> 'status';
  copy boolean := cometchat.is_copy();
BEGIN
  check_name := 'sending';
  SELECT NOT c.paused AND NOT copy AND status ->> 'paused_code' IS NULL,
         CASE WHEN c.paused THEN 'paused by an operator'
              WHEN copy THEN 'this database is a copy of the one that sends'
              ELSE status ->> 'paused_code' END,
         CASE WHEN c.paused THEN 'SELECT cometchat.resume();'
              WHEN copy THEN 'SELECT cometchat.resume(); -- once it takes the original''s place, or has an app of '
                             'its own (cometchat.app_id): with the same one it changes the original''s users'
              WHEN (status ->> 'new_users_wait')::boolean AND status ->> 'paused_code' = 'PLAN_LIMIT'
                THEN '-- Only new users wait, until CometChat''s plan has room for them; they are then sent '
                     'automatically.'
              WHEN status ->> 'paused_code' IS NOT NULL
                THEN 'SELECT cometchat.resume(); -- tries at once: sending resumes automatically when '
                     'CometChat accepts requests again' END
    INTO ok, detail, hint FROM cometchat.control AS c;
  detail := COALESCE(detail, 'not paused');
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_sending(jsonb) IS
  'The row of cometchat.health() that says whether the sending is paused.';

CREATE FUNCTION cometchat.health_rate_limit(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  status jsonb := facts -> 'status';
  recent jsonb := facts #> '{status,recent}';
  refused interval := pg_catalog.clock_timestamp()
                      - pg_catalog.to_timestamp((recent ->> 'refused_since')::float8);
BEGIN
  check_name := 'rate limit';
  ok := status ->> 'throttled_until' IS NULL AND COALESCE(refused < interval '1 minute', true);
  detail := CASE WHEN refused >= interval '1 minute'
                 THEN pg_catalog.format('refused for %s: ', pg_catalog.date_trunc('second', refused))
                 ELSE '' END
    || CASE
    WHEN status ->> 'throttled_until' IS NOT NULL THEN pg_catalog.format(
      '%s answered 429 and asked for a wait of %s; nothing is sent until %s', status ->> 'throttled_by',
      COALESCE((status ->> 'throttled_for') || ' s', 'unknown length'),
      pg_catalog.to_timestamp((status ->> 'throttled_until')::float8))
    WHEN NOT ok THEN 'no request has succeeded since'
    ELSE 'not throttled' END;
  hint := CASE WHEN ok THEN NULL
               WHEN status ->> 'throttled_by' = 'a proxy or gateway'
                 THEN 'SELECT cometchat.resume(); -- tries at once: a proxy or gateway between this server '
                      'and CometChat refuses requests, see cometchat.proxy'
               ELSE 'SELECT cometchat.resume(); -- tries at once: sending resumes automatically at that time; '
                    'if it is refused again, something else uses up the app''s limit, or the plan is too '
                    'small' END;
  RETURN NEXT;

  check_name := 'allowance';
  ok := true;
  detail := COALESCE(NULLIF(pg_catalog.concat_ws('; ',
      'create and delete: ' || cometchat.allowance(recent -> 'create_allowance'),
      'everything else: ' || cometchat.allowance(recent -> 'other_allowance')), ''),
    'CometChat has not announced a limit')
    || COALESCE('; cometchat.rate_limit in force: ' || (status ->> 'rate_per_minute') || ' a minute', '');
  hint := NULL;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_rate_limit(jsonb) IS
  'The rows of cometchat.health() about CometChat''s rate limit: 429, and what is left.';

CREATE FUNCTION cometchat.allowance(announced jsonb) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT pg_catalog.format('%s of %s left %s ago', announced ->> 'remaining', announced ->> 'limit',
           pg_catalog.date_trunc('second', pg_catalog.clock_timestamp()
             - pg_catalog.to_timestamp((announced ->> 'at')::float8)))
  WHERE announced ->> 'at' IS NOT NULL
$function$;
COMMENT ON FUNCTION cometchat.allowance(jsonb) IS 'An announced limit in words; null if there is none.';

CREATE FUNCTION cometchat.health_recent(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  recent jsonb := facts #> '{status,recent}';
  ends integer := (recent ->> 'worker_ends')::integer;
BEGIN
  check_name := 'last success';
  ok := true;
  detail := COALESCE(pg_catalog.to_timestamp((recent ->> 'succeeded_at')::float8)::text,
                     'no request has succeeded since the server''s start');
  hint := NULL;
  RETURN NEXT;

  check_name := 'recent warnings';
  SELECT COALESCE(pg_catalog.string_agg(pg_catalog.format('%s%s: %s',
           pg_catalog.date_trunc('second', pg_catalog.to_timestamp((w.value ->> 'at')::float8)),
           CASE WHEN (w.value ->> 'times')::integer > 1 THEN ' (' || (w.value ->> 'times') || ' times)'
                ELSE '' END,
           w.value ->> 'text'), E'\n' ORDER BY w.ordinality), 'none')
    INTO detail
  FROM pg_catalog.jsonb_array_elements(recent -> 'warnings') WITH ORDINALITY AS w;
  RETURN NEXT;

  check_name := 'worker restarts';
  ok := COALESCE(ends < 3, true);
  detail := pg_catalog.format('ended by others %s times in the last 10 minutes', COALESCE(ends, 0))
    || COALESCE('; session ' || (facts ->> 'terminator') || ' calls pg_terminate_backend()', '');
  hint := CASE WHEN NOT ok THEN
    COALESCE('SELECT pg_terminate_backend(' || (facts ->> 'terminator') || '); ', '')
    || 'SELECT cometchat.clear_warnings(); -- what ends idle sessions should spare those whose '
       'backend_type is ''cometchat worker''' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_recent(jsonb) IS
  'The rows of cometchat.health() about the recent past: last success, warnings, ends of the worker.';

DROP FUNCTION cometchat.health_worker(jsonb);
CREATE FUNCTION cometchat.health_worker(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  status jsonb := facts -> 'status';
  preloaded boolean := COALESCE((status ->> 'preloaded')::boolean, false);
  running boolean := status ->> 'worker_pid' IS NOT NULL;
  waiting_seconds integer := (status ->> 'waiting_seconds')::integer;
  -- Where the library is not preloaded, process_queue() does the worker's job.
  in_foreground boolean := NOT preloaded AND cometchat.process_queue_is_recent();
  processes integer := pg_catalog.current_setting('max_worker_processes')::integer;
  database text := pg_catalog.current_database();
  template boolean := (SELECT d.datistemplate FROM pg_catalog.pg_database AS d
                       WHERE d.datname = pg_catalog.current_database());
  more_processes text := pg_catalog.format(
    E'ALTER SYSTEM SET max_worker_processes = %s;\n\\! pg_ctl restart', processes + 8);
BEGIN
  check_name := 'worker';
  -- With fewer processes than databases, a database without work has no process.
  ok := running OR in_foreground OR pg_catalog.pg_is_in_recovery()
        OR (status ->> 'resting')::boolean AND NOT template AND COALESCE(waiting_seconds, 0) < 5;
  -- read_only is what the worker found in its own session; the check 'write access' says more.
  detail := CASE WHEN (status ->> 'read_only')::boolean THEN 'nothing is sent while the database is read-only'
              WHEN running THEN 'process ' || (status ->> 'worker_pid')
              WHEN pg_catalog.pg_is_in_recovery() THEN 'none on a standby'
              WHEN in_foreground THEN 'none; process_queue() does its job'
              WHEN waiting_seconds IS NOT NULL
                THEN pg_catalog.format('has waited %s s for a background process; max_worker_processes = %s',
                                       waiting_seconds, processes)
              WHEN ok THEN 'idle, gave its process to another database; max_worker_processes = ' || processes
              WHEN template THEN 'this database is a template'
              WHEN NOT preloaded THEN 'none: the library is not preloaded'
              WHEN NOT (status ->> 'launched')::boolean
                THEN 'the launcher has no process; max_worker_processes = ' || processes
              WHEN NOT (status ->> 'has_place')::boolean
                THEN 'Too many databases of this server have the extension'
              ELSE 'no worker in this database' END
         || CASE WHEN (status ->> 'databases_waiting')::integer > 0
                 THEN pg_catalog.format('; databases waiting: %s', status ->> 'databases_waiting')
                 ELSE '' END;
  hint := CASE WHEN ok THEN NULL
              WHEN NOT preloaded
                THEN pg_catalog.format(E'ALTER SYSTEM SET shared_preload_libraries = %s;\n\\! pg_ctl restart\n'
                       '-- or, without a restart, with pg_cron: SELECT cron.schedule(''cometchat'', '
                       '''10 seconds'', ''CALL cometchat.process_queue()'');',
                       (SELECT pg_catalog.string_agg(pg_catalog.quote_literal(l.name), ', ')
                        FROM pg_catalog.regexp_split_to_table(
                          pg_catalog.concat_ws(',', NULLIF(facts ->> 'preload', ''), 'cometchat_ext'),
                          E'\\s*,\\s*') AS l(name)))
              WHEN template
                THEN pg_catalog.format('ALTER DATABASE %I IS_TEMPLATE false; -- a template can be copied only '
                                       'while no session is connected to it', database)
              WHEN NOT (status ->> 'launched')::boolean THEN more_processes
              WHEN NOT (status ->> 'has_place')::boolean
                THEN pg_catalog.format('-- Too many databases have the extension. In the database that has '
                       'pg_cron: SELECT cron.schedule_in_database(''cometchat'', ''10 seconds'', '
                       '''CALL cometchat.process_queue()'', %L);', database)
              WHEN waiting_seconds IS NOT NULL
                THEN more_processes || E'\n-- workers of other databases, parallel queries and other '
                     'extensions use processes too'
              ELSE 'SELECT cometchat.resume();' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_worker(jsonb) IS 'The row of cometchat.health() about the worker.';

DROP FUNCTION cometchat.health_process_queue(jsonb);
CREATE FUNCTION cometchat.health_process_queue(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  -- null where there is no pg_cron, or where it does not call us
  job jsonb := cometchat.cron_job();
  -- another database's job may be right there
  elsewhere boolean := COALESCE(job ->> 'database' <> pg_catalog.current_database(), false);
  unserved boolean := elsewhere AND facts #>> '{status,worker_pid}' IS NULL
                      AND NOT cometchat.process_queue_is_recent();
  broken boolean := NOT elsewhere
                    AND COALESCE(NOT (job ->> 'active')::boolean OR job ->> 'status' = 'failed', false);
BEGIN
  check_name := 'process_queue()';
  -- Passes where there is a worker, unless pg_cron fails at it.
  SELECT NOT broken AND NOT unserved
         AND (c.process_queue_run_at IS NULL OR facts #>> '{status,worker_pid}' IS NOT NULL
              OR (cometchat.process_queue_is_recent()
                  AND c.process_queue_result IN ('done', 'paused', 'sending'))),
         CASE WHEN c.process_queue_run_at IS NULL THEN 'never called'
              ELSE pg_catalog.format('last run %s ago: %s',
                     pg_catalog.date_trunc('second', pg_catalog.now() - c.process_queue_run_at),
                     c.process_queue_result) END
    INTO ok, detail FROM cometchat.control AS c;
  detail := detail || CASE WHEN job IS NULL OR elsewhere AND NOT unserved THEN '' ELSE pg_catalog.format('; job %s of pg_cron%s%s', job ->> 'id',
    CASE WHEN (job ->> 'active')::boolean THEN '' ELSE ' is not active' END,
    CASE WHEN elsewhere THEN ' runs in database ' || (job ->> 'database')
         WHEN job ->> 'status' = 'failed' THEN ' failed at ' || (job ->> 'started_at') || ': '
                                               || (job ->> 'message')
         ELSE '' END) END;
  hint := CASE
    WHEN ok THEN NULL
    WHEN unserved THEN pg_catalog.format(
      'SELECT cron.schedule(%L, ''10 seconds'', ''CALL cometchat.process_queue()''); '
      'CALL cometchat.process_queue(); -- that job may be right for its database',
      'cometchat in ' || pg_catalog.current_database())
    WHEN broken THEN pg_catalog.format(
      'SELECT cron.alter_job(%s, command => ''CALL cometchat.process_queue()'', database => %L, '
      '%sactive => true); CALL cometchat.process_queue(); -- alone in its command, since it commits',
      job ->> 'id', pg_catalog.current_database(),
      -- pg_cron lets nobody else say whose job it is
      (SELECT pg_catalog.format('username => %L, ', r.rolname) FROM pg_catalog.pg_roles AS r
       WHERE r.rolname = SESSION_USER AND r.rolsuper))
    ELSE 'CALL cometchat.process_queue(); -- and have pg_cron, or cron and psql, call it, alone in its '
         'command' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_process_queue(jsonb) IS
  'The row of cometchat.health() about process_queue(), and the job of pg_cron that calls it.';

CREATE FUNCTION cometchat.health_write_access(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  given text := cometchat.reset_commands('default_transaction_read_only', 'on|true|yes|1');
  read_only boolean := pg_catalog.current_setting('default_transaction_read_only') <> 'off';
BEGIN
  check_name := 'write access';
  ok := NOT pg_catalog.pg_is_in_recovery() AND NOT read_only AND given IS NULL
        AND NOT COALESCE((facts #>> '{status,read_only}')::boolean, false);
  detail := CASE
    WHEN pg_catalog.pg_is_in_recovery() THEN 'a standby: nothing is sent, and stored answers alone are served'
    WHEN ok THEN 'default_transaction_read_only is off'
    ELSE 'read-only: default_transaction_read_only is on'
         || CASE WHEN read_only THEN '' ELSE ', not for this session, but for others' END END;
  hint := CASE
    WHEN ok THEN NULL
    WHEN pg_catalog.pg_is_in_recovery()
      THEN 'SELECT pg_promote(); -- if the primary is gone; else connect to the primary'
    ELSE CASE WHEN read_only THEN 'SET default_transaction_read_only = off; ' ELSE '' END
         || COALESCE(given, cometchat.setting_command(facts, 'default_transaction_read_only', 'off')) END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_write_access(jsonb) IS
  'The row of cometchat.health() about a standby or a read-only database.';

-- src/sql.rs:23
-- requires:
--   health_worker

-- Checks of auth.users: triggers, read access, missed changes, foreign key.

CREATE FUNCTION cometchat.health_auth_trigger(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  check_name := 'auth trigger';
  -- Triggers that do not fire for ordinary sessions (ALWAYS is an operator's choice), or name columns.
  SELECT pg_catalog.string_agg(CASE
           WHEN t.oid IS NULL THEN pg_catalog.format('%s is missing', n.name)
           WHEN t.tgenabled = 'D' THEN pg_catalog.format('%s on %s is disabled', n.name, t.relation)
           WHEN t.tgenabled = 'R'
             THEN pg_catalog.format('%s on %s fires for replicas only', n.name, t.relation)
           ELSE pg_catalog.format('%s on %s has an outdated definition', n.name, t.relation) END,
           ', ' ORDER BY n.name, t.relation)
    INTO detail
  -- as in src/store/attach.rs
  FROM pg_catalog.unnest(ARRAY['cometchat_insert', 'cometchat_update', 'cometchat_before_delete',
                               'cometchat_after_delete', 'cometchat_truncate']) AS n(name)
  LEFT JOIN (SELECT g.oid, g.tgname, g.tgenabled, g.tgattr::text <> '' OR g.tgqual IS NOT NULL AS outdated,
                    g.tgrelid::pg_catalog.regclass::text AS relation
             FROM pg_catalog.pg_trigger AS g
             WHERE g.tgrelid = cometchat.auth_users_oid()
                OR g.tgrelid IN (SELECT p.relid
                                 FROM pg_catalog.pg_partition_tree(cometchat.auth_users_oid()) AS p)
            ) AS t ON t.tgname = n.name
  WHERE t.oid IS NULL OR t.tgenabled NOT IN ('O', 'A') OR t.outdated;
  ok := CASE WHEN cometchat.auth_users_oid() IS NULL
               THEN NOT (SELECT c.expects_auth_users FROM cometchat.control AS c)
             ELSE detail IS NULL AND cometchat.auth_users_id_is_uuid() END;
  detail := CASE WHEN cometchat.auth_users_oid() IS NULL THEN 'auth.users does not exist'
                 WHEN NOT cometchat.has_auth_users() THEN 'auth.users is not a table'
                 WHEN NOT cometchat.auth_users_id_is_uuid()
                   THEN 'auth.users has no column id of type uuid'
                 ELSE COALESCE(detail, 'all triggers on auth.users are enabled') END;
  hint := CASE WHEN ok THEN NULL
               WHEN NOT cometchat.has_auth_users()
                 THEN 'SELECT cometchat.disable_auth_trigger(); -- if there is to be none; or make auth.users '
                      'a table again'
               WHEN NOT cometchat.auth_users_id_is_uuid()
                 THEN 'ALTER TABLE auth.users ALTER COLUMN id TYPE uuid USING id::uuid;'
               ELSE 'SELECT cometchat.enable_auth_trigger(); SELECT cometchat.backfill(); '
                    'SELECT * FROM cometchat.reconcile(true); -- finds what was missed meanwhile' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_auth_trigger(jsonb) IS
  'The row of cometchat.health() about the triggers on auth.users.';

CREATE FUNCTION cometchat.health_auth_users(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  -- The extension reads the table with its owner's rights.
  owner text := (SELECT pg_catalog.pg_get_userbyid(c.relowner) FROM pg_catalog.pg_class AS c
                 WHERE c.oid = cometchat.auth_users_oid());
BEGIN
  check_name := 'auth.users access';
  ok := true;
  BEGIN
    PERFORM cometchat.check_auth_users();
    detail := COALESCE('read with the rights of its owner ' || owner, 'auth.users does not exist');
  EXCEPTION WHEN OTHERS THEN
    ok := false;
    detail := pg_catalog.concat('auth.users', ', owned by ' || owner, ': ', SQLERRM);
    hint := CASE
      WHEN owner IS NULL OR NOT cometchat.has_auth_users()
        THEN 'SELECT cometchat.disable_auth_trigger(); -- if there is to be none; until auth.users is a '
             'table again, no user gets a token and nothing is sent'
      WHEN SQLSTATE = '42501' THEN pg_catalog.format(
        'GRANT USAGE ON SCHEMA auth TO %1$I; GRANT SELECT ON auth.users TO %1$I; -- until its owner can '
        'read it, no user gets a token and nothing is sent', owner)
      WHEN SQLSTATE = '55P03' THEN COALESCE((SELECT l.hint FROM cometchat.health_locks(facts) AS l),
        'SELECT * FROM cometchat.health(); -- the lock was held for a moment')
      ELSE pg_catalog.format('-- Until SELECT * FROM auth.users; works for %I, no user gets a token and '
                             'nothing is sent.', owner) END;
  END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_auth_users(jsonb) IS
  'The row of cometchat.health() about reading auth.users.';

CREATE FUNCTION cometchat.health_missed_changes(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  -- A sample that begins at a random id
  page jsonb := cometchat.diff_auth_users(pg_catalog.gen_random_uuid(), 500, false);
  differing bigint := pg_catalog.jsonb_array_length(page #> '{value,found}');
  compared bigint := (page #>> '{value,seen}')::bigint;
BEGIN
  check_name := 'missed changes';
  -- or, near the end, at the lowest one.
  IF compared < 500 THEN
    page := cometchat.diff_auth_users('00000000-0000-0000-0000-000000000000', 500, false);
    differing := GREATEST(differing, pg_catalog.jsonb_array_length(page #> '{value,found}'));
    compared := GREATEST(compared, (page #>> '{value,seen}')::bigint);
  END IF;
  SELECT differing IS NOT DISTINCT FROM 0 AND c.missed_deletions = 0,
         pg_catalog.concat_ws('; ',
           pg_catalog.format('the trigger missed changes of %s of %s compared users', differing, compared),
           CASE WHEN c.missed_deletions > 0
                THEN c.missed_deletions || ' deletions were missed when all users were compared' END)
    INTO ok, detail FROM cometchat.control AS c;
  IF page ? 'error' THEN
    ok := true;
    detail := 'not compared: ' || (page ->> 'error');
  END IF;
  hint := CASE WHEN NOT ok THEN 'SELECT * FROM cometchat.reconcile(repair => true); -- without the '
                                'argument it only lists the users' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_missed_changes(jsonb) IS
  'The row of cometchat.health() about changes in auth.users that the trigger missed; compares a sample.';

CREATE FUNCTION cometchat.health_foreign_key(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  present boolean := EXISTS (SELECT FROM pg_catalog.pg_constraint AS c
                             WHERE c.conrelid = 'public.cometchat_users'::pg_catalog.regclass
                               AND c.contype = 'f');
BEGIN
  check_name := 'foreign key';
  ok := present OR NOT cometchat.has_auth_users();
  detail := CASE WHEN present THEN 'cometchat_users references auth.users' ELSE 'none' END;
  hint := CASE WHEN NOT ok THEN 'SELECT cometchat.enable_auth_trigger();' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_foreign_key(jsonb) IS
  'The row of cometchat.health() about the foreign key to auth.users.';

-- src/sql.rs:24
-- requires:
--   health_auth_users

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

-- src/sql.rs:25
-- requires:
--   health_sign_ups

-- Checks of the queue: failures of the trigger, overdue users, failed users.

CREATE FUNCTION cometchat.health_trigger_errors(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  number bigint;
BEGIN
  check_name := 'trigger errors';
  SELECT CASE WHEN q.is_called THEN q.last_value ELSE 0 END INTO number
  FROM cometchat.trigger_failures AS q;
  ok := number = 0;
  detail := number || ' failures of the trigger';
  hint := CASE WHEN NOT ok THEN
    'SELECT cometchat.backfill(); SELECT setval(''cometchat.trigger_failures'', 1, false);' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_trigger_errors(jsonb) IS
  'The row of cometchat.health() about users that the trigger could not queue.';

CREATE FUNCTION cometchat.health_queue(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  overdue interval;
BEGIN
  check_name := 'queue';
  SELECT pg_catalog.now() - min(s.next_attempt_at) INTO overdue FROM cometchat.sync_state AS s
  -- the backlog waits behind people, and for the rate limit
  WHERE s.next_attempt_at IS NOT NULL AND s.claim IS NULL AND NOT s.backlog
    AND pg_catalog.isfinite(s.next_attempt_at);
  ok := COALESCE(overdue, '0') < interval '5 minutes';
  detail := CASE WHEN overdue IS NULL OR overdue < '0' THEN 'no user is overdue'
                 ELSE 'the first user is overdue by ' || pg_catalog.date_trunc('second', overdue) END;
  hint := CASE WHEN NOT ok THEN CASE WHEN (facts #>> '{status,preloaded}')::boolean
    THEN 'SELECT cometchat.resume(); -- another failing row, if there is one, says why it does not move'
    ELSE 'CALL cometchat.process_queue();' END END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_queue(jsonb) IS
  'The row of cometchat.health() about users who have been due for long.';

CREATE FUNCTION cometchat.health_failed_users(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  number bigint;
BEGIN
  check_name := 'failed users';
  SELECT count(*) INTO number FROM cometchat.failed_users;
  ok := number = 0;
  detail := number || ' users';
  hint := CASE WHEN NOT ok THEN 'SELECT cometchat.retry_failed(); -- once the causes in '
                                'cometchat.failed_users are mended' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_failed_users(jsonb) IS
  'The row of cometchat.health() about users that cannot be synced.';

-- src/sql.rs:26
-- requires:
--   health_queue

-- Checks of what clients and Auth may do: grants, row security, and that the triggers can fire.

CREATE FUNCTION cometchat.health_grants(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  check_name := 'grants';
  ok := facts #>> '{grants,detail}' IS NULL;
  detail := COALESCE(facts #>> '{grants,detail}', 'as the extension came');
  hint := facts #>> '{grants,hint}';
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_grants(jsonb) IS
  'The row of cometchat.health() about privileges that differ from those that the extension came with.';

CREATE FUNCTION cometchat.health_row_security(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  mapping oid := 'public.cometchat_users'::regclass;
  enabled boolean := (SELECT c.relrowsecurity FROM pg_catalog.pg_class AS c WHERE c.oid = mapping);
  missing text;
  open_to_all text;
  drops text;
BEGIN
  check_name := 'row security';
  SELECT pg_catalog.string_agg(n.name, ', ') INTO missing
  FROM (VALUES ('cometchat_users_own_row', true), ('cometchat_users_extension', true),
               ('cometchat_users_service', EXISTS (SELECT FROM pg_catalog.pg_roles AS r
                                                   WHERE r.rolname = 'service_role'))) AS n(name, wanted)
  WHERE n.wanted AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_policy AS p WHERE p.polrelid = mapping AND p.polname = n.name
      AND (n.name <> 'cometchat_users_own_row'
           OR pg_catalog.pg_get_expr(p.polqual, p.polrelid) ~ 'request[.]jwt[.]claims'));
  -- Other policies are the app's business, unless they show every token to every client.
  SELECT pg_catalog.string_agg(p.polname, ', '),
         pg_catalog.string_agg(pg_catalog.format('DROP POLICY %I ON public.cometchat_users;', p.polname), ' ')
    INTO open_to_all, drops
  FROM pg_catalog.pg_policy AS p
  WHERE p.polrelid = mapping AND p.polpermissive AND p.polcmd IN ('r', '*')
    AND p.polname <> 'cometchat_users_own_row'
    AND COALESCE(pg_catalog.pg_get_expr(p.polqual, p.polrelid), 'true') = 'true'
    AND EXISTS (SELECT FROM pg_catalog.unnest(p.polroles) AS r(oid)
                LEFT JOIN pg_catalog.pg_roles AS a ON a.oid = r.oid
                WHERE r.oid = 0 OR a.rolname IN ('anon', 'authenticated'));
  ok := enabled AND missing IS NULL AND open_to_all IS NULL;
  detail := CASE WHEN ok THEN 'users read their own row' ELSE pg_catalog.concat_ws('; ',
    CASE WHEN NOT enabled THEN 'off: whoever may select from cometchat_users reads every token' END,
    'policies are missing or changed: ' || missing, 'policies that show every row: ' || open_to_all) END;
  hint := CASE WHEN NOT ok THEN pg_catalog.concat_ws(' ', drops,
    CASE WHEN NOT enabled OR missing ~ 'own_row|service' THEN 'SELECT cometchat.create_policies();' END,
    CASE WHEN missing ~ 'extension' THEN 'CREATE POLICY cometchat_users_extension ON '
      'public.cometchat_users TO cometchat_ext USING (true) WITH CHECK (true);' END) END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_row_security(jsonb) IS
  'The row of cometchat.health() about the policies that keep tokens with their owners.';

CREATE FUNCTION cometchat.health_triggers(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  replica text := cometchat.reset_commands('session_replication_role', 'replica');
BEGIN
  check_name := 'triggers';
  WITH wrong AS (
    -- They run with their owner's rights, whoever writes to auth.users.
    SELECT pg_catalog.format('%s does not run with its owner''s rights', p.oid::regprocedure) AS what,
           pg_catalog.format('ALTER FUNCTION %s SECURITY DEFINER;', p.oid::regprocedure) AS mend
    FROM pg_catalog.pg_proc AS p
    WHERE p.pronamespace = 'cometchat'::regnamespace AND NOT p.prosecdef
      AND p.proname ~ '^(on_auth_user_|on_truncate$|enqueue_changed_user$|enqueue_row$|record_)'
    UNION ALL
    SELECT pg_catalog.format('%s belongs to %I', p.oid::regprocedure,
                             pg_catalog.pg_get_userbyid(p.proowner)),
           pg_catalog.format('ALTER FUNCTION %s OWNER TO %I;', p.oid::regprocedure,
                             pg_catalog.pg_get_userbyid(e.extowner))
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_extension AS e ON e.extname = 'cometchat_ext'
    JOIN pg_catalog.pg_roles AS r ON r.oid = p.proowner
    WHERE p.pronamespace = 'cometchat'::regnamespace AND p.prokind = 'f' AND p.prosecdef
      AND p.proowner <> e.extowner AND NOT r.rolsuper
    UNION ALL
    SELECT pg_catalog.format('the owner %I is no superuser', r.rolname),
           pg_catalog.format('-- Its definers and its worker need it: ALTER ROLE %I SUPERUSER;', r.rolname)
    FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_roles AS r ON r.oid = e.extowner
    WHERE e.extname = 'cometchat_ext' AND NOT r.rolsuper
    UNION ALL
    SELECT 'cometchat_truncate on cometchat_users is '
           || CASE WHEN t.tgname IS NULL THEN 'missing' ELSE 'disabled' END,
           CASE WHEN t.tgname IS NULL
                THEN 'CREATE TRIGGER cometchat_truncate BEFORE TRUNCATE ON public.cometchat_users '
                     'FOR EACH STATEMENT EXECUTE FUNCTION cometchat.on_truncate();'
                ELSE 'ALTER TABLE public.cometchat_users ENABLE TRIGGER cometchat_truncate;' END
    FROM (VALUES ('cometchat_truncate')) AS n(name)
    LEFT JOIN pg_catalog.pg_trigger AS t
      ON t.tgname = n.name AND t.tgrelid = 'public.cometchat_users'::regclass
    WHERE t.tgname IS NULL OR t.tgenabled IN ('D', 'R')
    UNION ALL
    SELECT 'session_replication_role is replica, so triggers do not fire', replica
    WHERE replica IS NOT NULL
    UNION ALL
    SELECT 'session_replication_role is replica, so triggers do not fire',
           cometchat.setting_command(facts, 'session_replication_role', 'origin')
    WHERE replica IS NULL AND pg_catalog.current_setting('session_replication_role') = 'replica'
  )
  SELECT pg_catalog.string_agg(w.what, ', ' ORDER BY w.what),
         pg_catalog.string_agg(w.mend, ' ' ORDER BY w.mend) INTO detail, hint FROM wrong AS w;
  ok := detail IS NULL;
  detail := COALESCE(detail, 'they can fire, for whatever role writes to auth.users');
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_triggers(jsonb) IS
  'The row of cometchat.health() about the trigger functions: whether Auth''s role can fire them.';

-- src/sql.rs:27
-- requires:
--   health_access

-- Checks of the server around the extension: replication, JIT.

CREATE FUNCTION cometchat.health_replication(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  published text := (SELECT pg_catalog.string_agg(DISTINCT p.pubname::text, ', ')
                     FROM pg_catalog.pg_publication AS p
                     LEFT JOIN pg_catalog.pg_publication_rel AS r ON r.prpubid = p.oid
                     LEFT JOIN pg_catalog.pg_class AS c ON c.oid = r.prrelid
                     LEFT JOIN pg_catalog.pg_publication_namespace AS s ON s.pnpubid = p.oid
                     WHERE p.puballtables OR c.oid = 'public.cometchat_users'::regclass
                        OR c.relnamespace = 'cometchat'::regnamespace
                        OR s.pnnspid IN ('public'::regnamespace, 'cometchat'::regnamespace));
BEGIN
  check_name := 'replication';
  -- Without one, and with a publication, Postgres refuses every UPDATE and DELETE.
  SELECT pg_catalog.string_agg(c.oid::regclass::text, ', '),
         pg_catalog.string_agg(pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY %s;', c.oid::regclass,
           CASE WHEN i.indexrelid IS NULL THEN 'FULL' ELSE 'DEFAULT' END), ' ')
    INTO detail, hint
  FROM pg_catalog.pg_class AS c
  LEFT JOIN pg_catalog.pg_index AS i ON i.indrelid = c.oid AND i.indisprimary
  WHERE c.relkind = 'r' AND (c.relnamespace = 'cometchat'::regnamespace
                             OR c.oid = 'public.cometchat_users'::regclass)
    AND (c.relreplident = 'n' OR (c.relreplident = 'd' AND i.indexrelid IS NULL)
         OR (c.relreplident = 'i' AND NOT EXISTS (SELECT FROM pg_catalog.pg_index AS x
                                                  WHERE x.indrelid = c.oid AND x.indisreplident)));
  ok := detail IS NULL;
  detail := COALESCE('no replica identity: ' || detail, 'every table has a replica identity')
            || COALESCE('; published by ' || published, '');
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_replication(jsonb) IS
  'The row of cometchat.health() about replica identities and publications of our tables.';

CREATE FUNCTION cometchat.health_jit(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  check_name := 'jit';
  -- Compiling a statement takes longer than it runs.
  SELECT pg_catalog.string_agg(p.oid::regprocedure::text, ', ' ORDER BY p.oid),
         pg_catalog.string_agg(pg_catalog.format('ALTER FUNCTION %s SET jit = off;', p.oid::regprocedure), ' '
                               ORDER BY p.oid)
    INTO detail, hint
  FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
  WHERE ((p.pronamespace = 'cometchat'::regnamespace AND l.lanname IN ('plpgsql', 'sql')
          AND p.prokind = 'f' AND p.proname <> 'on_auth_user_update')
         OR (p.pronamespace = 'public'::regnamespace
             AND p.proname IN ('cometchat_ensure_user', 'cometchat_refresh_token',
                               'cometchat_revoke_tokens')))
    AND NOT 'jit=off' = ANY (COALESCE(p.proconfig, '{}'));
  ok := detail IS NULL;
  detail := COALESCE('may compile their statements: ' || detail, 'off in the extension''s statements');
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_jit(jsonb) IS
  'The row of cometchat.health() about JIT, which the functions turn off for themselves.';

DROP FUNCTION cometchat.health_extension(jsonb);
-- src/sql.rs:28
-- requires:
--   health_server

-- Checks of the installation, for cometchat.health(): the role of the extension and its version.

CREATE FUNCTION cometchat.health_extension(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  check_name := 'extension role';
  SELECT NOT (r.rolcanlogin OR r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication
              OR r.rolbypassrls OR m.members IS NOT NULL),
         COALESCE('cometchat_ext has members or is a member: ' || m.members,
                  'cometchat_ext has no members' || CASE
                    WHEN r.rolcanlogin OR r.rolsuper OR r.rolcreaterole OR r.rolcreatedb
                         OR r.rolreplication OR r.rolbypassrls THEN ', but attributes'
                    ELSE ' and no attributes' END),
         CASE WHEN m.members IS NOT NULL
              THEN pg_catalog.format('REVOKE cometchat_ext FROM %s;', m.members)
              ELSE 'ALTER ROLE cometchat_ext NOLOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB '
                   'NOREPLICATION NOBYPASSRLS;' END
    INTO ok, detail, hint
  FROM pg_catalog.pg_roles AS r, LATERAL (
    SELECT pg_catalog.string_agg(pg_catalog.quote_ident(
             pg_catalog.pg_get_userbyid(CASE a.roleid WHEN r.oid THEN a.member ELSE a.roleid END)), ', ')
             AS members
    FROM pg_catalog.pg_auth_members AS a WHERE r.oid IN (a.roleid, a.member)) AS m
  WHERE r.rolname = 'cometchat_ext';
  hint := CASE WHEN NOT ok THEN hint END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_extension(jsonb) IS
  'The row of cometchat.health() about the role cometchat_ext.';

CREATE FUNCTION cometchat.health_versions(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  installed text := (SELECT e.extversion FROM pg_catalog.pg_extension AS e
                     WHERE e.extname = 'cometchat_ext');
  loaded text := facts #>> '{status,library_version}';
BEGIN
  check_name := 'versions';
  ok := installed = loaded;
  detail := pg_catalog.format('extension %s, library %s', installed, loaded);
  hint := CASE
    WHEN ok THEN NULL
    -- The package was updated, and the extension, but the server has the library of before in memory.
    WHEN pg_catalog.string_to_array(pg_catalog.regexp_replace(installed, '[^0-9.].*', ''), '.')::int[]
         > pg_catalog.string_to_array(pg_catalog.regexp_replace(loaded, '[^0-9.].*', ''), '.')::int[]
      THEN E'\\! pg_ctl restart # restart the server, with the library of ' || installed || ' installed'
    ELSE 'ALTER EXTENSION cometchat_ext UPDATE;' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_versions(jsonb) IS
  'The row of cometchat.health() about the versions of extension and library.';

-- Without the table nothing works.
CREATE FUNCTION cometchat.table_fault() RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  owner text := (SELECT pg_catalog.pg_get_userbyid(c.relowner) FROM pg_catalog.pg_class AS c
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                 WHERE n.nspname = 'public' AND c.relname = 'cometchat_users');
  elsewhere text := (SELECT pg_catalog.format('ALTER SCHEMA %I RENAME TO public;', n.nspname)
                     FROM pg_catalog.pg_class AS c
                     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                     JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_class'::regclass
                      AND d.objid = c.oid AND d.deptype = 'e'
                     WHERE c.relname = 'cometchat_users' AND n.nspname <> 'public');
  renamed text := (SELECT pg_catalog.format('ALTER TABLE %s RENAME TO cometchat_users;',
                                            c.oid::regclass)
                   FROM pg_catalog.pg_class AS c
                   JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_class'::regclass
                    AND d.objid = c.oid AND d.deptype = 'e'
                   JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'cometchat_ext'
                   WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
                     AND c.relname <> 'cometchat_users');
BEGIN
  IF owner IS NOT DISTINCT FROM 'cometchat_ext' THEN
    RETURN NULL;
  END IF;
  RETURN pg_catalog.jsonb_build_object(
    'check', 'table owner',
    'detail', COALESCE('public.cometchat_users belongs to ' || owner,
                       'public.cometchat_users does not exist'),
    'hint', CASE
      WHEN owner IS NULL THEN COALESCE(elsewhere, renamed,
        '-- Rename the table, or its schema, back to this name.')
      WHEN NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = 'cometchat_ext')
        THEN pg_catalog.format('ALTER ROLE %I RENAME TO cometchat_ext;', owner)
      ELSE 'ALTER TABLE public.cometchat_users OWNER TO cometchat_ext;' END);
END
$function$;
COMMENT ON FUNCTION cometchat.table_fault() IS
  'What is wrong with public.cometchat_users itself, for cometchat.health(); null if nothing is.';

-- src/sql.rs:29
-- requires:
--   native_health_extension

-- cometchat.health(): one row for each check. The checks themselves are in sql/health/, by topic.
--
-- It neither hangs nor raises: it waits a moment for a lock, and a check that fails is a row that says so.

CREATE OR REPLACE FUNCTION cometchat.health()
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

DROP FUNCTION cometchat.list_all_remote_users();
-- src/sql.rs:30
-- requires:
--   health

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

DROP FUNCTION cometchat.diff_remote_users();
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
CREATE OR REPLACE FUNCTION cometchat.resync_users(user_ids uuid[]) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  UPDATE cometchat.sync_state AS s
  SET sent_profile = NULL, sent_metadata = NULL, next_attempt_at = pg_catalog.now(),
      wanted_revision = s.wanted_revision + 1, attempts = 0, failed_at = NULL,
      backlog = s.backlog OR s.next_attempt_at IS NULL -- behind people, if they are not among them
  WHERE s.user_id = ANY (resync_users.user_ids)
$function$;

CREATE OR REPLACE FUNCTION cometchat.diff_all_auth_users(repair boolean)
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

CREATE OR REPLACE FUNCTION cometchat.list_missing_users(app_id text)
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

CREATE OR REPLACE FUNCTION cometchat.reconcile(repair boolean DEFAULT false)
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

-- src/sql.rs:32
-- requires:
--   native_public_api

-- What pg_dump saves. It leaves out the rows of an extension's tables unless told otherwise.
--
-- Not cometchat.control and the counter: a restored database starts without them. An operator's pause is in
-- a table of its own, since CREATE EXTENSION makes the one row of control, and a second cannot be loaded.

CREATE TABLE cometchat.pauses (
  paused_at timestamptz PRIMARY KEY
);
COMMENT ON TABLE cometchat.pauses IS
  'One row while cometchat.pause() is in force: what pg_dump saves of it. A restored database is paused, too.';
COMMENT ON COLUMN cometchat.pauses.paused_at IS 'When it was called.';

CREATE FUNCTION cometchat.on_pause_changed() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  IF NEW.paused THEN
    INSERT INTO cometchat.pauses (paused_at) VALUES (COALESCE(NEW.paused_at, pg_catalog.now()))
    ON CONFLICT DO NOTHING;
  ELSE
    DELETE FROM cometchat.pauses AS p WHERE p.paused_at IS NOT NULL;
  END IF;
  RETURN NULL;
END
$function$;
COMMENT ON FUNCTION cometchat.on_pause_changed() IS
  'Trigger function: notes for pg_dump that cometchat.pause() or resume() was called.';

CREATE FUNCTION cometchat.on_pause_restored() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  UPDATE cometchat.control AS c SET paused = true, paused_at = NEW.paused_at
  WHERE c.only_row AND NOT c.paused;
  RETURN NULL;
END
$function$;
COMMENT ON FUNCTION cometchat.on_pause_restored() IS
  'Trigger function: pauses a database into which a pause is loaded.';

CREATE TRIGGER cometchat_pause AFTER UPDATE OF paused ON cometchat.control
FOR EACH ROW WHEN (OLD.paused IS DISTINCT FROM NEW.paused) EXECUTE FUNCTION cometchat.on_pause_changed();

CREATE TRIGGER cometchat_pause AFTER INSERT ON cometchat.pauses
FOR EACH ROW EXECUTE FUNCTION cometchat.on_pause_restored();

-- Tools load data with session_replication_role = replica. (Not so the other: where both tables are replicated, the
-- subscriber's row comes from the publisher.)
ALTER TABLE cometchat.pauses ENABLE ALWAYS TRIGGER cometchat_pause;

SELECT pg_catalog.pg_extension_config_dump('cometchat.running_backfill', '');

SELECT pg_catalog.pg_extension_config_dump('cometchat.home', '');

SELECT pg_catalog.pg_extension_config_dump('cometchat.pauses', '');

-- Of the versions before.
DROP FUNCTION cometchat.health_api(jsonb, jsonb);
DROP FUNCTION cometchat.health_auth_trigger();
DROP FUNCTION cometchat.health_auth_users();
DROP FUNCTION cometchat.health_missed_changes();
DROP FUNCTION cometchat.health_foreign_key();
DROP FUNCTION cometchat.health_queue();

-- Privileges of the objects that are new, as in ../grants.sql: first no role has any, then the right ones get theirs.
-- Objects that were there keep what they have, which an operator may have changed.
DO $block$
DECLARE
  new_routines pg_catalog.regprocedure[] := ARRAY[
    'cometchat.request_stats()',
    'cometchat.reset_stats()',
    'cometchat.describe_user(uuid, text)',
    'cometchat.clear_warnings()',
    'cometchat.cron_job()',
    'cometchat.compare_remote_page(integer)',
    'cometchat.show_progress(text)',
    'cometchat.probe_api()',
    'cometchat.create_policies()',
    'cometchat.is_copy()',
    'cometchat.settle_here()',
    'cometchat.mark_backlog(uuid[])',
    'cometchat.continue_backfill(text, integer)',
    'cometchat.has_pending()',
    'cometchat.wait_until_synced(interval)',
    'cometchat.explain_user(uuid)',
    'cometchat.setting_command(jsonb, text, text)',
    'cometchat.reset_commands(text, text)',
    'cometchat.setting_facts()',
    'cometchat.lock_facts()',
    'cometchat.terminator()',
    'cometchat.grant_facts()',
    'cometchat.catalog_facts()',
    'cometchat.health_checks()',
    'cometchat.own_grants_fault(jsonb)',
    'cometchat.broken_check(text, text, text, jsonb)',
    'cometchat.health_locks(jsonb)',
    'cometchat.health_configuration(jsonb)',
    'cometchat.region_hint(jsonb)',
    'cometchat.health_answer(jsonb)',
    'cometchat.health_sending(jsonb)',
    'cometchat.health_rate_limit(jsonb)',
    'cometchat.allowance(jsonb)',
    'cometchat.health_recent(jsonb)',
    'cometchat.health_worker(jsonb)',
    'cometchat.health_process_queue(jsonb)',
    'cometchat.health_write_access(jsonb)',
    'cometchat.health_auth_trigger(jsonb)',
    'cometchat.health_auth_users(jsonb)',
    'cometchat.health_missed_changes(jsonb)',
    'cometchat.health_foreign_key(jsonb)',
    'cometchat.health_missed_sign_ups(jsonb)',
    'cometchat.health_trigger_errors(jsonb)',
    'cometchat.health_queue(jsonb)',
    'cometchat.health_failed_users(jsonb)',
    'cometchat.health_grants(jsonb)',
    'cometchat.health_row_security(jsonb)',
    'cometchat.health_triggers(jsonb)',
    'cometchat.health_replication(jsonb)',
    'cometchat.health_jit(jsonb)',
    'cometchat.health_extension(jsonb)',
    'cometchat.health_versions(jsonb)',
    'cometchat.table_fault()',
    'cometchat.list_all_remote_users()',
    'cometchat.diff_remote_users()',
    'cometchat.is_unchanged(uuid, bigint)',
    'cometchat.on_pause_changed()',
    'cometchat.on_pause_restored()'
  ]::pg_catalog.regprocedure[];
  new_relations pg_catalog.regclass[] := ARRAY[
    'cometchat.home',
    'cometchat.running_backfill',
    'cometchat.stats_requests',
    'cometchat.stats_latency',
    'cometchat.sending_status',
    'cometchat.attempts',
    'cometchat.reconcile_progress',
    'cometchat.pauses'
  ]::pg_catalog.regclass[];
  object record;
  grantee text;
BEGIN
  FOR object IN
    SELECT 'ROUTINE' AS kind, p.oid::pg_catalog.regprocedure::text AS name, a.grantee
    FROM pg_catalog.pg_proc AS p,
         pg_catalog.aclexplode(COALESCE(p.proacl, pg_catalog.acldefault('f', p.proowner))) AS a
    WHERE p.oid = ANY (new_routines) AND a.grantee <> p.proowner
    UNION
    SELECT 'TABLE', c.oid::pg_catalog.regclass::text, a.grantee
    FROM pg_catalog.pg_class AS c,
         pg_catalog.aclexplode(COALESCE(c.relacl, pg_catalog.acldefault('r', c.relowner))) AS a
    WHERE c.oid = ANY (new_relations) AND a.grantee <> c.relowner
  LOOP
    EXECUTE pg_catalog.format('REVOKE ALL ON %s %s FROM %s CASCADE', object.kind, object.name,
      CASE object.grantee WHEN 0 THEN 'PUBLIC' ELSE object.grantee::pg_catalog.regrole::text END);
  END LOOP;
  FOR grantee IN
    SELECT rolname FROM pg_catalog.pg_roles WHERE rolname IN ('postgres', 'service_role') AND NOT rolsuper
  LOOP
    EXECUTE pg_catalog.format('GRANT SELECT ON cometchat.stats_requests, cometchat.stats_latency, cometchat.attempts, '
      'cometchat.running_backfill, cometchat.reconcile_progress, cometchat.home TO %I', grantee);
    EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION cometchat.explain_user(uuid), cometchat.request_stats(), '
      'cometchat.is_copy(), cometchat.has_pending(), cometchat.clear_warnings() TO %I', grantee);
    EXECUTE pg_catalog.format('GRANT EXECUTE ON PROCEDURE cometchat.wait_until_synced(interval) TO %I', grantee);
  END LOOP;
  GRANT USAGE ON SCHEMA cometchat TO pg_monitor;
  GRANT SELECT ON cometchat.progress, cometchat.stats, cometchat.stats_requests, cometchat.stats_latency,
    cometchat.home TO pg_monitor;
  GRANT EXECUTE ON FUNCTION cometchat.worker_status(), cometchat.request_stats(), cometchat.is_copy() TO pg_monitor;
  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'postgres' AND NOT rolsuper) THEN
    GRANT EXECUTE ON FUNCTION cometchat.reset_stats() TO postgres;
    GRANT SELECT ON cometchat.pauses TO postgres;
    GRANT UPDATE ON SEQUENCE public.cometchat_users_id_seq TO postgres;
  END IF;
END
$block$;
-- As in ../native/grants.sql.
GRANT SELECT, INSERT, UPDATE, DELETE ON cometchat.running_backfill, cometchat.home TO cometchat_ext;
GRANT SELECT ON cometchat.attempts, cometchat.sending_status TO cometchat_ext;
GRANT SELECT, INSERT, DELETE ON cometchat.pauses TO cometchat_ext;
GRANT EXECUTE ON FUNCTION
  cometchat.allowance(jsonb),
  cometchat.broken_check(text, text, text, jsonb),
  cometchat.compare_remote_page(integer),
  cometchat.continue_backfill(text, integer),
  cometchat.describe_user(uuid, text),
  cometchat.cron_job(),
  cometchat.diff_remote_users(),
  cometchat.health_answer(jsonb),
  cometchat.health_auth_trigger(jsonb),
  cometchat.health_auth_users(jsonb),
  cometchat.health_checks(),
  cometchat.health_configuration(jsonb),
  cometchat.health_extension(jsonb),
  cometchat.health_failed_users(jsonb),
  cometchat.health_foreign_key(jsonb),
  cometchat.health_grants(jsonb),
  cometchat.health_jit(jsonb),
  cometchat.health_locks(jsonb),
  cometchat.health_missed_changes(jsonb),
  cometchat.health_missed_sign_ups(jsonb),
  cometchat.health_process_queue(jsonb),
  cometchat.health_queue(jsonb),
  cometchat.health_rate_limit(jsonb),
  cometchat.health_recent(jsonb),
  cometchat.health_replication(jsonb),
  cometchat.health_row_security(jsonb),
  cometchat.health_sending(jsonb),
  cometchat.health_trigger_errors(jsonb),
  cometchat.health_triggers(jsonb),
  cometchat.health_versions(jsonb),
  cometchat.health_worker(jsonb),
  cometchat.is_copy(),
  cometchat.is_unchanged(uuid, bigint),
  cometchat.health_write_access(jsonb),
  cometchat.list_all_remote_users(),
  cometchat.mark_backlog(uuid[]),
  cometchat.probe_api(),
  cometchat.region_hint(jsonb),
  cometchat.request_stats(),
  cometchat.reset_commands(text, text),
  cometchat.settle_here(),
  cometchat.show_progress(text),
  cometchat.setting_command(jsonb, text, text)
TO cometchat_ext;

-- An operator's pause, for the next dump. (The trigger that notes it comes too late for this one.)
INSERT INTO cometchat.pauses (paused_at)
SELECT COALESCE(c.paused_at, pg_catalog.now()) FROM cometchat.control AS c WHERE c.paused;

-- An event trigger, or a script that hardens a database, may turn row security on for every table there is. These
-- belong to the superuser, so it would apply to the extension.
DO $block$
DECLARE
  ours name;
BEGIN
  FOR ours IN SELECT c.relname FROM pg_catalog.pg_class AS c
              WHERE c.relnamespace = 'cometchat'::pg_catalog.regnamespace AND c.relkind = 'r' LOOP
    EXECUTE pg_catalog.format('ALTER TABLE cometchat.%I DISABLE ROW LEVEL SECURITY', ours);
    EXECUTE pg_catalog.format('CREATE POLICY cometchat_extension ON cometchat.%I TO cometchat_ext '
      'USING (true) WITH CHECK (true)', ours);
    EXECUTE pg_catalog.format('COMMENT ON POLICY cometchat_extension ON cometchat.%I IS %L', ours,
      'The extension itself sees and changes every row, should somebody turn row security on.');
  END LOOP;
END
$block$;
