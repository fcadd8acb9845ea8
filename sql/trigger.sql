-- The trigger on auth.users: one cheap write, and nothing that goes wrong here reaches the sign-up.
--
-- plpgsql, so that a missing library cannot break it: what cannot be queued is noted in
-- cometchat.missed. Queueing and waking are separate blocks: what fails in one does not undo the other.
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

CREATE FUNCTION cometchat.on_auth_user_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms'
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
      PERFORM cometchat.swallow(SQLSTATE, SQLERRM, NEW.id, false);
    ELSE
      PERFORM cometchat.swallow(SQLSTATE, SQLERRM, NULL, false);
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
  'Queues a user who signed up or changed. Never raises: it warns and counts.';

-- SECURITY: whoever owns the database may rename the schema public, and make another.
CREATE FUNCTION cometchat.mapping_is_ours() RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
  SELECT EXISTS (SELECT FROM pg_catalog.pg_class AS c
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                 WHERE n.nspname = 'public' AND c.relname = 'cometchat_users' AND c.relkind = 'r'
                   AND pg_catalog.pg_get_userbyid(c.relowner) = 'cometchat_ext')
$function$;
COMMENT ON FUNCTION cometchat.mapping_is_ours() IS
  'Whether public.cometchat_users is the table of the role cometchat_ext.';

-- BEFORE DELETE: the cascade removes the mapping before an AFTER trigger could read it.
CREATE FUNCTION cometchat.on_auth_user_delete() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms'
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
        -- names and e-mail addresses do not outlive the user
        overrides = NULL, name_argument = NULL, name_basis = NULL,
        email_argument = NULL, email_basis = NULL, error_message = NULL,
        wanted_revision = s.wanted_revision + 1, next_attempt_at = pg_catalog.now(),
        attempts = 0, failed_at = NULL;
  EXCEPTION WHEN OTHERS THEN
    IF pg_catalog.pg_typeof(OLD.id) = 'uuid'::regtype THEN
      PERFORM cometchat.swallow(SQLSTATE, SQLERRM, OLD.id, true);
    ELSE
      PERFORM cometchat.swallow(SQLSTATE, SQLERRM, NULL, true);
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
  'Queues the farewell of a user who is being deleted and wipes name and e-mail. Never raises.';

CREATE FUNCTION cometchat.swallow(code text, message text, user_id uuid, deleted boolean)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms'
AS $function$
DECLARE
  whom uuid := swallow.user_id;
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
    IF restricted AND swallow.deleted THEN
      BEGIN
        IF cometchat.mapping_is_ours() THEN
          SELECT u.cometchat_uid INTO uid FROM public.cometchat_users AS u WHERE u.user_id = whom;
        END IF;
      EXCEPTION WHEN OTHERS THEN
        NULL; -- it may be locked
      END;
    END IF;
    BEGIN
      INSERT INTO cometchat.missed (user_id, deleted, cometchat_uid)
      VALUES (whom, swallow.deleted, uid);
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
COMMENT ON FUNCTION cometchat.swallow(text, text, uuid, boolean) IS
  'Warns of, counts, and notes in cometchat.missed what the trigger must not raise.';

-- Whoever's state is locked stays in the list: one must not hold up the others.
CREATE FUNCTION cometchat.catch_up() RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms'
AS $function$
DECLARE
  free uuid[];
  gone uuid[];
  queued bigint;
BEGIN
  free := ARRAY(SELECT s.user_id FROM cometchat.sync_state AS s
                WHERE s.user_id IN (SELECT m.user_id FROM cometchat.missed AS m)
                FOR UPDATE OF s SKIP LOCKED)
       || ARRAY(SELECT DISTINCT m.user_id FROM cometchat.missed AS m
                WHERE NOT EXISTS (SELECT FROM cometchat.sync_state AS s
                                  WHERE s.user_id = m.user_id));
  WITH missed AS (
    DELETE FROM cometchat.missed AS m WHERE m.user_id = ANY (free)
    RETURNING m.user_id, m.deleted, m.cometchat_uid
  ), users AS MATERIALIZED (
    SELECT m.user_id, pg_catalog.bool_or(m.deleted) AS deleted,
           pg_catalog.max(m.cometchat_uid) AS cometchat_uid
    FROM missed AS m GROUP BY m.user_id
  ), queue AS (
    INSERT INTO cometchat.sync_state AS s (user_id, cometchat_uid, wanted_revision, next_attempt_at)
    SELECT u.user_id, u.cometchat_uid, 1, pg_catalog.now() FROM users AS u ORDER BY u.user_id
    ON CONFLICT (user_id) DO UPDATE
    SET cometchat_uid = COALESCE(EXCLUDED.cometchat_uid, s.cometchat_uid),
        wanted_revision = s.wanted_revision + 1, next_attempt_at = pg_catalog.now(),
        attempts = 0, failed_at = NULL
  )
  SELECT count(*), pg_catalog.array_agg(u.user_id) FILTER (WHERE u.deleted) INTO queued, gone
  FROM users AS u;
  -- as on_auth_user_delete() does
  UPDATE cometchat.sync_state AS s
  SET overrides = NULL, name_argument = NULL, name_basis = NULL,
      email_argument = NULL, email_basis = NULL, error_message = NULL
  WHERE s.user_id = ANY (gone);
  RETURN queued;
END
$function$;
COMMENT ON FUNCTION cometchat.catch_up() IS
  'Queues the users of cometchat.missed whose state is not locked; says how many.';

-- For an app's own table, say a profiles table: AFTER INSERT OR UPDATE ... FOR EACH ROW
-- EXECUTE FUNCTION cometchat.enqueue_row('user_id').
CREATE FUNCTION cometchat.enqueue_row() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms'
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
    PERFORM cometchat.swallow(SQLSTATE, SQLERRM, changed, false);
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
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $function$
BEGIN
  PERFORM cometchat.restrict();
  IF NOT cometchat.auth_users_is_there() THEN
    RAISE undefined_table USING MESSAGE = 'there is no table auth.users',
      HINT = 'For a table of your own use a trigger with cometchat.enqueue_row().';
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
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
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
