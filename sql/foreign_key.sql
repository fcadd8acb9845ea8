-- The foreign key to auth.users: there where that table is, and of no importance where it is not.

-- SECURITY: our definers read auth.users with the rights of the extension's owner, and reading, even
-- planning to read, can run code of the table's owner: a view's functions, casts of the columns' types,
-- constants in an index's expressions. So the table must belong to somebody who gains nothing by that.
-- The same rule as in src/pg/session.rs.
CREATE FUNCTION cometchat.auth_users_is_there() RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
  SELECT EXISTS (SELECT FROM pg_catalog.pg_class AS c
                 JOIN pg_catalog.pg_roles AS r ON r.oid = c.relowner
                 WHERE c.oid = pg_catalog.to_regclass('auth.users') AND c.relkind IN ('r', 'p')
                   AND (r.rolsuper OR r.rolname = 'supabase_auth_admin'))
$function$;
COMMENT ON FUNCTION cometchat.auth_users_is_there() IS
  'Whether auth.users is a table of a superuser''s or of Supabase''s Auth server; no other is read.';

CREATE FUNCTION cometchat.add_foreign_key() RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '5s'
AS $function$
BEGIN
  IF NOT cometchat.auth_users_is_there() THEN
    RETURN false;
  END IF;
  IF EXISTS (SELECT FROM pg_catalog.pg_constraint
             WHERE conrelid = 'public.cometchat_users'::pg_catalog.regclass
               AND confrelid = 'auth.users'::pg_catalog.regclass AND contype = 'f') THEN
    RETURN true;
  END IF;
  ALTER TABLE public.cometchat_users ADD CONSTRAINT cometchat_users_user_id_fkey
    FOREIGN KEY (user_id) REFERENCES auth.users (id) ON DELETE CASCADE;
  RETURN true;
EXCEPTION
  WHEN invalid_foreign_key OR undefined_column OR datatype_mismatch THEN
    RAISE WARNING 'auth.users cannot be referenced, cometchat_users goes without the foreign key'
      USING DETAIL = SQLERRM, HINT = 'auth.users needs a primary key (id uuid).';
    RETURN false;
END
$function$;
COMMENT ON FUNCTION cometchat.add_foreign_key() IS
  'Adds the foreign key from cometchat_users to auth.users if it can; says whether it is there.';

SELECT cometchat.add_foreign_key();
