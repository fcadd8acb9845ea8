-- Names, addresses and URLs: the twin of crates/cometchat/src/limits.

-- A name without characters that hide or reorder text, with single spaces, at most 100 UTF-16 units.
CREATE FUNCTION cometchat.clean_name(raw text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $function$
DECLARE
  name text := left(raw, 20000);
  whole text;
  regional constant text := '\U0001F1E6-\U0001F1FF';
BEGIN
  IF name ~ '^[!-~]+( [!-~]+)*$' AND length(name) <= 100 THEN
    RETURN name; -- nearly every name
  END IF;
  name := regexp_replace(name, '[\s\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+', ' ', 'g');
  -- tag characters hide text, except behind a black flag, where they say whose it is
  IF name ~ '[\U000E0020-\U000E007F]' THEN
    name := regexp_replace(name, '(\U0001F3F4[\U000E0020-\U000E007F]*)|[\U000E0020-\U000E007F]', '\1', 'g');
  END IF;
  name := regexp_replace(name, '[\u0001-\u001f\u007f-\u009f\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e'
    '\u2060-\u206f\ufeff\u3164\uffa0\ufdd0-\ufdef\ufff9-\ufffb\ufffe\uffff\U000E0001]', '', 'g');
  name := regexp_replace(regexp_replace(name, '^[ \u200c\u200d]+', ''), ' +', ' ', 'g');
  IF length(name) > 50 THEN
    whole := name;
    name := (SELECT string_agg(c.c, '' ORDER BY c.n)
             FROM (SELECT s.c, s.n, sum(CASE WHEN ascii(s.c) > 65535 THEN 2 ELSE 1 END) OVER (ORDER BY s.n) AS units
                   FROM regexp_split_to_table(left(name, 101), '') WITH ORDINALITY AS s(c, n)) AS c
             WHERE c.units <= 100);
    -- half a flag is a lone letter
    IF substr(whole, length(name) + 1, 1) ~ ('[' || regional || ']')
       AND length(substring(name FROM '[' || regional || ']*$')) % 2 = 1 THEN
      name := left(name, -1);
    END IF;
  END IF;
  name := regexp_replace(name, '[ \u200c\u200d]+$', '');
  RETURN CASE WHEN name ~ '[^ \u200c\u200d\u115f\u1160\u2800\ufe00-\ufe0f\U000E0100-\U000E01EF]' THEN name END;
END
$function$;
COMMENT ON FUNCTION cometchat.clean_name(text) IS 'A display name as CometChat takes it; null if nothing is left.';

-- What is seen of a text, as far as it may become a name.
CREATE FUNCTION cometchat.visible(raw text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $function$
BEGIN
  RETURN left(regexp_replace(raw, '[\u0001-\u0008\u000e-\u001f\u007f-\u0084\u0086-\u009f\u00ad\u034f\u061c\u115f\u1160'
    '\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufdd0-\ufdef\ufe00-\ufe0f\ufeff'
    '\uffa0\ufff9-\ufffb\ufffe\uffff\U0001BCA0-\U0001BCA3\U0001D173-\U0001D17A\U000E0000-\U000E0FFF]', '', 'g'), 500);
END
$function$;
COMMENT ON FUNCTION cometchat.visible(text) IS 'A text without what is not seen.';

-- The same in ordinary letters, lower case, with @ for its other spellings.
CREATE FUNCTION cometchat.plain(raw text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $function$
DECLARE
  text_of text := cometchat.visible(raw);
  spelled text;
BEGIN
  IF text_of ~ '[^\u0001-\u007f]' THEN
    text_of := cometchat.visible(normalize(text_of, NFKC));
  END IF;
  text_of := lower(text_of);
  IF text_of !~ '[%&\\]' THEN
    RETURN text_of;
  END IF;
  -- Escaped twice, or more often: each round makes it shorter.
  WHILE text_of ~ '%25|&amp;' LOOP
    text_of := replace(replace(text_of, '%25', '%'), '&amp;', '&');
  END LOOP;
  FOREACH spelled IN ARRAY ARRAY['%40', '&#64;', '&#064;', '&#x40;', '&#x0040;', '&commat;', '\u0040', '\x40'] LOOP
    text_of := replace(text_of, spelled, '@');
  END LOOP;
  RETURN text_of;
END
$function$;
COMMENT ON FUNCTION cometchat.plain(text) IS 'A text in ordinary letters, as addresses are looked for in it.';

CREATE FUNCTION cometchat.digits(raw text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $function$
BEGIN
  RETURN regexp_replace(translate(raw,
    U&'\0660\0661\0662\0663\0664\0665\0666\0667\0668\0669\06F0\06F1\06F2\06F3\06F4\06F5\06F6\06F7\06F8\06F9'
    '\0966\0967\0968\0969\096A\096B\096C\096D\096E\096F\09E6\09E7\09E8\09E9\09EA\09EB\09EC\09ED\09EE\09EF',
    '0123456789012345678901234567890123456789'), '[^0-9]', '', 'g');
END
$function$;
COMMENT ON FUNCTION cometchat.digits(text) IS 'The decimal digits of a text, of whatever script.';

-- Whether a text shows how a user can be reached: any address at all, or this telephone number.
CREATE FUNCTION cometchat.shows_contact(raw text, addresses text[], phone text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
AS $function$
DECLARE
  an_address constant text := '[^\s\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000@<(\[,;:]@'
                              '([^\s\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]|$)';
  name text := cometchat.plain(raw);
  squeezed text := regexp_replace(name, '\s', '', 'g');
  address text;
  number text;
  found text;
  dialled text;
BEGIN
  IF raw ~ '@|[^ -~]' AND cometchat.visible(raw) ~ an_address OR name ~ an_address THEN
    RETURN true;
  END IF;
  FOREACH address IN ARRAY addresses LOOP
    IF address LIKE '%@%' AND length(address) <= 500 AND squeezed NOT LIKE '%@%' THEN
      CONTINUE;
    END IF;
    address := regexp_replace(cometchat.plain(address), '\s', '', 'g');
    IF strpos(address, '@') > 0 AND strpos(squeezed, address) > 0
       OR strpos(address, '@') = 0 AND address <> '' AND squeezed = address THEN
      RETURN true;
    END IF;
  END LOOP;
  number := cometchat.digits(cometchat.plain(phone));
  IF length(number) >= 7 THEN
    found := cometchat.digits(name);
    dialled := ltrim(found, '0');
    RETURN strpos(found, number) > 0
      OR length(dialled) >= 7 AND name !~ '[[:alpha:]]' AND right(number, length(dialled)) = dialled;
  END IF;
  RETURN false;
END
$function$;
COMMENT ON FUNCTION cometchat.shows_contact(text, text[], text) IS
  'Whether a text shows an address, or the user''s telephone number.';

-- The one rule for what may be a user's public name, wherever it comes from.
CREATE FUNCTION cometchat.public_name(raw text, addresses text[], phone text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $function$
DECLARE
  name text := cometchat.clean_name(raw);
BEGIN
  RETURN CASE WHEN name IS NOT NULL AND NOT cometchat.shows_contact(raw, addresses, phone) THEN name END;
END
$function$;
COMMENT ON FUNCTION cometchat.public_name(text, text[], text) IS 'The name to show; null if there is none.';

-- A URL that CometChat takes: a host, no user name, nothing that a strict parser refuses.
CREATE FUNCTION cometchat.valid_url(url text, schemes text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $function$
DECLARE
  host text := lower(substring(url FROM '^[A-Za-z]+://([^/?#]*)'));
  label constant text := '[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?';
BEGIN
  IF length(url) > 3000 OR url !~* ('^(' || schemes || ')://') OR url !~ (
       '^[A-Za-z]+://[^/?#]*(/([A-Za-z0-9._~!$&''()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?'
       '(\?([][A-Za-z0-9._~!$&''()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?(#([A-Za-z0-9._~!$&''()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?$') THEN
    RETURN NULL;
  END IF;
  IF host ~ ':[0-9]{1,5}$' AND (substring(host FROM ':([0-9]{1,5})$'))::integer BETWEEN 1 AND 65535 THEN
    host := regexp_replace(host, ':[0-9]{1,5}$', '');
  END IF;
  IF host ~ '^\[[0-9a-f:.]+\]$' THEN
    BEGIN
      RETURN CASE WHEN family(btrim(host, '[]')::inet) = 6 THEN url END;
    EXCEPTION WHEN invalid_text_representation THEN
      RETURN NULL;
    END;
  END IF;
  RETURN CASE WHEN length(rtrim(host, '.')) <= 253
                   AND host ~ ('^' || label || '(\.' || label || ')*\.?$') THEN url END;
END
$function$;
COMMENT ON FUNCTION cometchat.valid_url(text, text) IS 'The URL if CometChat takes it; null otherwise.';
