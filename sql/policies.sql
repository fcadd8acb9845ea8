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

SELECT cometchat.create_policies();
