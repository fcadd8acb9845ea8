-- The triggers on auth.users: one cheap write, and nothing that goes wrong here reaches the sign-up.
--
-- plpgsql, so that a missing library cannot break it: what cannot be queued is noted in
-- cometchat.trigger_misses. Queueing and waking are separate blocks: what fails in one does not undo the other.
--
-- No column is named where a trigger is created (src/store/attach.rs), neither in UPDATE OF nor in WHEN:
-- Postgres would let nobody change its type or drop it, and one that is added later would go unseen.
--
-- They fire for the origin of a change only, as triggers do: what a replica applies, or a restore brings,
-- has been told by its origin, and would be a flood. reconcile() finds who is to be told all the same.
--
-- SECURITY: definers with a fixed search_path that take on the rights of cometchat_ext before they touch
-- a table. They belong to the superuser: code that runs as cometchat_ext, a trigger on our tables say,
-- must not be able to alter them. EXECUTE on a trigger function is checked when the trigger is created,
-- not when it fires.

CREATE INDEX sync_state_due ON cometchat.sync_state (next_attempt_at)
  WHERE next_attempt_at IS NOT NULL AND claim IS NULL;
CREATE INDEX sync_state_claimed ON cometchat.sync_state (claim) WHERE claim IS NOT NULL;
CREATE INDEX sync_state_failed ON cometchat.sync_state (failed_at) WHERE failed_at IS NOT NULL;
ALTER TABLE cometchat.sync_state SET (
  autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
  autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 1
);

CREATE FUNCTION cometchat.auth_users_has_uuid() RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute AS a
                 WHERE a.attrelid = cometchat.auth_users() AND a.attname = 'id'
                   AND a.atttypid = 'uuid'::regtype AND NOT a.attisdropped)
$function$;
COMMENT ON FUNCTION cometchat.auth_users_has_uuid() IS 'Whether auth.users has an id of type uuid.';

-- IMMUTABLE: of the two rows alone, so that plpgsql need not take a snapshot for it.
CREATE FUNCTION cometchat.auth_user_differs(old record, new record) RETURNS boolean
LANGUAGE c IMMUTABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_auth_user_differs_wrapper';
COMMENT ON FUNCTION cometchat.auth_user_differs(record, record) IS
  'Whether two versions of a row of auth.users differ in what concerns us; compares stored values.';

CREATE FUNCTION cometchat.on_auth_user_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '100ms'
AS $function$
BEGIN
  BEGIN
    PERFORM cometchat.restrict();
    -- SECURITY: an id of the table owner's own type would be cast by the owner's function, here with
    -- our rights. (plpgsql plans a statement only when it comes to it.)
    IF pg_catalog.pg_typeof(NEW.id) <> 'uuid'::regtype THEN
      RAISE datatype_mismatch USING MESSAGE = 'auth.users.id is not of type uuid';
    END IF;
    INSERT INTO cometchat.sync_state AS s (user_id, wanted_revision, next_attempt_at)
    VALUES (NEW.id, 1, pg_catalog.now())
    ON CONFLICT (user_id) DO UPDATE
    SET wanted_revision = s.wanted_revision + 1, next_attempt_at = pg_catalog.now(),
        attempts = 0, failed_at = NULL;
  EXCEPTION WHEN OTHERS THEN
    IF pg_catalog.pg_typeof(NEW.id) = 'uuid'::regtype THEN
      PERFORM cometchat.record_trigger_failure(SQLSTATE, SQLERRM, NEW.id, false);
    ELSE
      PERFORM cometchat.record_trigger_failure(SQLSTATE, SQLERRM, NULL, false);
    END IF;
  END;
  BEGIN
    PERFORM cometchat.wake();
  EXCEPTION WHEN OTHERS THEN
    NULL; -- no library: the row is there, and whoever looks next finds it
  END;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  RETURN NULL;
END
$function$;
COMMENT ON FUNCTION cometchat.on_auth_user_change() IS
  'Queues a user who signed up. Never raises: it warns and counts.';

CREATE FUNCTION cometchat.auth_user_changed(old_row record, new_row record) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '100ms'
AS $function$
DECLARE
  users uuid[];
BEGIN
  BEGIN
    -- SECURITY: as above.
    IF pg_catalog.pg_typeof(new_row.id) = 'uuid'::regtype THEN
      -- Another id: one user is gone, and another there.
      users := CASE WHEN old_row.id <> new_row.id THEN ARRAY[old_row.id, new_row.id]
                    ELSE ARRAY[new_row.id] END;
    ELSE
      RAISE datatype_mismatch USING MESSAGE = 'auth.users.id is not of type uuid';
    END IF;
    PERFORM cometchat.restrict();
    INSERT INTO cometchat.sync_state AS s (user_id, wanted_revision, next_attempt_at)
    SELECT u.id, 1, pg_catalog.now() FROM pg_catalog.unnest(users) AS u(id)
    ON CONFLICT (user_id) DO UPDATE
    SET wanted_revision = s.wanted_revision + 1, next_attempt_at = pg_catalog.now(),
        attempts = 0, failed_at = NULL;
  EXCEPTION WHEN OTHERS THEN
    PERFORM cometchat.record_trigger_failure(SQLSTATE, SQLERRM, users[1], false);
    IF users[2] IS NOT NULL THEN
      PERFORM cometchat.record_trigger_failure(SQLSTATE, SQLERRM, users[2], false);
    END IF;
  END;
  BEGIN
    PERFORM cometchat.wake();
  EXCEPTION WHEN OTHERS THEN
    NULL;
  END;
EXCEPTION WHEN OTHERS THEN
  NULL;
END
$function$;
COMMENT ON FUNCTION cometchat.auth_user_changed(record, record) IS
  'Queues a user who changed. Never raises: it warns and counts.';

-- Runs at every login. Without a SET clause, which costs as much as all the rest: so its body, which the
-- tests know by heart, has two calls of functions by their full names, with exactly their types, and
-- neither an operator nor a type that could be somebody else's.
CREATE FUNCTION cometchat.on_auth_user_update() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
AS $function$
BEGIN
  IF cometchat.auth_user_differs(OLD, NEW) THEN
    PERFORM cometchat.auth_user_changed(OLD, NEW);
  END IF;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  BEGIN
    PERFORM cometchat.auth_user_changed(OLD, NEW); -- no library: it may have changed
  EXCEPTION WHEN OTHERS THEN
    NULL;
  END;
  RETURN NULL;
END
$function$;
COMMENT ON FUNCTION cometchat.on_auth_user_update() IS
  'Queues a user who changed in what concerns us; a login costs next to nothing. Never raises.';

-- SECURITY: whoever owns the database may rename the schema public, and make another.
CREATE FUNCTION cometchat.mapping_is_ours() RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT EXISTS (SELECT FROM pg_catalog.pg_class AS c
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                 WHERE n.nspname = 'public' AND c.relname = 'cometchat_users' AND c.relkind = 'r'
                   AND pg_catalog.pg_get_userbyid(c.relowner) = 'cometchat_ext')
$function$;
COMMENT ON FUNCTION cometchat.mapping_is_ours() IS
  'Whether public.cometchat_users is the table of the role cometchat_ext.';

-- BEFORE DELETE: the cascade removes the mapping before an AFTER trigger could read it. It may still be
-- refused, by a trigger of others or a foreign key: the user is looked at once more, and nothing is wiped.
CREATE FUNCTION cometchat.on_auth_user_delete() RETURNS trigger
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
    IF cometchat.mapping_is_ours() THEN
      SELECT u.cometchat_uid INTO uid FROM public.cometchat_users AS u WHERE u.user_id = OLD.id;
    END IF;
    INSERT INTO cometchat.sync_state AS s (user_id, cometchat_uid, wanted_revision, next_attempt_at)
    VALUES (OLD.id, uid, 1, pg_catalog.now())
    ON CONFLICT (user_id) DO UPDATE
    SET cometchat_uid = COALESCE(EXCLUDED.cometchat_uid, s.cometchat_uid),
        wanted_revision = s.wanted_revision + 1, next_attempt_at = pg_catalog.now(),
        attempts = 0, failed_at = NULL;
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
COMMENT ON FUNCTION cometchat.on_auth_user_delete() IS
  'Queues the farewell of a user who is being deleted. Never raises.';

-- AFTER DELETE: now it is a fact. It waits for nobody: whoever handles the user next wipes the same.
CREATE FUNCTION cometchat.on_auth_user_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '1ms'
AS $function$
BEGIN
  PERFORM cometchat.restrict();
  -- SECURITY: as above.
  IF pg_catalog.pg_typeof(OLD.id) = 'uuid'::regtype THEN
    UPDATE cometchat.sync_state AS s
    SET overrides = NULL, name_argument = NULL, name_argument_base = NULL,
        email_argument = NULL, email_argument_base = NULL, error_message = NULL
    WHERE s.user_id = OLD.id
      AND num_nonnulls(s.overrides, s.name_argument, s.name_argument_base, s.email_argument, s.email_argument_base,
                       s.error_message) > 0
      -- A row that moves to another partition is deleted from the one where it was.
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c
                      WHERE c.oid = TG_RELID AND c.relispartition);
  END IF;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  RETURN NULL;
END
$function$;
COMMENT ON FUNCTION cometchat.on_auth_user_deleted() IS
  'Wipes what is a deleted user''s own: overrides, chosen name, e-mail address. Never raises.';

-- BEFORE TRUNCATE, also of public.cometchat_users, which TRUNCATE ... CASCADE empties, of a partition of
-- auth.users too: whom we know is looked at once more. Who is still there loses nothing by it.
CREATE FUNCTION cometchat.on_truncate() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '100ms'
AS $function$
BEGIN
  BEGIN
    PERFORM cometchat.restrict();
    IF cometchat.mapping_is_ours() THEN
      INSERT INTO cometchat.sync_state AS s (user_id, cometchat_uid, wanted_revision, next_attempt_at)
      SELECT u.user_id, u.cometchat_uid, 1, pg_catalog.now() FROM public.cometchat_users AS u
      ON CONFLICT (user_id) DO UPDATE
      SET cometchat_uid = EXCLUDED.cometchat_uid,
          wanted_revision = s.wanted_revision + 1, next_attempt_at = pg_catalog.now(),
          attempts = 0, failed_at = NULL
      -- One statement may fire it twice.
      WHERE s.next_attempt_at IS DISTINCT FROM pg_catalog.now();
    END IF;
    UPDATE cometchat.sync_state AS s
    SET wanted_revision = s.wanted_revision + 1, next_attempt_at = pg_catalog.now(),
        attempts = 0, failed_at = NULL
    WHERE s.next_attempt_at IS DISTINCT FROM pg_catalog.now()
      -- not who was deleted and told of before
      AND (NOT s.deactivated OR s.next_attempt_at IS NOT NULL OR s.claim IS NOT NULL
           OR s.failed_at IS NOT NULL);
  EXCEPTION WHEN OTHERS THEN
    PERFORM cometchat.record_trigger_failure(SQLSTATE, SQLERRM, NULL, true);
    PERFORM cometchat.note_all();
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
COMMENT ON FUNCTION cometchat.on_truncate() IS
  'Queues everybody who is known when auth.users or cometchat_users is truncated. Never raises.';

CREATE TRIGGER cometchat_truncate BEFORE TRUNCATE ON public.cometchat_users
FOR EACH STATEMENT EXECUTE FUNCTION cometchat.on_truncate();

CREATE FUNCTION cometchat.record_trigger_failure(code text, message text, user_id uuid, deleted boolean)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '100ms'
AS $function$
DECLARE
  whom uuid := record_trigger_failure.user_id;
  restricted boolean := false;
  uid text;
BEGIN
  BEGIN
    PERFORM cometchat.restrict();
    restricted := true;
  EXCEPTION WHEN OTHERS THEN
    NULL; -- no library
  END;
  IF whom IS NOT NULL THEN
    -- SECURITY: not with a superuser's rights. Without the uid the state's own serves.
    IF restricted AND record_trigger_failure.deleted THEN
      BEGIN
        IF cometchat.mapping_is_ours() THEN
          SELECT u.cometchat_uid INTO uid FROM public.cometchat_users AS u WHERE u.user_id = whom;
        END IF;
      EXCEPTION WHEN OTHERS THEN
        NULL; -- it may be locked
      END;
    END IF;
    BEGIN
      INSERT INTO cometchat.trigger_misses (user_id, cometchat_uid) VALUES (whom, uid);
    EXCEPTION WHEN OTHERS THEN
      NULL;
    END;
  END IF;
  BEGIN
    PERFORM pg_catalog.nextval('cometchat.trigger_failures');
  EXCEPTION WHEN OTHERS THEN
    NULL;
  END;
  RAISE WARNING 'a user could not be queued for CometChat'
    USING DETAIL = pg_catalog.format('%s: %s', code, message),
          HINT = 'The worker, or cometchat.backfill(), finds the user later.';
END
$function$;
COMMENT ON FUNCTION cometchat.record_trigger_failure(text, text, uuid, boolean) IS
  'Warns of, counts, and notes in cometchat.trigger_misses what the trigger must not raise.';

CREATE FUNCTION cometchat.note_all() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '100ms'
AS $function$
BEGIN
  BEGIN
    -- SECURITY: as above.
    PERFORM cometchat.restrict();
    IF cometchat.mapping_is_ours() THEN
      INSERT INTO cometchat.trigger_misses (user_id, cometchat_uid)
      SELECT u.user_id, u.cometchat_uid FROM public.cometchat_users AS u;
    END IF;
  EXCEPTION WHEN OTHERS THEN
    NULL;
  END;
  BEGIN
    INSERT INTO cometchat.trigger_misses (user_id) SELECT s.user_id FROM cometchat.sync_state AS s;
  EXCEPTION WHEN OTHERS THEN
    NULL; -- it may be locked
  END;
END
$function$;
COMMENT ON FUNCTION cometchat.note_all() IS 'Notes everybody who is known in cometchat.trigger_misses.';

-- Whoever's state is locked stays in the list: one must not hold up the others.
CREATE FUNCTION cometchat.requeue_missed() RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '100ms'
AS $function$
DECLARE
  free uuid[];
  queued bigint;
BEGIN
  free := ARRAY(SELECT s.user_id FROM cometchat.sync_state AS s
                WHERE s.user_id IN (SELECT m.user_id FROM cometchat.trigger_misses AS m)
                FOR UPDATE OF s SKIP LOCKED)
       || ARRAY(SELECT DISTINCT m.user_id FROM cometchat.trigger_misses AS m
                WHERE NOT EXISTS (SELECT FROM cometchat.sync_state AS s
                                  WHERE s.user_id = m.user_id));
  WITH missed AS (
    DELETE FROM cometchat.trigger_misses AS m WHERE m.user_id = ANY (free)
    RETURNING m.user_id, m.cometchat_uid
  ), users AS MATERIALIZED (
    SELECT m.user_id, pg_catalog.max(m.cometchat_uid) AS cometchat_uid
    FROM missed AS m GROUP BY m.user_id
  ), queue AS (
    INSERT INTO cometchat.sync_state AS s (user_id, cometchat_uid, wanted_revision, next_attempt_at)
    SELECT u.user_id, u.cometchat_uid, 1, pg_catalog.now() FROM users AS u ORDER BY u.user_id
    ON CONFLICT (user_id) DO UPDATE
    SET cometchat_uid = COALESCE(EXCLUDED.cometchat_uid, s.cometchat_uid),
        wanted_revision = s.wanted_revision + 1, next_attempt_at = pg_catalog.now(),
        attempts = 0, failed_at = NULL
  )
  SELECT count(*) INTO queued FROM users AS u;
  RETURN queued;
END
$function$;
COMMENT ON FUNCTION cometchat.requeue_missed() IS
  'Queues the users of cometchat.trigger_misses whose state is not locked; says how many.';

-- For an app's own table, say a profiles table: AFTER INSERT OR UPDATE ... FOR EACH ROW
-- EXECUTE FUNCTION cometchat.enqueue_row('user_id').
CREATE FUNCTION cometchat.enqueue_row() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '100ms'
AS $function$
DECLARE
  changed uuid;
  source text := COALESCE(TG_ARGV[0], 'id');
  kind oid;
BEGIN
  BEGIN
    PERFORM cometchat.restrict();
    -- SECURITY: a column of the table owner's own type would be cast by the owner's function, here
    -- with our rights.
    SELECT a.atttypid INTO kind FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = TG_RELID AND a.attname = source AND a.attnum > 0 AND NOT a.attisdropped;
    IF kind IS NULL OR kind <> ALL (ARRAY['uuid', 'text', 'varchar']::regtype[]) THEN
      RAISE datatype_mismatch USING MESSAGE =
        pg_catalog.format('column "%s" of %s is not of type uuid', source, TG_RELID::regclass);
    END IF;
    IF TG_OP = 'DELETE' THEN
      EXECUTE pg_catalog.format('SELECT ($1).%I', source) INTO changed USING OLD;
    ELSE
      EXECUTE pg_catalog.format('SELECT ($1).%I', source) INTO changed USING NEW;
    END IF;
    IF changed IS NOT NULL THEN
      INSERT INTO cometchat.sync_state AS s (user_id, wanted_revision, next_attempt_at)
      VALUES (changed, 1, pg_catalog.now())
      ON CONFLICT (user_id) DO UPDATE
      SET wanted_revision = s.wanted_revision + 1, next_attempt_at = pg_catalog.now(),
          attempts = 0, failed_at = NULL;
    END IF;
  EXCEPTION WHEN OTHERS THEN
    PERFORM cometchat.record_trigger_failure(SQLSTATE, SQLERRM, changed, false);
  END;
  BEGIN
    PERFORM cometchat.wake();
  EXCEPTION WHEN OTHERS THEN
    NULL;
  END;
  RETURN CASE WHEN TG_WHEN = 'AFTER' THEN NULL WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
EXCEPTION WHEN OTHERS THEN
  RETURN CASE WHEN TG_WHEN = 'AFTER' THEN NULL WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END
$function$;
COMMENT ON FUNCTION cometchat.enqueue_row() IS
  'Trigger function for an app''s own table: queues the user whose id is in the column named by '
  'the argument (default id). Never raises.';

CREATE FUNCTION cometchat.enable_auth_trigger() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '2s'
AS $function$
BEGIN
  PERFORM cometchat.restrict();
  IF NOT cometchat.has_auth_users() THEN
    RAISE undefined_table USING MESSAGE = 'there is no table auth.users',
      HINT = 'For a table of your own use a trigger with cometchat.enqueue_row().';
  END IF;
  IF NOT cometchat.auth_users_has_uuid() THEN
    RAISE datatype_mismatch USING MESSAGE = 'auth.users has no column id of type uuid',
      HINT = 'Users are known by their uuid. ALTER TABLE auth.users ALTER COLUMN id TYPE uuid USING id::uuid;';
  END IF;
  PERFORM cometchat.create_triggers();
  PERFORM cometchat.add_foreign_key();
EXCEPTION WHEN lock_not_available THEN
  RAISE lock_not_available USING MESSAGE = 'auth.users is locked by another session',
    HINT = 'Nothing was changed. Try again in a moment.';
END
$function$;
COMMENT ON FUNCTION cometchat.enable_auth_trigger() IS
  'From now on sign-ups, profile changes and deletions in auth.users reach CometChat by themselves.';

CREATE FUNCTION cometchat.disable_auth_trigger() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '2s'
AS $function$
BEGIN
  PERFORM cometchat.restrict();
  PERFORM cometchat.drop_triggers();
  -- Where there is no such table, this says that there need not be one any more.
  UPDATE cometchat.control SET expects_auth_users = false
  WHERE only_row AND expects_auth_users AND cometchat.auth_users() IS NULL;
EXCEPTION WHEN lock_not_available THEN
  RAISE lock_not_available USING MESSAGE = 'auth.users is locked by another session',
    HINT = 'Nothing was changed. Try again in a moment.';
END
$function$;
COMMENT ON FUNCTION cometchat.disable_auth_trigger() IS
  'Detaches the extension from auth.users; what is queued is still sent.';
