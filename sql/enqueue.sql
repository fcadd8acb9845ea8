-- How a user gets into the queue: marked by a trigger, or by an operator with overrides.

-- on_auth_user_insert() tries the mere INSERT first, which is what nearly all sign-ups take, at half the
-- cost; a test compares the rows. Statements that make many users due, or set more columns, are apart
-- too: on_truncate(), enqueue(), backfill(), and those of src/store.
CREATE FUNCTION cometchat.mark_due(user_id uuid, cometchat_uid text DEFAULT NULL) RETURNS void
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
COMMENT ON FUNCTION cometchat.mark_due(uuid, text) IS
  'Marks a user as changed and due now; remembers the uid, if given.';

CREATE FUNCTION cometchat.enqueue(user_id uuid, profile jsonb DEFAULT NULL) RETURNS void
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
COMMENT ON FUNCTION cometchat.enqueue(uuid, jsonb) IS
  'Sets overrides of the profile, a JSON object (the README lists its keys): each holds until set to null. '
  'A role that may execute this function is trusted: it may name any user in cometchat_ensure_user.';

-- For an app's own table, such as profiles: AFTER INSERT OR UPDATE ... FOR EACH ROW
-- EXECUTE FUNCTION cometchat.enqueue_row('user_id').
--
-- on_auth_user_insert() has the same frame, and its own text: it runs at each sign-up, and a column
-- whose name is an argument takes a look into the catalog and a dynamic query.
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
      PERFORM cometchat.mark_due(changed);
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
