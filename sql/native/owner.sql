-- The role whose rights the extension runs with, and what it owns.
--
-- SECURITY: a trigger, say, that another role was allowed to put on a table runs with the rights of the
-- role that writes to it. So the extension neither writes nor reads with those of the superuser who creates
-- it: definers and the worker take on this role's (cometchat.restrict(), src/pg/rights.rs), which can do
-- nothing else. It owns the mapping alone, whose rows the foreign key deletes with its owner's rights. The
-- rest belongs to the superuser, so that code that runs as this role cannot alter what others call. Nor can
-- its members: on 15, a role with CREATEROLE may join it.

DO $block$
DECLARE
  existing pg_catalog.pg_roles;
BEGIN
  SELECT r.* INTO existing FROM pg_catalog.pg_roles AS r WHERE r.rolname = 'cometchat_ext';
  IF NOT FOUND THEN
    BEGIN
      CREATE ROLE cometchat_ext NOLOGIN NOINHERIT;
      COMMENT ON ROLE cometchat_ext IS
        'The extension cometchat_ext runs with its rights. It has no login and no members.';
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL; -- another database's CREATE EXTENSION, at the same time
    END;
    SELECT r.* INTO existing FROM pg_catalog.pg_roles AS r WHERE r.rolname = 'cometchat_ext';
  END IF;
  IF existing.rolcanlogin OR existing.rolsuper OR existing.rolcreaterole OR existing.rolcreatedb
     OR existing.rolreplication OR existing.rolbypassrls
     OR EXISTS (SELECT FROM pg_catalog.pg_auth_members AS m
                WHERE existing.oid IN (m.roleid, m.member)) THEN
    RAISE duplicate_object USING
      MESSAGE = 'role "cometchat_ext" exists and cannot be used by the extension',
      DETAIL = 'It must have no attributes, no members, and be a member of no role.',
      HINT = 'Drop or rename the role, or remove these: ALTER ROLE cometchat_ext NOLOGIN '
             'NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS; and REVOKE its memberships.';
  END IF;

  ALTER TABLE public.cometchat_users OWNER TO cometchat_ext;
END
$block$;

-- The owner may be subject to row security too, by ALTER TABLE ... FORCE.
CREATE POLICY cometchat_users_extension ON public.cometchat_users TO cometchat_ext
USING (true) WITH CHECK (true);
COMMENT ON POLICY cometchat_users_extension ON public.cometchat_users IS
  'The extension itself sees and changes every row, even if row security is forced on its owner.';

-- SECURITY: the owner of the database may rename the schema public, and create another.
CREATE FUNCTION cometchat.owns_mapping_table() RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT EXISTS (SELECT FROM pg_catalog.pg_class AS c
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                 WHERE n.nspname = 'public' AND c.relname = 'cometchat_users' AND c.relkind = 'r'
                   AND pg_catalog.pg_get_userbyid(c.relowner) = 'cometchat_ext')
$function$;
COMMENT ON FUNCTION cometchat.owns_mapping_table() IS
  'Whether public.cometchat_users is a table of the role cometchat_ext.';
