-- Deactivated users do not come back by logging in.
INSERT INTO auth.users (id, raw_user_meta_data) VALUES
  ('00000000-0000-4000-8000-00000000ccc1', '{"full_name": "Ada"}'),
  ('00000000-0000-4000-8000-00000000ccc2', '{"full_name": "Bob"}'),
  ('00000000-0000-4000-8000-00000000ccc3', '{"full_name": "Cleo"}');
CREATE FUNCTION pg_temp.shut_out(uid text) RETURNS boolean LANGUAGE sql AS
  $$ SELECT spec.control('POST', 'users/' || uid || '/deactivate') ? 'deactivated' $$;

-- By a moderator in CometChat's dashboard, of a user unknown here: a login does not reactivate the user.
SELECT spec.control('POST', 'users', '{"uid": "00000000-0000-4000-8000-00000000ccc1", "name": "Ada"}') ? 'user' AS is_there;
SELECT pg_temp.shut_out('00000000-0000-4000-8000-00000000ccc1');
SET ROLE authenticated;
SET request.jwt.claims = '{"sub": "00000000-0000-4000-8000-00000000ccc1"}';
SELECT cometchat_ensure_user();
RESET ROLE;
SELECT spec.asked();
SELECT count(*) AS stored FROM cometchat_users;
-- A trusted caller reactivates the user: the server side decides.
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-00000000ccc1'));
SELECT spec.asked();

-- By a moderator, of a user known here: seen at the next request.
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-00000000ccc2'));
SELECT pg_temp.shut_out('00000000-0000-4000-8000-00000000ccc2');
SET ROLE authenticated;
SET request.jwt.claims = '{"sub": "00000000-0000-4000-8000-00000000ccc2"}';
SELECT cometchat_refresh_token();
SELECT cometchat_ensure_user();
RESET ROLE;

-- Banned or soft-deleted here: refused without a request, for trusted callers too, until the ban ends.
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-00000000ccc3'));
SELECT spec.asked();
UPDATE auth.users SET banned_until = now() + interval '1 hour' WHERE id = '00000000-0000-4000-8000-00000000ccc3';
SELECT cometchat_ensure_user('00000000-0000-4000-8000-00000000ccc3');
SELECT cometchat_refresh_token('00000000-0000-4000-8000-00000000ccc3');
UPDATE auth.users SET banned_until = now() - interval '1 hour', deleted_at = now()
WHERE id = '00000000-0000-4000-8000-00000000ccc3';
SELECT cometchat_ensure_user('00000000-0000-4000-8000-00000000ccc3');
UPDATE auth.users SET deleted_at = NULL WHERE id = '00000000-0000-4000-8000-00000000ccc3';
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-00000000ccc3'));
SELECT spec.asked();

SELECT spec.over();
