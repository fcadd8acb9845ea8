-- Whose rights the functions run with, and who calls. The role that runs the file owns everything and is no
-- superuser, so there is no other role to switch to.

-- SECURITY: inside a security-restricted operation (another role's index expression in an ANALYZE, say) the
-- outer role has not called us. Only there Postgres refuses a cursor WITH HOLD.
CREATE FUNCTION cometchat.is_restricted() RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  EXECUTE 'DECLARE cometchat_probe CURSOR WITH HOLD FOR SELECT';
  EXECUTE 'CLOSE cometchat_probe';
  RETURN false;
EXCEPTION
  WHEN insufficient_privilege THEN
    RETURN true;
  WHEN duplicate_cursor THEN
    RETURN false; -- a pooled session has one of that name, by whomever; where holding is refused, it is so before
END
$function$;
COMMENT ON FUNCTION cometchat.is_restricted() IS 'Whether this is a security-restricted operation.';

CREATE FUNCTION cometchat.calling_role() RETURNS oid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  IF cometchat.is_restricted() THEN
    RETURN NULL;
  END IF;
  -- SECURITY: Postgres checks SET ROLE; current_user is the definer's.
  RETURN (SELECT r.oid FROM pg_catalog.pg_roles AS r
          WHERE r.rolname = COALESCE(NULLIF(pg_catalog.current_setting('role'), 'none'), SESSION_USER));
END
$function$;
COMMENT ON FUNCTION cometchat.calling_role() IS
  'The role in force outside all functions; null inside a security-restricted operation.';

CREATE FUNCTION cometchat.switch_role() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off AS $$ BEGIN END $$;
COMMENT ON FUNCTION cometchat.switch_role() IS 'Does nothing here: there is no other role.';

-- plpgsql without a SET clause: it runs at each sign-up.
CREATE FUNCTION cometchat.restrict() RETURNS void LANGUAGE plpgsql AS $$ BEGIN END $$;
COMMENT ON FUNCTION cometchat.restrict() IS 'Does nothing here: there is no other role.';

CREATE FUNCTION cometchat.owns_mapping_table() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT EXISTS (SELECT FROM pg_catalog.pg_class AS c
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                 WHERE n.nspname = 'public' AND c.relname = 'cometchat_users' AND c.relkind = 'r'
                   AND pg_catalog.pg_get_userbyid(c.relowner) = CURRENT_USER)
$function$;
COMMENT ON FUNCTION cometchat.owns_mapping_table() IS
  'Whether public.cometchat_users is a table of the role that runs this.';
