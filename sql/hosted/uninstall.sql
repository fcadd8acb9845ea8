-- Removes the hosted edition with its data. For the SQL editor; as the role that installed it.
--
-- The trigger functions are dropped with CASCADE: their triggers on auth.users, a table of another owner, go
-- with them.
BEGIN;
-- auth.users is locked for a moment: who cannot have it soon must not keep sign-ups waiting. Try again then.
SET LOCAL lock_timeout = '2s';
-- Ours, and those that run what is removed here; not one of the app's own that merely has such a name.
SELECT cron.unschedule(j.jobid) FROM cron.job AS j
WHERE j.jobname = 'cometchat-log'
   OR (j.jobname = 'cometchat' OR j.command !~ E';\\s*\\S' OR j.command ~ 'cometchat[.](process_queue|reconcile)')
      AND j.command ~ E'\\mcometchat[.]' AND j.database = current_database();
DROP FUNCTION IF EXISTS public.cometchat_ensure_user(uuid, text, text);
DROP FUNCTION IF EXISTS public.cometchat_refresh_token(uuid);
DROP FUNCTION IF EXISTS public.cometchat_revoke_tokens(uuid);
DROP SCHEMA IF EXISTS cometchat CASCADE;
DROP TABLE IF EXISTS public.cometchat_users;
COMMIT;
-- The secrets stay in the Vault: DELETE FROM vault.secrets WHERE name LIKE 'cometchat\_%';
