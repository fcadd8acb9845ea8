-- DROP EXTENSION drops everything that it created, data included, and nothing else.
INSERT INTO auth.users (id) VALUES ('00000000-0000-4000-8000-00000000fff1');
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-00000000fff1'));
DROP EXTENSION cometchat_ext;
SELECT to_regclass('public.cometchat_users') AS table_left, to_regnamespace('cometchat') AS schema_left,
       (SELECT count(*) FROM pg_proc WHERE proname LIKE 'cometchat%') AS functions_left,
       (SELECT count(*) FROM pg_constraint WHERE confrelid = 'auth.users'::regclass AND conname LIKE 'cometchat%') AS keys_left,
       (SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'cometchat%') AS triggers_left;
SELECT count(*) AS users FROM auth.users;

-- It can be created again. Users who exist in CometChat are adopted.
CREATE EXTENSION cometchat_ext;
SELECT spec.asked();
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-00000000fff1'));
SELECT spec.asked();

-- A row that another table references is protected as any other.
CREATE TABLE public.refers (id bigint REFERENCES cometchat_users);
DROP EXTENSION cometchat_ext;
DROP TABLE public.refers;
DROP EXTENSION cometchat_ext;
DROP SCHEMA spec CASCADE;
DELETE FROM auth.users WHERE true;
