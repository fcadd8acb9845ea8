-- A table that was renamed takes the constraint along: users who are only in the new auth.users could not
-- be mapped. The command that drops it.
SELECT format('ALTER TABLE public.cometchat_users DROP CONSTRAINT %I', c.conname) AS drop_command
FROM pg_catalog.pg_constraint AS c
WHERE c.conrelid = to_regclass('public.cometchat_users') AND c.contype = 'f'
  AND c.conname = 'cometchat_users_user_id_fkey'
  AND c.confrelid <> to_regclass('auth.users')
