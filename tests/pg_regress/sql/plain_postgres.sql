-- Plain Postgres, without auth.users: the caller decides which users exist, everything else works.
CREATE DATABASE plain TEMPLATE template0;
\connect plain
\getenv url COMETCHAT_URL
\getenv key_file COMETCHAT_KEY_FILE
CREATE EXTENSION cometchat_ext;
SET cometchat.app_id = 'plain';
SET cometchat.region = 'us';
SET cometchat.api_key_file = :'key_file';
SET cometchat.api_base_url = :'url';
CREATE FUNCTION pg_temp.shape(answer jsonb) RETURNS text LANGUAGE sql AS
  $$ SELECT regexp_replace(answer::text, '_[0-9]{10}[0-9a-f]{30}"', '_TOKEN"') $$;

-- No foreign key, since there is no table to reference.
SELECT count(*) AS foreign_keys FROM pg_constraint WHERE conrelid = 'cometchat_users'::regclass AND contype = 'f';

SELECT pg_temp.shape(cometchat_ensure_user('00000000-0000-4000-8000-00000000eee1', 'Ada', 'ada@example.com'));
SELECT user_id, cometchat_uid, cometchat_auth_token IS NOT NULL AS has_token FROM cometchat_users;
-- The arguments are remembered: the next call needs none.
SELECT name_argument, email_argument FROM cometchat.sync_state;
SELECT pg_temp.shape(cometchat_ensure_user('00000000-0000-4000-8000-00000000eee1'));
SELECT cometchat_refresh_token('00000000-0000-4000-8000-00000000eee1') ->> 'success' AS refreshed;
SELECT cometchat_revoke_tokens('00000000-0000-4000-8000-00000000eee1');
SELECT pg_temp.shape(cometchat_ensure_user('00000000-0000-4000-8000-00000000eee1'));
SELECT cometchat_ensure_user();

-- A view called auth.users cannot tell which users are banned: no user gets a token.
CREATE SCHEMA auth;
CREATE VIEW auth.users AS SELECT gen_random_uuid() AS id, 1 / 0 AS email;
SELECT pg_temp.shape(cometchat_ensure_user('00000000-0000-4000-8000-00000000eee1'));
DROP VIEW auth.users;

-- An app's own table auth.users needs an id; other columns are used where they exist.
CREATE TABLE auth.users (id uuid PRIMARY KEY);
INSERT INTO auth.users VALUES ('00000000-0000-4000-8000-00000000eee1');
SELECT pg_temp.shape(cometchat_ensure_user('00000000-0000-4000-8000-00000000eee1'));
SELECT cometchat_ensure_user('00000000-0000-4000-8000-00000000eee2');
DROP EXTENSION cometchat_ext;
CREATE EXTENSION cometchat_ext;
SET search_path = public;
SELECT confrelid::regclass AS refers_to, confdeltype = 'c' AS cascades
FROM pg_constraint WHERE conrelid = 'cometchat_users'::regclass AND contype = 'f';

\connect spec
DROP DATABASE plain WITH (FORCE);
SELECT spec.asked();
