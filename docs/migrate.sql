-- For an app that has kept a public.cometchat_users table of its own: keeps its rows and tokens.
-- Run it as a superuser in the app's database; it is one transaction. tests/pg_regress runs this file.
BEGIN;

-- 1. The old table goes aside as it is, for reference; drop it when you are content.
CREATE SCHEMA cometchat_before;
ALTER TABLE public.cometchat_users SET SCHEMA cometchat_before;

-- 2. The extension brings its own.
CREATE EXTENSION cometchat_ext;

-- 3. The newest row of each user and of each uid, if the user still exists. CometChat's uids are
--    in lower case, whatever the old code wrote.
INSERT INTO public.cometchat_users (user_id, cometchat_uid, cometchat_auth_token, created_at, updated_at)
SELECT old.user_id, lower(old.cometchat_uid), old.cometchat_auth_token, old.created_at,
       coalesce(old.updated_at, old.created_at)
FROM cometchat_before.cometchat_users AS old
JOIN auth.users ON users.id = old.user_id
WHERE old.cometchat_uid IS NOT NULL
ORDER BY coalesce(old.updated_at, old.created_at) DESC NULLS LAST
ON CONFLICT DO NOTHING;

COMMIT;
