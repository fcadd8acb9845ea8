-- Flow 2: a user logs in.
INSERT INTO auth.users (id, email, raw_user_meta_data) VALUES
  ('00000000-0000-4000-8000-0000000000b1', 'ada@example.com', '{"full_name": "Ada"}'),
  ('00000000-0000-4000-8000-0000000000b2', 'bob@example.com', '{"full_name": "Bob"}'),
  ('00000000-0000-4000-8000-0000000000b3', NULL, '{"full_name": "Cleo"}'),
  ('00000000-0000-4000-8000-0000000000b4', NULL, '{"full_name": "Dora"}');

-- Known here and unchanged: the stored token, and no request at all.
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-0000000000b1'));
SELECT spec.asked();
SELECT cometchat_ensure_user(user_id) ->> 'authToken' = cometchat_auth_token AS the_stored_token
FROM cometchat_users;
SELECT spec.asked();

-- Known to CometChat but not here, from an earlier integration for example: adopted. Fields that differ
-- are sent; other keys of the metadata stay.
SELECT spec.control('POST', 'users', '{"uid": "00000000-0000-4000-8000-0000000000b2", "name": "bobby",
  "metadata": {"team": "blue", "@private": {"contactNumber": "1"}}}') ? 'user' AS is_there;
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-0000000000b2'));
SELECT spec.asked();
SELECT spec.chat_user('00000000-0000-4000-8000-0000000000b2');

-- A mapping to another uid, inserted by hand, is used.
SELECT spec.control('POST', 'users', '{"uid": "cleo", "name": "Cleo"}') ? 'user' AS is_there;
INSERT INTO cometchat_users (user_id, cometchat_uid) VALUES ('00000000-0000-4000-8000-0000000000b3', 'cleo');
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-0000000000b3'));
SELECT spec.asked();

-- The user was deleted in CometChat's dashboard: the next request finds out, and the user is created
-- again.
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-0000000000b4'));
SELECT spec.control('DELETE', 'users/00000000-0000-4000-8000-0000000000b4') ? 'deleted' AS is_gone;
SELECT spec.asked();
SELECT cometchat_refresh_token('00000000-0000-4000-8000-0000000000b4');
SELECT count(*) AS still_stored FROM cometchat_users WHERE user_id = '00000000-0000-4000-8000-0000000000b4';
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-0000000000b4'));
SELECT spec.asked();

-- State and tokens belong to the app: in another app every user is new.
SET cometchat.app_id = 'otherapp';
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-0000000000b1'));
SELECT spec.asked();
RESET cometchat.app_id;

-- CometChat is down: a user with a stored token can log in.
SET cometchat.api_base_url = 'http://127.0.0.1:9/v3';
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-0000000000b2'));
RESET cometchat.api_base_url;

SELECT spec.over();
