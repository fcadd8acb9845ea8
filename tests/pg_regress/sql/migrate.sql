-- From a server route with a cometchat_users table of its own: docs/migrate.sql, as it is in the docs,
-- on a table as such routes keep them (no constraint on user or uid, so that rows pile up).
CREATE DATABASE app TEMPLATE template0;
\connect app
CREATE SCHEMA auth;
CREATE TABLE auth.users (id uuid PRIMARY KEY, email text, raw_user_meta_data jsonb);
INSERT INTO auth.users (id) VALUES
  ('00000000-0000-4000-8000-0000000a0001'), ('00000000-0000-4000-8000-0000000a0002'), ('00000000-0000-4000-8000-0000000a0003');
CREATE TABLE public.cometchat_users (
  id bigserial PRIMARY KEY,
  user_id uuid NOT NULL,
  cometchat_uid text NOT NULL,
  cometchat_auth_token text,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now()
);
INSERT INTO public.cometchat_users (user_id, cometchat_uid, cometchat_auth_token, created_at, updated_at) VALUES
  ('00000000-0000-4000-8000-0000000a0001', '00000000-0000-4000-8000-0000000a0001', 'first',  '2024-01-01', '2024-01-01'),
  ('00000000-0000-4000-8000-0000000a0001', '00000000-0000-4000-8000-0000000a0001', 'second', '2024-02-01', '2024-02-01'),
  ('00000000-0000-4000-8000-0000000a0002', 'Ada_L', 'ada', '2024-01-01', NULL),
  ('00000000-0000-4000-8000-0000000a0003', 'ada_l', 'thief', '2023-01-01', NULL),
  ('00000000-0000-4000-8000-00000000dead', 'gone', 'gone', '2024-01-01', '2024-01-01');

\i docs/migrate.sql

-- The newest row of each user and of each uid, with its token; those of deleted users stay behind.
SELECT user_id, cometchat_uid, cometchat_auth_token, created_at::date FROM public.cometchat_users ORDER BY user_id;
SELECT count(*) AS kept_for_reference FROM cometchat_before.cometchat_users;

-- The first login checks with CometChat and keeps the token if it is known there.
\getenv url COMETCHAT_URL
\getenv key_file COMETCHAT_KEY_FILE
SET cometchat.app_id = 'migrated';
SET cometchat.region = 'us';
SET cometchat.api_key_file = :'key_file';
SET cometchat.api_base_url = :'url';
SELECT cometchat_ensure_user('00000000-0000-4000-8000-0000000a0002') ->> 'cometchatUid' AS uid;
SELECT cometchat_auth_token LIKE 'ada\_l\_%' AS token_replaced
FROM public.cometchat_users WHERE cometchat_uid = 'ada_l';
UPDATE public.cometchat_users SET cometchat_auth_token = cometchat_auth_token WHERE true;
DELETE FROM cometchat.sync_state WHERE true;
SELECT cometchat_auth_token AS known FROM public.cometchat_users WHERE cometchat_uid = 'ada_l' \gset
SELECT cometchat_ensure_user('00000000-0000-4000-8000-0000000a0002') ->> 'authToken' = :'known' AS token_kept;

\connect spec
DROP DATABASE app WITH (FORCE);
SELECT spec.asked();
