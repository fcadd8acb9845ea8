-- Row security of the public table: one's own row, read-only.

ALTER TABLE public.cometchat_users ENABLE ROW LEVEL SECURITY;

-- The scalar sub-select is an init plan: the claim is read once for a statement, not once a row.
-- A sub that is no uuid, or none, selects nothing; claims that are no JSON are an error, as in any
-- policy that reads them.
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
DO $block$
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'service_role') THEN
    CREATE POLICY cometchat_users_service ON public.cometchat_users TO service_role
      USING (true) WITH CHECK (true);
    COMMENT ON POLICY cometchat_users_service ON public.cometchat_users IS
      'The server side sees and changes every row.';
  END IF;
END
$block$;
