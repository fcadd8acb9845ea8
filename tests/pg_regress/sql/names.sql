-- The name that other users see. It is cleaned and cut, never refused, and never an e-mail address.
\pset format unaligned
INSERT INTO auth.users (id, email) VALUES ('00000000-0000-4000-8000-00000000aaa0', 'ada@example.com');
-- One user for each line; CometChat's name is what we look at.
CREATE FUNCTION pg_temp.name_of(display_name text, metadata jsonb DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  id uuid := ('00000000-0000-4000-8000-' || lpad((SELECT count(*) FROM auth.users)::text, 12, '0'))::uuid;
BEGIN
  INSERT INTO auth.users (id, email, raw_user_meta_data) VALUES (id, id::text || '@example.com', metadata);
  IF NOT (public.cometchat_ensure_user(id, display_name) ->> 'success')::boolean THEN
    RAISE 'no success';
  END IF;
  RETURN spec.chat_user(id::text) ->> 'name';
END $$;

-- As given.
SELECT pg_temp.name_of('Ada Lovelace');
SELECT pg_temp.name_of('Åsa Ödman'), pg_temp.name_of('毛笔'), pg_temp.name_of('O''Brien "Bob" \ </b>');
-- White space of any kind becomes one space; several lines become one.
SELECT pg_temp.name_of(E'  Ada\r\n\tLovelace  ');
-- Controls and what turns the direction of text go; the letters of right-to-left scripts stay.
SELECT pg_temp.name_of(E'A\u0007d\u001Ba'), pg_temp.name_of(E'\u202Efdp.exe\u202C'), pg_temp.name_of('שלום עולם');
-- Emoji made of several stay whole.
SELECT pg_temp.name_of('Ada 👩‍🚀');
-- Cut at 100 units of UTF-16, in which an emoji is two.
SELECT length(pg_temp.name_of(repeat('x', 1024 * 1024))) AS of_a_megabyte,
       length(pg_temp.name_of(repeat('😀', 80))) AS of_80_emoji;

-- Absent: null, blank, invisible. Then the metadata's name, in the order of display_name_fields.
SELECT pg_temp.name_of(NULL, '{"full_name": "From metadata"}'), pg_temp.name_of('', '{"full_name": "From metadata"}'),
       pg_temp.name_of(E' \t\n', '{"full_name": "From metadata"}'), pg_temp.name_of(E'\u200B', '{"full_name": "From metadata"}');
SELECT pg_temp.name_of(NULL, '{"name": "third", "full_name": "second", "display_name": "first"}'),
       pg_temp.name_of(NULL, '{"name": "third", "full_name": " ", "display_name": null}'),
       pg_temp.name_of(NULL, '{"name": {"first": "x"}}'),
       pg_temp.name_of(NULL, '"a string"');
SET cometchat.display_name_fields = 'nick, name';
SELECT pg_temp.name_of(NULL, '{"name": "Ada", "nick": "countess"}');
RESET cometchat.display_name_fields;
-- Nothing at all: "User " and the first 8 of the id, which is used to create only.
SELECT pg_temp.name_of(NULL);

-- A name that equals the e-mail, in any case, counts as absent too.
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-00000000aaa0', ' ADA@example.com '));
SELECT spec.chat_user('00000000-0000-4000-8000-00000000aaa0');
UPDATE auth.users SET raw_user_meta_data = '{"full_name": "ada@example.com"}' WHERE id = '00000000-0000-4000-8000-00000000aaa0';
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-00000000aaa0'));
SELECT spec.chat_user('00000000-0000-4000-8000-00000000aaa0') -> 'name' AS name;

-- An absent name does not overwrite the name in CometChat.
SELECT spec.control('POST', 'users', '{"uid": "00000000-0000-4000-8000-00000000aaa1", "name": "Named there"}') ? 'user' AS is_there;
INSERT INTO auth.users (id) VALUES ('00000000-0000-4000-8000-00000000aaa1');
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-00000000aaa1'));
SELECT spec.chat_user('00000000-0000-4000-8000-00000000aaa1') -> 'name' AS name;

-- A trusted caller's e-mail: odd ones are left out rather than refused.
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-00000000aaa1', NULL, E'a\nb@example.com'));
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-00000000aaa1', NULL, repeat('x', 1024 * 1024)));
SELECT spec.chat_user('00000000-0000-4000-8000-00000000aaa1');
SELECT spec.answer(cometchat_ensure_user('00000000-0000-4000-8000-00000000aaa1', NULL, 'real@example.com'));
SELECT spec.chat_user('00000000-0000-4000-8000-00000000aaa1');

SELECT spec.over();
