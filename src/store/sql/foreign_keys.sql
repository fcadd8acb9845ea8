-- The foreign keys from cometchat_users to auth.users, and the commands that drop them.
SELECT format('ALTER TABLE public.cometchat_users DROP CONSTRAINT %I', c.conname) AS drop_command
FROM pg_catalog.pg_constraint AS c
WHERE c.conrelid = to_regclass('public.cometchat_users')
  AND c.confrelid = to_regclass('auth.users') AND c.contype = 'f'
