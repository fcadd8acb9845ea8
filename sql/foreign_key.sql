-- What ties us to auth.users, a table of others: whether it is there, the foreign key, its list.
--
-- SECURITY: reading a table, even planning to read it, runs code of whoever owns it. So no function
-- in SQL reads auth.users or changes it: the functions in C below do, each with the rights of the
-- table's owner and inside a security-restricted operation (src/pg/rights.rs).

-- Not to_regclass(), which takes USAGE on the schema.
CREATE FUNCTION cometchat.auth_users() RETURNS oid
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT c.oid FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  WHERE n.nspname = 'auth' AND c.relname = 'users'
$function$;
COMMENT ON FUNCTION cometchat.auth_users() IS 'The relation auth.users, whatever it is; null without one.';

CREATE FUNCTION cometchat.has_auth_users() RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT EXISTS (SELECT FROM pg_catalog.pg_class AS c
                 WHERE c.oid = cometchat.auth_users() AND c.relkind IN ('r', 'p'))
$function$;
COMMENT ON FUNCTION cometchat.has_auth_users() IS 'Whether auth.users is a table.';

CREATE FUNCTION cometchat.list_auth_users(after uuid, most integer)
RETURNS TABLE (user_id uuid, shut_out boolean, by_itself boolean)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_list_auth_users_wrapper';
COMMENT ON FUNCTION cometchat.list_auth_users(uuid, integer) IS
  'The next users of auth.users by id: whether they are banned or deleted, and whether the settings '
  'have them synced without being asked for.';

CREATE FUNCTION cometchat.create_foreign_key() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_create_foreign_key_wrapper';
COMMENT ON FUNCTION cometchat.create_foreign_key() IS
  'Adds the foreign key from cometchat_users to auth.users, unless it is there.';

-- What pg_restore --clean needs: it drops the primary key of auth.users, and auth.users, without CASCADE,
-- and knows nothing of a key that belongs to an extension.
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
  'Takes the foreign key to auth.users away, before pg_restore --clean say; enable_auth_trigger() adds it.';

CREATE FUNCTION cometchat.remove_foreign_key() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_remove_foreign_key_wrapper';
COMMENT ON FUNCTION cometchat.remove_foreign_key() IS
  'Drops the foreign key from cometchat_users to auth.users, if it is there.';

CREATE FUNCTION cometchat.create_triggers() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_create_triggers_wrapper';
COMMENT ON FUNCTION cometchat.create_triggers() IS 'Puts our triggers on auth.users, anew if need be.';

CREATE FUNCTION cometchat.drop_triggers() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_drop_triggers_wrapper';
COMMENT ON FUNCTION cometchat.drop_triggers() IS 'Removes our triggers from auth.users.';

CREATE FUNCTION cometchat.open_public() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_open_public_wrapper';
COMMENT ON FUNCTION cometchat.open_public() IS
  'Lets the role cometchat_ext use the schema public, also when that is not open to all any more.';

CREATE FUNCTION cometchat.caller() RETURNS oid
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_caller_wrapper';
COMMENT ON FUNCTION cometchat.caller() IS
  'The role in force outside all functions; null inside a security-restricted operation.';

CREATE FUNCTION cometchat.become() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_become_wrapper';
COMMENT ON FUNCTION cometchat.become() IS
  'Gives the rest of the calling definer the rights of the role cometchat_ext instead of its owner''s.';

CREATE FUNCTION cometchat.restrict() RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'cometchat_restrict_wrapper';
COMMENT ON FUNCTION cometchat.restrict() IS
  'The same, and makes it a security-restricted operation: what others may have put on the tables that '
  'it writes gains nothing by its caller.';

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
    RAISE WARNING 'auth.users cannot be referenced, cometchat_users goes without the foreign key'
      USING DETAIL = SQLERRM, HINT = 'auth.users needs a primary key (id uuid).';
    RETURN false;
END
$function$;
COMMENT ON FUNCTION cometchat.add_foreign_key() IS
  'Adds the foreign key from cometchat_users to auth.users if it can; says whether it is there.';
