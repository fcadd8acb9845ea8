-- Flow 1: a new user registers. One request creates the user and returns the token.
INSERT INTO auth.users (id, email, raw_user_meta_data) VALUES
  ('00000000-0000-4000-8000-0000000000a1', 'ada@example.com',
   '{"full_name": "Ada Lovelace", "avatar_url": "https://img.example/ada.png"}'),
  ('00000000-0000-4000-8000-0000000000a2', 'bob@example.com', '{}'),
  ('00000000-0000-4000-8000-0000000000a3', NULL, NULL);

SET ROLE authenticated;
SET request.jwt.claims = '{"sub": "00000000-0000-4000-8000-0000000000a1", "role": "authenticated"}';
SELECT spec.answer(cometchat_ensure_user());
SELECT cometchat_uid, cometchat_auth_token LIKE cometchat_uid || '\_%' AS has_token,
       created_at = updated_at AS just_made
FROM cometchat_users;
RESET ROLE;
SELECT spec.asked();
-- The e-mail is where CometChat's clients do not see it.
SELECT spec.chat_user('00000000-0000-4000-8000-0000000000a1');

-- With a session, the app may give the user's id and name. The e-mail of an untrusted caller is taken
-- from auth.users, not from the argument.
SET ROLE authenticated;
SET request.jwt.claims = '{"sub": "00000000-0000-4000-8000-0000000000a2", "role": "authenticated"}';
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-0000000000a2', 'Bob', 'president@example.com'));
RESET ROLE;
SELECT spec.chat_user('00000000-0000-4000-8000-0000000000a2');

-- A server with the service key names the user. A user without a name gets one at creation.
SET ROLE service_role;
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-0000000000a3'));
RESET ROLE;
SELECT spec.chat_user('00000000-0000-4000-8000-0000000000a3');
SELECT spec.asked();

-- A call does not sign a user up: the user must exist.
SELECT cometchat_ensure_user('00000000-0000-4000-8000-00000000dead');
SELECT spec.asked();

-- A rollback leaves a user in CometChat that the next call finds and adopts.
INSERT INTO auth.users (id, raw_user_meta_data)
VALUES ('00000000-0000-4000-8000-0000000000a4', '{"name": "Dora"}');
BEGIN;
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-0000000000a4'));
ROLLBACK;
SELECT count(*) FROM cometchat_users WHERE user_id = '00000000-0000-4000-8000-0000000000a4';
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-0000000000a4'));
SELECT spec.asked();

SELECT spec.over();
