-- Flow 4: a new token on demand.
INSERT INTO auth.users (id, raw_user_meta_data) VALUES
  ('00000000-0000-4000-8000-0000000000d1', '{"full_name": "Ada"}'),
  ('00000000-0000-4000-8000-0000000000d2', '{"full_name": "Bob"}');
SET ROLE authenticated;
SET request.jwt.claims = '{"sub": "00000000-0000-4000-8000-0000000000d1", "role": "authenticated"}';
SELECT cometchat_ensure_user() ->> 'authToken' AS old \gset
SELECT spec.asked();

-- Minted even though one is stored; the new one is what is stored then.
SELECT cometchat_refresh_token() ->> 'authToken' AS new \gset
SELECT :'old' <> :'new' AS another, :'new' = cometchat_auth_token AS stored, updated_at > created_at AS dated
FROM cometchat_users;
SELECT spec.asked();
SELECT cometchat_ensure_user() ->> 'authToken' = :'new' AS the_new_one;
SELECT spec.asked();

-- The old one still works: other devices stay logged in. (Revoking is another function.)
RESET ROLE;
SELECT jsonb_array_length(spec.control('GET', 'users/00000000-0000-4000-8000-0000000000d1') -> 'tokens') AS tokens;

-- Bob does not exist in CometChat yet: cometchat_ensure_user creates users.
SELECT cometchat_refresh_token('00000000-0000-4000-8000-0000000000d2');
SELECT cometchat_refresh_token('00000000-0000-4000-8000-00000000dead');
SELECT spec.asked();

-- When the token call fails for good, the stored one stays; refresh is never queued.
SELECT spec.from_now_on('{"kind": "status", "status": 400, "code": "ERR_BAD_REQUEST", "operation": "create_token"}');
SELECT cometchat_refresh_token('00000000-0000-4000-8000-0000000000d1');
SELECT spec.from_now_on('{"kind": "status", "status": 503, "operation": "create_token"}');
SELECT cometchat_refresh_token('00000000-0000-4000-8000-0000000000d1');
SELECT spec.from_now_on('"ok"');
SELECT cometchat_auth_token = :'new' AS still_stored FROM cometchat_users;

SELECT spec.over();
