-- The tie to auth.users, a table of another owner: whether it exists, the foreign key, the triggers.
--
-- SECURITY: nothing here reads auth.users; the functions of sql/native/ do, as its owner.

-- Not to_regclass(), which takes USAGE on the schema.
CREATE FUNCTION cometchat.auth_users_oid() RETURNS oid
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT c.oid FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  WHERE n.nspname = 'auth' AND c.relname = 'users'
$function$;
COMMENT ON FUNCTION cometchat.auth_users_oid() IS
  'The relation auth.users, whatever its kind; null if it does not exist.';

CREATE FUNCTION cometchat.has_auth_users() RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT EXISTS (SELECT FROM pg_catalog.pg_class AS c
                 WHERE c.oid = cometchat.auth_users_oid() AND c.relkind IN ('r', 'p'))
$function$;
COMMENT ON FUNCTION cometchat.has_auth_users() IS 'Whether auth.users is a table.';

CREATE FUNCTION cometchat.auth_users_id_is_uuid() RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute AS a
                 WHERE a.attrelid = cometchat.auth_users_oid() AND a.attname = 'id'
                   AND a.atttypid = 'uuid'::regtype AND NOT a.attisdropped)
$function$;
COMMENT ON FUNCTION cometchat.auth_users_id_is_uuid() IS
  'Whether auth.users has a column id of type uuid.';

CREATE FUNCTION cometchat.add_foreign_key() RETURNS boolean
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
COMMENT ON FUNCTION cometchat.add_foreign_key() IS
  'Adds the foreign key from cometchat_users to auth.users if possible; returns whether it exists.';

-- pg_restore --clean needs it: it drops the primary key of auth.users, and auth.users, without CASCADE,
-- and does not know a foreign key that belongs to an extension.
CREATE FUNCTION cometchat.drop_foreign_key() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '2s'
AS $function$
BEGIN
  PERFORM cometchat.restrict();
  PERFORM cometchat.remove_foreign_key();
EXCEPTION WHEN lock_not_available THEN
  RAISE lock_not_available USING MESSAGE = 'auth.users or cometchat_users is locked by another session',
    HINT = 'Nothing was changed. Try again in a moment.';
END
$function$;
COMMENT ON FUNCTION cometchat.drop_foreign_key() IS
  'Drops the foreign key to auth.users, before pg_restore --clean for example; enable_auth_trigger() adds '
  'it again.';

CREATE FUNCTION cometchat.enable_auth_trigger() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '2s'
AS $function$
BEGIN
  PERFORM cometchat.restrict();
  IF NOT cometchat.has_auth_users() THEN
    RAISE undefined_table USING MESSAGE = 'auth.users does not exist or is not a table',
      HINT = 'For a table of your own, create a trigger that calls cometchat.enqueue_row().';
  END IF;
  IF NOT cometchat.auth_users_id_is_uuid() THEN
    RAISE datatype_mismatch USING MESSAGE = 'auth.users has no column id of type uuid',
      HINT = 'Users are identified by a uuid: '
             'ALTER TABLE auth.users ALTER COLUMN id TYPE uuid USING id::uuid;';
  END IF;
  PERFORM cometchat.create_auth_triggers();
  PERFORM cometchat.add_foreign_key();
EXCEPTION WHEN lock_not_available THEN
  RAISE lock_not_available USING MESSAGE = 'auth.users is locked by another session',
    HINT = 'Nothing was changed. Try again in a moment.';
END
$function$;
COMMENT ON FUNCTION cometchat.enable_auth_trigger() IS
  'Attaches the extension to auth.users: sign-ups, profile changes and deletions are synced automatically.';

CREATE FUNCTION cometchat.disable_auth_trigger() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET lock_timeout = '2s'
AS $function$
BEGIN
  PERFORM cometchat.restrict();
  PERFORM cometchat.drop_auth_triggers();
  -- If auth.users is gone, the operator says by this call that it is not expected any more.
  UPDATE cometchat.control SET expects_auth_users = false
  WHERE only_row AND expects_auth_users AND cometchat.auth_users_oid() IS NULL;
EXCEPTION WHEN lock_not_available THEN
  RAISE lock_not_available USING MESSAGE = 'auth.users is locked by another session',
    HINT = 'Nothing was changed. Try again in a moment.';
END
$function$;
COMMENT ON FUNCTION cometchat.disable_auth_trigger() IS
  'Detaches the extension from auth.users; users that are queued are still sent.';
