-- Flow 2: somebody logs in.
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

-- Known to CometChat but not here, from an earlier integration say: adopted. What differs is sent,
-- and what the metadata held besides ours stays.
SELECT spec.control('POST', 'users', '{"uid": "00000000-0000-4000-8000-0000000000b2", "name": "bobby",
  "metadata": {"team": "blue", "@private": {"contactNumber": "1"}}}') ? 'user' AS is_there;
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-0000000000b2'));
SELECT spec.asked();
SELECT spec.chat_user('00000000-0000-4000-8000-0000000000b2');

-- A mapping to another uid, which somebody inserted, is respected.
SELECT spec.control('POST', 'users', '{"uid": "cleo", "name": "Cleo"}') ? 'user' AS is_there;
INSERT INTO cometchat_users (user_id, cometchat_uid) VALUES ('00000000-0000-4000-8000-0000000000b3', 'cleo');
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-0000000000b3'));
SELECT spec.asked();

-- CometChat lost the user (deleted in its dashboard): that shows when it is asked again, and then
-- the user is created anew.
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-0000000000b4'));
SELECT spec.control('DELETE', 'users/00000000-0000-4000-8000-0000000000b4') ? 'deleted' AS is_gone;
SELECT spec.asked();
SELECT cometchat_refresh_token('00000000-0000-4000-8000-0000000000b4');
SELECT count(*) AS still_stored FROM cometchat_users WHERE user_id = '00000000-0000-4000-8000-0000000000b4';
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-0000000000b4'));
SELECT spec.asked();

-- State and tokens belong to the app: in another one everybody starts anew.
SET cometchat.app_id = 'otherapp';
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-0000000000b1'));
SELECT spec.asked();
RESET cometchat.app_id;

-- CometChat down: who has a token logs in all the same.
SET cometchat.api_base_url = 'http://127.0.0.1:9/v3';
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-0000000000b2'));
RESET cometchat.api_base_url;

SELECT spec.over();
