-- A setting that is missing or malformed: the answer says which, nothing is sent and nothing is stored.
INSERT INTO auth.users (id, raw_user_meta_data) VALUES ('00000000-0000-4000-8000-00000000bbb1', '{"full_name": "Ada"}');
CREATE FUNCTION pg_temp.ask() RETURNS text LANGUAGE sql AS $$
  SELECT coalesce(answer ->> 'errorCode' || ': ' || (answer ->> 'error'), answer ->> 'success')
  FROM public.cometchat_ensure_user('00000000-0000-4000-8000-00000000bbb1') AS answer
$$;
SELECT cometchat_ensure_user('00000000-0000-4000-8000-00000000bbb1') ->> 'success' AS as_it_is;
DELETE FROM cometchat_users WHERE true;
DELETE FROM cometchat.sync_state WHERE true;
SELECT spec.control('DELETE', 'users/00000000-0000-4000-8000-00000000bbb1') ? 'deleted' AS clean;
SELECT spec.asked();

-- The app id becomes part of a host name.
SET cometchat.app_id = '';
SELECT pg_temp.ask();
SET cometchat.app_id = 'a/../b';
SELECT pg_temp.ask();
SET cometchat.app_id = 'a b';
SELECT pg_temp.ask();
SET cometchat.app_id = 'évil';
SELECT pg_temp.ask();
SET cometchat.app_id = 'evil.example#';
SELECT pg_temp.ask();
RESET cometchat.app_id;

-- So does the region.
SET cometchat.region = '';
SELECT pg_temp.ask();
SET cometchat.region = 'us.evil.example/';
SELECT pg_temp.ask();
SET cometchat.region = 'US';
SELECT pg_temp.ask();
RESET cometchat.region;

-- The key goes over https, or to this machine.
SET cometchat.api_base_url = 'http://api.example/v3';
SELECT pg_temp.ask();
SET cometchat.api_base_url = 'http://127.0.0.1.evil.example/v3';
SELECT pg_temp.ask();
SET cometchat.api_base_url = 'ftp://127.0.0.1/v3';
SELECT pg_temp.ask();
SET cometchat.api_base_url = 'https://user:password@api.example/v3';
SELECT pg_temp.ask();
SET cometchat.api_base_url = 'nonsense';
SELECT pg_temp.ask();
RESET cometchat.api_base_url;
SET cometchat.proxy = 'socks5://127.0.0.1:1080';
SELECT pg_temp.ask();
RESET cometchat.proxy;
SET cometchat.ca_file = '/nowhere/ca.pem';
SELECT pg_temp.ask();
RESET cometchat.ca_file;

-- The key file: there, a file, of the server's user or root, closed to others, and a key inside.
SET cometchat.api_key_file = '';
SELECT pg_temp.ask();
SET cometchat.api_key_file = '/nowhere/cometchat.key';
SELECT pg_temp.ask();
SET cometchat.api_key_file = '/tmp';
SELECT pg_temp.ask();
SELECT spec.key_file('0123456789abcdef', '644') AS key_file \gset
SET cometchat.api_key_file = :'key_file';
SELECT pg_temp.ask();
SELECT spec.key_file('0123456789abcdef', '640') AS key_file \gset
SELECT pg_temp.ask();
SELECT spec.key_file('') AS key_file \gset
SELECT pg_temp.ask();
SELECT spec.key_file(E'01234567\n89abcdef\n') AS key_file \gset
SELECT pg_temp.ask();
SELECT spec.key_file(E'0123456789abcdef\r\nX-Evil: 1') AS key_file \gset
SELECT pg_temp.ask();
SELECT spec.key_file('schlüssel') AS key_file \gset
SELECT pg_temp.ask();
SELECT spec.key_file(repeat('x', 100000)) AS key_file \gset
SELECT pg_temp.ask();

-- Refresh and revoke answer likewise.
SELECT cometchat_refresh_token('00000000-0000-4000-8000-00000000bbb1');
SELECT cometchat_revoke_tokens('00000000-0000-4000-8000-00000000bbb1') - 'queued';

SELECT spec.asked() AS requests, (SELECT count(*) FROM cometchat_users) AS stored;

-- Where a setting is empty, Vault serves.
SET cometchat.api_key_file = '';
SET cometchat.app_id = '';
SET cometchat.region = '';
SELECT pg_temp.ask();
\getenv key_file COMETCHAT_KEY_FILE
SELECT vault.create_secret('spec', 'cometchat_app_id') IS NOT NULL AS app_id,
       vault.create_secret('us', 'cometchat_region') IS NOT NULL AS region,
       vault.create_secret(pg_read_file(:'key_file'), 'cometchat_api_key') IS NOT NULL AS key;
SELECT pg_temp.ask();
DELETE FROM vault.secrets WHERE name LIKE 'cometchat%';

SELECT spec.asked();
SELECT spec.over();
