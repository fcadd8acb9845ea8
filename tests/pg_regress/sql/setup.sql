-- Sets up what all other files need: a database with Supabase's roles and auth schema (the runner has
-- loaded tests/supabase/fixture.sql), the extension, and a local CometChat (tests/simulator).
CREATE EXTENSION cometchat_ext;
-- The worker is paused: all requests are then those of the call itself.
SELECT cometchat.pause();

-- An operator sets these once. The key is in a file of the server's user, mode 0600.
\getenv url COMETCHAT_URL
\getenv key_file COMETCHAT_KEY_FILE
ALTER DATABASE spec SET cometchat.app_id = 'spec';
ALTER DATABASE spec SET cometchat.region = 'us';
ALTER DATABASE spec SET cometchat.api_key_file = :'key_file';
ALTER DATABASE spec SET cometchat.api_base_url = :'url';

-- Helpers of the spec itself, in a schema of their own. They steer the local CometChat.
\getenv control COMETCHAT_CONTROL
ALTER DATABASE spec SET spec.control = :'control';
CREATE SCHEMA spec;
GRANT USAGE ON SCHEMA spec TO PUBLIC;

CREATE FUNCTION spec.control(method text, path text, body jsonb DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' SET client_min_messages = warning AS $$
DECLARE
  answer text;
BEGIN
  CREATE TEMP TABLE IF NOT EXISTS control_answer (line text);
  DELETE FROM control_answer;
  EXECUTE format('COPY control_answer FROM PROGRAM %L (FORMAT csv, DELIMITER %L, QUOTE %L)',
    format('curl -s -m 10 -X %s -d ''%s'' ''%s/%s''', method, replace(coalesce(body::text, ''), '''', '''\'''''),
           current_setting('spec.control'), path), E'\x01', E'\x02');
  SELECT string_agg(line, E'\n') INTO answer FROM control_answer;
  RETURN answer::jsonb;
END $$;

-- The operations that CometChat was asked for since the last look.
CREATE FUNCTION spec.asked() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$
  SELECT coalesce(string_agg(r ->> 'operation', ', ' ORDER BY n), 'nothing')
  FROM jsonb_array_elements(spec.control('POST', 'requests/take') -> 'requests')
       WITH ORDINALITY AS requests(r, n)
$$;
-- A user as CometChat has it.
CREATE FUNCTION spec.chat_user(uid text) RETURNS jsonb LANGUAGE sql SECURITY DEFINER AS $$
  SELECT (spec.control('GET', 'users/' || uid) -> 'user')
         - '{createdAt,updatedAt,status,role,lastActiveAt,conversationId,uid}'::text[]
$$;
-- An answer with its token made the same in every run: {uid}_{time}{random} becomes {uid}_TOKEN.
CREATE FUNCTION spec.answer(answer jsonb) RETURNS text LANGUAGE sql AS $$
  SELECT regexp_replace(answer::text, '_[0-9]{10}[0-9a-f]{30}"', '_TOKEN"')
$$;
-- From now on CometChat answers this way; 'ok' ends it.
CREATE FUNCTION spec.from_now_on(fault jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM spec.control('DELETE', 'faults');
  IF fault <> '"ok"' THEN
    PERFORM spec.control('POST', 'faults', fault);
  END IF;
END $$;
-- The end of a file: removes everything that could affect the next one.
CREATE FUNCTION spec.over() RETURNS void LANGUAGE sql AS $$
  DELETE FROM auth.users WHERE true;
  SELECT spec.control('DELETE', 'faults'), spec.control('DELETE', 'requests');
$$;
-- A key file of the server's user with this content and mode; returns its path.
CREATE FUNCTION spec.key_file(content text, mode text DEFAULT '600') RETURNS text
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  path text := current_setting('data_directory') || '/spec.key';
BEGIN
  EXECUTE format('COPY (SELECT %L) TO PROGRAM %L',
    replace(encode(convert_to(content, 'UTF8'), 'base64'), E'\n', ''),
    format('rm -f %1$s; umask 077; base64 -d > %1$s; chmod %2$s %1$s', path, mode));
  RETURN path;
END $$;
REVOKE EXECUTE ON FUNCTION spec.control, spec.key_file FROM PUBLIC, anon, authenticated;
