-- Logging a user out everywhere.
INSERT INTO auth.users (id, raw_user_meta_data) VALUES
  ('00000000-0000-4000-8000-0000000000e1', '{"full_name": "Ada"}'),
  ('00000000-0000-4000-8000-0000000000e2', '{"full_name": "Bob"}');
CREATE FUNCTION pg_temp.tokens() RETURNS integer LANGUAGE sql AS $$
  SELECT jsonb_array_length(spec.control('GET', 'users/00000000-0000-4000-8000-0000000000e1') -> 'tokens')
$$;
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-0000000000e1'));
SELECT spec.answer(cometchat_refresh_token('00000000-0000-4000-8000-0000000000e1'));
SELECT pg_temp.tokens();
SELECT spec.asked();

-- Deleted here and flushed in CometChat. The answer has no token.
SELECT cometchat_revoke_tokens('00000000-0000-4000-8000-0000000000e1');
SELECT spec.asked();
SELECT pg_temp.tokens();
SELECT cometchat_uid, cometchat_auth_token FROM cometchat_users;

-- The next login mints a new one.
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-0000000000e1'));
SELECT spec.asked();

-- Deleted here even if CometChat cannot be reached; the answer says that the flush is queued.
SELECT spec.from_now_on('{"kind": "status", "status": 503, "operation": "flush_tokens"}');
SELECT cometchat_revoke_tokens('00000000-0000-4000-8000-0000000000e1');
SELECT cometchat_auth_token FROM cometchat_users;
-- No new token before the flush: the old ones would stay valid beside it.
SELECT cometchat_ensure_user('00000000-0000-4000-8000-0000000000e1') - 'queued';
SELECT pg_temp.tokens();
SELECT spec.asked();
SELECT spec.from_now_on('"ok"');
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-0000000000e1'));
SELECT pg_temp.tokens();
SELECT spec.asked();

-- A user that CometChat does not know.
SELECT cometchat_revoke_tokens('00000000-0000-4000-8000-0000000000e2');
SELECT cometchat_revoke_tokens('00000000-0000-4000-8000-00000000dead');

-- Signed-in users may do it for themselves.
SET ROLE authenticated;
SET request.jwt.claims = '{"sub": "00000000-0000-4000-8000-0000000000e1", "role": "authenticated"}';
SELECT cometchat_revoke_tokens();
RESET ROLE;

SELECT spec.over();
