-- The last steps: row security of the owner, the foreign key, the cron jobs, what the privileges are now.

-- The owner may be subject to row security too, by ALTER TABLE ... FORCE.
DO $block$
BEGIN
  DROP POLICY IF EXISTS cometchat_users_extension ON public.cometchat_users;
  EXECUTE pg_catalog.format('CREATE POLICY cometchat_users_extension ON public.cometchat_users TO %I '
                            'USING (true) WITH CHECK (true)', CURRENT_USER);
END
$block$;
COMMENT ON POLICY cometchat_users_extension ON public.cometchat_users IS
  'The owner sees and changes every row, even if row security is forced on it.';

SELECT cometchat.add_foreign_key();

SELECT cometchat.schedule_jobs();

INSERT INTO cometchat.shipped_privileges SELECT p.* FROM cometchat.privileges_now() AS p ON CONFLICT DO NOTHING;
