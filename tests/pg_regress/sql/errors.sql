-- Every errorCode, each with its cause. (NOT_CONFIGURED, UNAUTHORIZED and
-- USER_DEACTIVATED have files of their own.)
INSERT INTO auth.users (id, raw_user_meta_data) VALUES
  ('00000000-0000-4000-8000-00000000ddd1', '{"full_name": "Ada"}'),
  ('00000000-0000-4000-8000-00000000ddd2', '{"full_name": "Bob"}');
-- Bob is new; Ada is known and has a token.
CREATE FUNCTION pg_temp.bob() RETURNS jsonb LANGUAGE sql AS
  $$ SELECT public.cometchat_ensure_user('00000000-0000-4000-8000-00000000ddd2') $$;
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-00000000ddd1'));

-- INVALID_INPUT: an unknown user; a trusted caller without a user_id.
SELECT cometchat_ensure_user('00000000-0000-4000-8000-00000000dead');
SELECT cometchat_ensure_user();
SELECT cometchat_ensure_user(NULL, 'Somebody', 'somebody@example.com');

-- USER_NOT_FOUND: refresh or revoke for a user that CometChat does not know.
SELECT cometchat_refresh_token('00000000-0000-4000-8000-00000000ddd2');

-- TOKEN_FAILED: the user exists, the token call fails permanently.
SELECT spec.from_now_on('{"kind": "status", "status": 400, "code": "ERR_BAD_REQUEST", "operation": "create_token"}');
SELECT cometchat_refresh_token('00000000-0000-4000-8000-00000000ddd1');
SELECT spec.from_now_on('"ok"');

-- API_KEY_REJECTED: a wrong key; an Auth Key where a REST API key is needed.
SELECT spec.key_file('0000000000000000000000000000000000000000') AS key_file \gset
SET cometchat.api_key_file = :'key_file';
SELECT pg_temp.bob();
SELECT spec.key_file('1111111111111111111111111111111111111111') AS key_file \gset
SELECT spec.control('GET', 'keys') -> 'keys' AS keys \gset
SELECT spec.control('PUT', 'keys', '[{"key": "1111111111111111111111111111111111111111", "scope": "authOnly"}]') ? 'keys' AS is_auth_key;
SELECT pg_temp.bob();
SELECT spec.control('PUT', 'keys', :'keys') ? 'keys' AS as_before;
RESET cometchat.api_key_file;

-- PLAN_LIMIT: the plan's users are used up.
SELECT spec.control('PATCH', 'settings', '{"quota": 1}') -> 'quota' AS quota;
SELECT pg_temp.bob();
SELECT spec.control('PATCH', 'settings', '{"quota": null}') -> 'quota' AS quota;

-- The next four are temporary. (Whether the user is queued is left out here.)
-- RATE_LIMITED by CometChat.
SELECT spec.from_now_on('{"kind": "status", "status": 429, "code": "ERR_TOO_MANY_REQUESTS", "headers": {"Retry-After": "0"}}');
SELECT pg_temp.bob() - 'queued';
-- Nothing is sent for a second, although Retry-After is 0.
SELECT pg_temp.bob() - 'queued';
SELECT spec.from_now_on('"ok"');
SELECT pg_sleep(1.2);
SELECT spec.answer(cometchat_refresh_token('00000000-0000-4000-8000-00000000ddd1'));

-- TIMEOUT: CometChat accepts the connection and does not answer.
SELECT spec.from_now_on('{"kind": "hang_before_header"}');
SET cometchat.request_timeout = '300ms';
SELECT pg_temp.bob() - 'queued';
RESET cometchat.request_timeout;

-- NETWORK: CometChat cannot be reached, or the connection breaks.
SET cometchat.api_base_url = 'http://127.0.0.1:9/v3';
SELECT pg_temp.bob() - '{error,queued}'::text[];
RESET cometchat.api_base_url;
SELECT spec.from_now_on('{"kind": "reset"}');
SELECT pg_temp.bob() - '{error,queued}'::text[];

-- API_ERROR: any other answer, redirects and garbage included. The key follows no redirect.
SELECT spec.from_now_on('{"kind": "status", "status": 503, "code": "ERR_EXCEPTION"}');
SELECT pg_temp.bob() - 'queued';
SELECT spec.from_now_on('{"kind": "status", "status": 404, "code": "ERR_API_NOT_FOUND"}');
SELECT pg_temp.bob();
SELECT spec.from_now_on('{"kind": "raw", "status": 502, "body": "<html>Bad gateway</html>"}');
SELECT pg_temp.bob() - 'queued';
SELECT spec.from_now_on('{"kind": "raw", "status": 200, "body": "<html>Welcome to our hotel''s WLAN</html>"}');
SELECT pg_temp.bob();
SELECT spec.from_now_on('{"kind": "redirect", "location": "http://127.0.0.1:9/"}');
SELECT pg_temp.bob();
SELECT spec.from_now_on('{"kind": "no_content"}');
SELECT pg_temp.bob();
SELECT spec.from_now_on('{"kind": "truncated_json"}');
SELECT pg_temp.bob();
-- CometChat's words are not passed on when they do not look like a code.
SELECT spec.from_now_on('{"kind": "status", "status": 500, "code": "<script>alert(1)</script>"}');
SELECT pg_temp.bob() - 'queued';
SELECT spec.from_now_on('"ok"');
SELECT spec.asked() <> 'nothing' AS asked;

-- READ_ONLY: nothing is sent if nothing can be stored; a stored token is returned.
BEGIN READ ONLY;
SELECT pg_temp.bob();
SELECT cometchat_refresh_token('00000000-0000-4000-8000-00000000ddd1');
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-00000000ddd1'));
COMMIT;
SELECT spec.asked();

-- DATABASE: the final write fails. The transaction continues, and the next call works.
ALTER TABLE cometchat_users ADD CONSTRAINT nobody_new CHECK (user_id = '00000000-0000-4000-8000-00000000ddd1');
BEGIN;
SELECT pg_temp.bob();
SELECT 'still here' AS transaction;
COMMIT;
ALTER TABLE cometchat_users DROP CONSTRAINT nobody_new;
SELECT spec.answer(pg_temp.bob());

SELECT spec.over();
