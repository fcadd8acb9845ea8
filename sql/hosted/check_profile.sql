-- Whether a profile, as an operator writes it, can be sent: the twin of crates/cometchat/src/limits/profile.rs.

CREATE FUNCTION cometchat.kind_of(value jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $function$
BEGIN
  RETURN CASE jsonb_typeof(value) WHEN 'object' THEN 'an object' WHEN 'array' THEN 'an array'
    WHEN 'string' THEN 'a string' WHEN 'number' THEN 'a number' WHEN 'boolean' THEN 'a boolean' ELSE 'null' END;
END
$function$;
COMMENT ON FUNCTION cometchat.kind_of(jsonb) IS 'What a JSON value is, in words.';

CREATE FUNCTION cometchat.depth(value jsonb) RETURNS integer
LANGUAGE plpgsql IMMUTABLE
AS $function$
BEGIN
  RETURN CASE jsonb_typeof(value)
    WHEN 'array' THEN 1 + COALESCE((SELECT max(cometchat.depth(e)) FROM jsonb_array_elements(value) AS e), 0)
    WHEN 'object' THEN 1 + COALESCE((SELECT max(cometchat.depth(e.value)) FROM jsonb_each(value) AS e), 0)
    ELSE 0 END;
END
$function$;
COMMENT ON FUNCTION cometchat.depth(jsonb) IS 'How many arrays and objects stand in each other.';

CREATE FUNCTION cometchat.check_tags(tags jsonb) RETURNS void
LANGUAGE plpgsql IMMUTABLE
AS $function$
DECLARE
  tag record;
BEGIN
  IF jsonb_array_length(tags) > 25 THEN
    RAISE invalid_parameter_value USING MESSAGE = 'profile has too many tags',
      DETAIL = format('There are %s, and 25 are allowed.', jsonb_array_length(tags));
  END IF;
  FOR tag IN SELECT t.value, t.value #>> '{}' AS text, t.ordinality AS n
             FROM jsonb_array_elements(tags) WITH ORDINALITY AS t ORDER BY t.ordinality LOOP
    IF jsonb_typeof(tag.value) <> 'string' THEN
      RAISE invalid_parameter_value USING MESSAGE = 'tags of the profile must be an array of strings',
        DETAIL = format('Tag %s is %s.', tag.n, cometchat.kind_of(tag.value));
    ELSIF tag.text !~ '[^\s\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]' THEN
      RAISE invalid_parameter_value USING MESSAGE = 'profile has a blank tag',
        DETAIL = format('Tag %s is blank.', tag.n);
    ELSIF length(tag.text) > 100 THEN
      RAISE invalid_parameter_value USING MESSAGE = 'profile has a tag that is too long',
        DETAIL = format('Tag %s has %s characters, and 100 are allowed.', tag.n, length(tag.text));
    END IF;
  END LOOP;
END
$function$;
COMMENT ON FUNCTION cometchat.check_tags(jsonb) IS 'Raises an error for tags that CometChat would refuse.';

CREATE FUNCTION cometchat.check_profile(profile text) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  keys constant text[] := '{name,avatar,link,role,tags,statusMessage,metadata}';
  hint constant text := format('Its keys are %s and %s.', array_to_string(keys[:6], ', '), keys[7]);
  fields jsonb := profile::jsonb;
  field record;
  wanted text;
  given text;
BEGIN
  IF profile IS NULL THEN
    RETURN;
  END IF;
  IF jsonb_typeof(fields) <> 'object' THEN
    RAISE invalid_parameter_value USING MESSAGE = 'profile must be a JSON object', HINT = hint;
  END IF;
  PERFORM (n.number #>> '{}')::float8
  FROM jsonb_path_query(fields, 'strict $.** ? (@.type() == "number")') AS n(number);
  FOR field IN SELECT f.key, f.value FROM jsonb_each(fields) AS f ORDER BY f.key COLLATE "C" LOOP
    IF field.key <> ALL (keys) THEN
      RAISE invalid_parameter_value USING MESSAGE = format('profile has an unknown key "%s"', field.key),
        HINT = hint;
    END IF;
    CONTINUE WHEN field.value = 'null';
    wanted := CASE field.key WHEN 'tags' THEN 'array' WHEN 'metadata' THEN 'object' ELSE 'string' END;
    given := field.value #>> '{}';
    IF jsonb_typeof(field.value) <> wanted THEN
      RAISE invalid_parameter_value USING
        MESSAGE = format('%s of the profile must be %s', field.key,
          CASE wanted WHEN 'array' THEN 'an array of strings' WHEN 'object' THEN 'an object' ELSE 'a string' END),
        DETAIL = format('It is %s.', cometchat.kind_of(field.value));
    ELSIF field.key = 'avatar' AND cometchat.valid_url(given, 'https') IS NULL
       OR field.key = 'link' AND cometchat.valid_url(given, 'https?') IS NULL THEN
      RAISE invalid_parameter_value USING MESSAGE = format('%s of the profile is not a valid URL', field.key),
        HINT = format('Use %s of at most 3000 characters, percent-encoded, without a user name.',
                      CASE field.key WHEN 'avatar' THEN 'an https URL' ELSE 'an https or http URL' END);
    ELSIF field.key = 'role' AND given !~ '^[A-Za-z0-9_-]{1,100}$' THEN
      RAISE invalid_parameter_value USING MESSAGE = 'role of the profile is not a role id',
        HINT = 'A role id is 1 to 100 letters, digits, hyphens and underscores; the role must exist in the app.';
    ELSIF field.key = 'statusMessage' AND length(given) > 1000 THEN
      RAISE invalid_parameter_value USING MESSAGE = 'statusMessage of the profile is too long',
        DETAIL = format('It has %s characters, and 1000 are allowed.', length(given));
    ELSIF field.key = 'metadata' AND cometchat.depth(field.value) > 100 THEN
      RAISE invalid_parameter_value USING MESSAGE = 'profile is nested too deeply',
        DETAIL = 'At most 100 levels are allowed.';
    ELSIF field.key = 'metadata' AND octet_length(cometchat.canonical(field.value)) > 5000 THEN
      RAISE invalid_parameter_value USING MESSAGE = 'metadata of the profile is too large',
        DETAIL = format('As JSON it takes %s bytes, and 5000 are allowed.',
                        octet_length(cometchat.canonical(field.value)));
    ELSIF field.key = 'tags' THEN
      PERFORM cometchat.check_tags(field.value);
    END IF;
  END LOOP;
EXCEPTION
  WHEN statement_too_complex THEN
    RAISE invalid_parameter_value USING MESSAGE = 'profile is nested too deeply',
      DETAIL = 'At most 100 levels are allowed.';
  WHEN numeric_value_out_of_range THEN
    RAISE invalid_parameter_value USING MESSAGE = 'profile has a number that is out of range',
      DETAIL = 'Numbers must fit into double precision.';
END
$function$;
COMMENT ON FUNCTION cometchat.check_profile(text) IS
  'Raises an error that says why CometChat would refuse this profile, if it would.';
