-- Flow 3: create or update with a session. A changed profile reaches CometChat with the next call.
INSERT INTO auth.users (id, email, raw_user_meta_data) VALUES
  ('00000000-0000-4000-8000-0000000000c1', 'ada@example.com',
   '{"full_name": "Ada", "avatar_url": "https://img.example/1.png"}');
SET request.jwt.claims = '{"sub": "00000000-0000-4000-8000-0000000000c1", "role": "authenticated"}';
SET ROLE authenticated;
SELECT spec.answer(cometchat_ensure_user());

-- A display_name that the app gives wins over the metadata ...
SELECT spec.answer(cometchat_ensure_user(display_name => 'Countess'));
SELECT spec.asked();
SELECT spec.chat_user('00000000-0000-4000-8000-0000000000c1');
-- ... is kept without being given again ...
SELECT spec.answer(cometchat_ensure_user());
SELECT spec.asked();
-- ... until the metadata's name changes.
RESET ROLE;
UPDATE auth.users SET raw_user_meta_data = '{"full_name": "Ada Lovelace", "avatar_url": "https://img.example/1.png"}'
WHERE id = '00000000-0000-4000-8000-0000000000c1';
SET ROLE authenticated;
SELECT spec.answer(cometchat_ensure_user());
SELECT spec.asked();
SELECT spec.chat_user('00000000-0000-4000-8000-0000000000c1');

-- A removed avatar is unset; one that is no https URL is not sent.
RESET ROLE;
UPDATE auth.users SET raw_user_meta_data = '{"full_name": "Ada Lovelace", "avatar_url": "javascript:alert(1)"}'
WHERE id = '00000000-0000-4000-8000-0000000000c1';
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-0000000000c1'));
SELECT spec.chat_user('00000000-0000-4000-8000-0000000000c1');

-- A changed e-mail; the metadata is read first because it is written whole.
UPDATE auth.users SET email = 'ada@new.example' WHERE id = '00000000-0000-4000-8000-0000000000c1';
SELECT spec.asked();
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-0000000000c1'));
SELECT spec.asked();
SELECT spec.chat_user('00000000-0000-4000-8000-0000000000c1');

-- An operator's overrides win over everything until they are set to null.
SELECT cometchat.enqueue('00000000-0000-4000-8000-0000000000c1',
  '{"name": "Staff", "tags": ["vip"], "metadata": {"team": "red"}}');
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-0000000000c1', 'Someone'));
SELECT spec.chat_user('00000000-0000-4000-8000-0000000000c1');
SELECT cometchat.enqueue('00000000-0000-4000-8000-0000000000c1', '{"name": null}');
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-0000000000c1'));
SELECT spec.chat_user('00000000-0000-4000-8000-0000000000c1') -> 'name' AS name;
SELECT cometchat.enqueue('00000000-0000-4000-8000-0000000000c1', '{"nick": "x"}');
SELECT cometchat.enqueue('00000000-0000-4000-8000-0000000000c1', '[]');
SELECT cometchat.enqueue(NULL);

-- An update that cannot be sent does not prevent the login; a later call sends it.
UPDATE auth.users SET raw_user_meta_data = '{"full_name": "Lady Lovelace"}' WHERE id = '00000000-0000-4000-8000-0000000000c1';
SELECT spec.from_now_on('{"kind": "status", "status": 503, "operation": "update_user"}');
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-0000000000c1') - 'queued');
SELECT spec.from_now_on('"ok"');
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-0000000000c1'));
SELECT spec.chat_user('00000000-0000-4000-8000-0000000000c1') -> 'name' AS name;

SELECT spec.over();
