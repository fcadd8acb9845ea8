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

CREATE FUNCTION cometchat.on_auth_user_insert() RETURNS trigger
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
COMMENT ON FUNCTION cometchat.on_auth_user_insert() IS
  'Trigger function: queues a user who signed up. Never raises: it warns and counts.';

CREATE FUNCTION cometchat.enqueue_changed_user(old_row record, new_row record) RETURNS void
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
COMMENT ON FUNCTION cometchat.enqueue_changed_user(record, record) IS
  'Queues a user whose row in auth.users changed. Never raises: it warns and counts.';

-- SECURITY: runs at every login, and has no SET clause, which would cost as much as all the rest. So its
-- body has two calls of functions by their full names, with exactly their types, and neither an operator
-- nor a type that others could define; tests/scenarios/tests/linter.rs pins it word by word.
CREATE FUNCTION cometchat.on_auth_user_update() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
AS $function$
BEGIN
  IF cometchat.auth_user_differs(OLD, NEW) THEN
    PERFORM cometchat.enqueue_changed_user(OLD, NEW);
  END IF;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  BEGIN
    PERFORM cometchat.enqueue_changed_user(OLD, NEW); -- the library is missing: the user may have changed
  EXCEPTION WHEN OTHERS THEN
    NULL;
  END;
  RETURN NULL;
END
$function$;
COMMENT ON FUNCTION cometchat.on_auth_user_update() IS
  'Trigger function: queues a user if a column that matters changed; cheap at a login. Never raises.';

-- BEFORE DELETE: the cascade deletes the mapping before an AFTER trigger could read it. The deletion may
-- still be refused, by a trigger of others or a foreign key: the worker then finds the user, and nothing
-- is wiped here.
CREATE FUNCTION cometchat.on_auth_user_before_delete() RETURNS trigger
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
COMMENT ON FUNCTION cometchat.on_auth_user_before_delete() IS
  'Trigger function: queues the deletion of a user, with the uid. Never raises.';

-- AFTER DELETE: the deletion has happened. It does not wait for a lock: the next one who handles the user
-- wipes the same columns.
CREATE FUNCTION cometchat.on_auth_user_after_delete() RETURNS trigger
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
      AND num_nonnulls(s.overrides, s.name_argument, s.name_argument_base, s.email_argument,
                       s.email_argument_base, s.error_message) > 0
      -- A row that moves to another partition is deleted from the one where it was.
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c
                      WHERE c.oid = TG_RELID AND c.relispartition);
  END IF;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  RETURN NULL;
END
$function$;
COMMENT ON FUNCTION cometchat.on_auth_user_after_delete() IS
  'Trigger function: wipes the personal data of a deleted user: overrides, name, e-mail. Never raises.';

-- BEFORE TRUNCATE of auth.users or one of its partitions, and of public.cometchat_users, which
-- TRUNCATE ... CASCADE empties: every known user is queued. For users who still exist this changes nothing.
CREATE FUNCTION cometchat.on_truncate() RETURNS trigger
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
COMMENT ON FUNCTION cometchat.on_truncate() IS
  'Trigger function: queues every known user when auth.users or cometchat_users is truncated. Never raises.';

CREATE TRIGGER cometchat_truncate BEFORE TRUNCATE ON public.cometchat_users
FOR EACH STATEMENT EXECUTE FUNCTION cometchat.on_truncate();
