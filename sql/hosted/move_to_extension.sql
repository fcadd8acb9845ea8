-- From the hosted edition to the extension, in one database: for the superuser of a server of your own into which
-- the project's database was restored. Rows, tokens and pending work stay; no request is repeated.
--
-- Install the package of cometchat_ext first. The key stays in the Vault; see docs/hosted.md.
BEGIN;
-- auth.users is locked for a moment: who cannot have it soon must not keep sign-ups waiting. Try again then.
SET LOCAL lock_timeout = '2s';
SET LOCAL search_path = pg_catalog, pg_temp;
CREATE TEMP TABLE attached ON COMMIT DROP AS
  SELECT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = 'auth.users'::regclass
                   AND t.tgname = 'cometchat_insert') AS is_attached;
DO $block$
DECLARE
  f record;
BEGIN
  IF to_regclass('cometchat.shipped_privileges') IS NULL THEN
    RAISE undefined_table USING MESSAGE = 'the hosted edition is not in this database';
  END IF;
  -- With the functions their triggers on auth.users go.
  FOR f IN SELECT p.oid::regprocedure::text AS name FROM pg_proc AS p
           WHERE p.pronamespace = 'cometchat'::regnamespace AND p.prorettype = 'trigger'::regtype LOOP
    EXECUTE format('DROP FUNCTION %s CASCADE', f.name);
  END LOOP;
  IF to_regclass('cron.job') IS NOT NULL THEN
    EXECUTE 'DELETE FROM cron.job AS j
             WHERE j.jobname = ''cometchat-log'' OR j.command ~ ''cometchat\.process_queue''';
  END IF;
END
$block$;
DROP FUNCTION public.cometchat_ensure_user(uuid, text, text);
DROP FUNCTION public.cometchat_refresh_token(uuid);
DROP FUNCTION public.cometchat_revoke_tokens(uuid);
ALTER SCHEMA cometchat RENAME TO cometchat_hosted;
ALTER TABLE public.cometchat_users DROP CONSTRAINT IF EXISTS cometchat_users_user_id_fkey;
ALTER TABLE public.cometchat_users SET SCHEMA cometchat_hosted;
-- The app id and the other settings become those of the database.
DO $block$
DECLARE
  s record;
BEGIN
  FOR s IN SELECT x.name, x.value FROM cometchat_hosted.settings AS x LOOP
    EXECUTE format('ALTER DATABASE %I SET cometchat.%s = %L', current_database(), s.name, s.value);
  END LOOP;
END
$block$;

CREATE EXTENSION cometchat_ext;
UPDATE cometchat.control AS c SET paused = true, paused_at = now() WHERE c.only_row;
INSERT INTO public.cometchat_users (id, user_id, cometchat_uid, cometchat_auth_token, created_at, updated_at)
  OVERRIDING SYSTEM VALUE
  SELECT u.id, u.user_id, u.cometchat_uid, u.cometchat_auth_token, u.created_at, u.updated_at
  FROM cometchat_hosted.cometchat_users AS u;
SELECT setval('public.cometchat_users_id_seq', COALESCE(max(u.id), 0) + 1, false) FROM public.cometchat_users AS u;
-- What was in flight is in doubt: CometChat is asked.
INSERT INTO cometchat.sync_state
  SELECT (jsonb_populate_record(NULL::cometchat.sync_state, to_jsonb(s) || CASE WHEN s.claim IS NULL THEN '{}' ELSE
    jsonb_build_object('claim', NULL, 'claimed_at', NULL, 'unsettled_until', now() + interval '2 minutes') END)).*
  FROM cometchat_hosted.sync_state AS s;
INSERT INTO cometchat.trigger_misses SELECT m.user_id, m.cometchat_uid FROM cometchat_hosted.trigger_misses AS m;
INSERT INTO cometchat.running_backfill SELECT b.only_row, b.after_user, b.remaining FROM cometchat_hosted.running_backfill AS b;
SELECT cometchat.enable_auth_trigger() FROM attached AS a WHERE a.is_attached;
DROP SCHEMA cometchat_hosted CASCADE;
COMMIT;
-- The extension is paused. In a new session: SELECT * FROM cometchat.health(); SELECT cometchat.resume();
