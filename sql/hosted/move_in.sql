-- From the extension to the hosted edition, second half: takes over what move_from_extension.sql kept. As the role
-- postgres, after cometchat_hosted.sql. Rows, tokens and pending work stay; no request is repeated.
BEGIN;
SET LOCAL search_path = pg_catalog, pg_temp;
SELECT cometchat.pause();
INSERT INTO public.cometchat_users (id, user_id, cometchat_uid, cometchat_auth_token, created_at, updated_at)
  OVERRIDING SYSTEM VALUE
  SELECT u.id, u.user_id, u.cometchat_uid, u.cometchat_auth_token, u.created_at, u.updated_at
  FROM cometchat_moved.cometchat_users AS u;
SELECT setval('public.cometchat_users_id_seq', COALESCE(max(u.id), 0) + 1, false) FROM public.cometchat_users AS u;
-- What was in flight is in doubt: CometChat is asked.
INSERT INTO cometchat.sync_state
  SELECT (jsonb_populate_record(NULL::cometchat.sync_state, to_jsonb(s) || CASE WHEN s.claim IS NULL THEN '{}' ELSE
    jsonb_build_object('claim', NULL, 'claimed_at', NULL, 'unsettled_until', now() + interval '2 minutes') END)).*
  FROM cometchat_moved.sync_state AS s;
INSERT INTO cometchat.trigger_misses SELECT m.user_id, m.cometchat_uid FROM cometchat_moved.trigger_misses AS m;
INSERT INTO cometchat.running_backfill SELECT b.only_row, b.after_user, b.remaining FROM cometchat_moved.running_backfill AS b;
SELECT cometchat.enable_auth_trigger() FROM cometchat_moved.attached AS a WHERE a.is_attached;
COMMIT;
-- It is paused: SELECT * FROM cometchat.health(); SELECT cometchat.resume(); and as the owner of the schema
-- DROP SCHEMA cometchat_moved CASCADE;
