-- What an answer of CometChat's means: the twin of crates/cometchat (kind, answer, message, error).

-- The code decides first, the status where there is none or says more: "try later".
CREATE FUNCTION cometchat.error_kind(status integer, code text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $function$
DECLARE
  later boolean := status IN (408, 417, 429) OR status BETWEEN 500 AND 599;
  by_code text := CASE
    WHEN code = 'ERR_UID_NOT_FOUND' THEN 'uid_not_found'
    WHEN code IN ('ERR_AUTH_TOKEN_NOT_FOUND', 'AUTH_ERR_AUTH_TOKEN_NOT_FOUND') THEN 'token_not_found'
    WHEN code = 'ERR_UID_ALREADY_EXISTS' THEN 'uid_exists'
    WHEN code = 'ERR_TOO_MANY_REQUESTS' THEN 'rate_limited'
    WHEN code = 'ERR_SUBSCRIPTION_EXPIRED' THEN 'plan_limit'
    WHEN code IN ('ERR_API_NOT_FOUND', 'ERR_INVALID_API_VERSION') THEN 'wrong_endpoint'
    WHEN code IN ('ERR_BAD_REQUEST', 'ERR_INVALID_UID', 'ERR_ROLE_NOT_FOUND') THEN 'bad_user'
    WHEN code IN ('ERR_MISSION_FAILED', 'ERR_OPERATION_FAILED', 'ERR_EXCEPTION', 'ERR_UID_DELETE_FAILED',
                  'ERR_AUTH_TOKEN_DELETE_FAILED', 'ERR_AUTH_TOKENS_DELETE_FAILED', 'ERR_BAD_ERROR_RESPONSE')
      THEN 'server'
    WHEN starts_with(code, 'AUTH_ERR_') THEN 'key_rejected'
    WHEN starts_with(code, 'ERR_PLAN_') THEN 'plan_limit'
    WHEN starts_with(code, 'ERR_IMPORT_') THEN 'bad_user' END;
BEGIN
  IF by_code IS NOT NULL AND NOT (by_code = 'bad_user' AND later) THEN
    RETURN by_code;
  END IF;
  RETURN CASE
    WHEN status IN (401, 403) THEN 'key_rejected'
    WHEN status = 402 THEN 'plan_limit'
    WHEN status = 429 THEN 'rate_limited'
    WHEN status IN (404, 405) THEN 'wrong_endpoint'
    WHEN later THEN 'server'
    WHEN status BETWEEN 400 AND 499 THEN 'bad_user'
    ELSE 'server' END; -- an error inside a success
END
$function$;
COMMENT ON FUNCTION cometchat.error_kind(integer, text) IS 'What an error of CometChat''s is about.';

-- What a request that failed so may have brought about: 0 nothing, 1 unknown, 2 it may be under way still.
CREATE FUNCTION cometchat.effect_of(kind text, status integer, code text, what text) RETURNS integer
LANGUAGE plpgsql IMMUTABLE
AS $function$
BEGIN
  RETURN CASE
    WHEN kind IN ('refused', 'invalid', 'not_configured') THEN 0
    WHEN kind = 'network' THEN CASE WHEN what IN ('connection refused', 'name not found', 'no route', 'tls')
                                    THEN 0 ELSE 2 END
    WHEN kind = 'timeout' THEN 2
    WHEN what IS NOT NULL AND kind = 'not_cometchat' THEN 2
    WHEN what IS NOT NULL THEN 0 -- 401 to 404 without an envelope
    WHEN status >= 500 OR status IN (408, 417) THEN CASE WHEN code IS NULL THEN 2 ELSE 1 END
    ELSE 0 END;
END
$function$;
COMMENT ON FUNCTION cometchat.effect_of(text, integer, text, text) IS
  'What a failed request may have brought about: 0 nothing, 1 unknown, 2 it may be under way.';

CREATE FUNCTION cometchat.try_json(raw text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
AS $function$
BEGIN
  RETURN raw::jsonb;
EXCEPTION WHEN data_exception OR program_limit_exceeded OR statement_too_complex THEN
  RETURN NULL; -- no JSON, nested too deeply, or with a NUL in it
END
$function$;
COMMENT ON FUNCTION cometchat.try_json(text) IS 'A text as JSON; null if it is none.';

-- SECURITY: without keys (ours of any look, and runs of 20 hexadecimal digits) and e-mail addresses.
CREATE FUNCTION cometchat.clean_message(raw text) RETURNS text
LANGUAGE plpgsql STABLE
AS $function$
DECLARE
  shown text := left(raw, 4000);
BEGIN
  shown := regexp_replace(shown, '[\s\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]', ' ', 'g');
  shown := regexp_replace(shown, '[\u0001-\u001f\u007f-\u009f\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e'
    '\u2060-\u206f\ufeff\u3164\uffa0]', '', 'g');
  IF cometchat.api_key() IS NOT NULL THEN
    shown := replace(shown, cometchat.api_key(), '[redacted]');
  END IF;
  shown := regexp_replace(shown, '[[:alnum:]._%+''~!#$&*/=?^`{|}-]+@[[:alnum:]@._%+''~!#$&*/=?^`{|}-]*',
                          '[redacted]', 'g');
  shown := regexp_replace(shown, '[0-9A-Fa-f]{20,}', '[redacted]', 'g');
  RETURN NULLIF(rtrim(left(btrim(regexp_replace(shown, ' +', ' ', 'g')), 200)), '');
END
$function$;
COMMENT ON FUNCTION cometchat.clean_message(text) IS 'CometChat''s words, safe to store and to show.';

CREATE FUNCTION cometchat.clean_code(raw text) RETURNS text
LANGUAGE plpgsql STABLE
AS $function$
BEGIN
  RETURN CASE WHEN raw ~ '^[A-Za-z0-9_]{1,64}$' AND raw !~ '[0-9A-Fa-f]{20}'
                   AND COALESCE(strpos(raw, cometchat.api_key()), 0) = 0 THEN raw END;
END
$function$;
COMMENT ON FUNCTION cometchat.clean_code(text) IS 'A code of CometChat''s; null if it cannot be one.';

-- The texts of a field's errors.
CREATE FUNCTION cometchat.field_errors(details jsonb) RETURNS text
LANGUAGE plpgsql STABLE
AS $function$
DECLARE
  fault record;
BEGIN
  IF jsonb_typeof(details) = 'object' THEN
    SELECT f.key, f.value INTO fault FROM jsonb_each(details) AS f LIMIT 1;
  ELSIF jsonb_typeof(details) = 'string' OR (jsonb_typeof(details) = 'array' AND details <> '[]') THEN
    SELECT '' AS key, details AS value INTO fault;
  ELSE
    RETURN NULL;
  END IF;
  IF fault.key IS NULL THEN
    RETURN NULL;
  END IF;
  RETURN COALESCE(cometchat.clean_message(fault.key), '') || ': ' || COALESCE(cometchat.clean_message(
    CASE jsonb_typeof(fault.value)
      WHEN 'array' THEN (SELECT string_agg(e.value, ' ' ORDER BY e.ordinality)
                         FROM jsonb_array_elements_text(fault.value) WITH ORDINALITY AS e)
      ELSE fault.value #>> '{}' END), '');
END
$function$;
COMMENT ON FUNCTION cometchat.field_errors(jsonb) IS 'What CometChat says of the first field that it refuses.';

-- A failure: what it is about, and what it may have brought about.
CREATE FUNCTION cometchat.fault(kind text, status integer, code text, what text, message text,
                                retry_after integer DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
AS $function$
BEGIN
  RETURN jsonb_strip_nulls(jsonb_build_object('kind', kind, 'status', status, 'code', code,
    'what', COALESCE(what, 'HTTP ' || status), 'message', message, 'retry_after', retry_after,
    'effect', cometchat.effect_of(kind, status, code, what)));
END
$function$;
COMMENT ON FUNCTION cometchat.fault(text, integer, text, text, text, integer) IS 'A failed request.';

-- An answer that is not CometChat's: the status of some is CometChat's word all the same.
CREATE FUNCTION cometchat.not_cometchat(status integer, why text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
AS $function$
BEGIN
  RETURN cometchat.fault(
    CASE WHEN status BETWEEN 401 AND 404 THEN cometchat.error_kind(status, NULL) ELSE 'not_cometchat' END,
    status, NULL, format('HTTP %s, %s', status, why),
    format('the answer is not CometChat''s: %s (status %s)', why, status));
END
$function$;
COMMENT ON FUNCTION cometchat.not_cometchat(integer, text) IS 'An answer that is not CometChat''s.';

-- {"data": ..., "status": ...}, or a fault.
CREATE FUNCTION cometchat.read_answer(status integer, content text, retry_after text, large boolean) RETURNS jsonb
LANGUAGE plpgsql STABLE
AS $function$
DECLARE
  cap integer := CASE WHEN large THEN 8388608 ELSE 65536 END;
  top jsonb;
  error jsonb;
  code text;
  why text;
  wait integer := CASE WHEN retry_after ~ '^[0-9]{1,9}$' THEN retry_after::integer END;
  failed boolean := status NOT BETWEEN 200 AND 299;
BEGIN
  -- It is all in memory by now; what is larger than any answer of CometChat's is not even parsed.
  IF octet_length(content) > (CASE WHEN failed THEN 65536 ELSE cap END) THEN
    IF NOT failed THEN
      RETURN cometchat.fault('not_cometchat', NULL, NULL, 'answer too large',
                             format('the answer exceeds %s bytes', cap));
    END IF;
    content := '';
  END IF;
  IF status BETWEEN 300 AND 399 THEN
    RETURN cometchat.not_cometchat(status, 'redirect');
  END IF;
  IF COALESCE(btrim(content, E' \t\r\n\f'), '') = '' THEN
    why := 'empty';
  ELSE
    top := cometchat.try_json(content);
    why := CASE WHEN top IS NULL THEN 'not JSON' WHEN jsonb_typeof(top) <> 'object' THEN 'not a JSON object' END;
  END IF;
  IF why IS NULL THEN
    error := NULLIF(top -> 'error', 'null');
    IF error IS NULL AND top ? 'data' AND NOT failed THEN
      RETURN jsonb_build_object('data', top -> 'data', 'status', status, 'meta', top -> 'meta');
    ELSIF error IS NULL THEN
      why := 'no data and no error in it';
    END IF;
  END IF;
  IF why IS NOT NULL AND NOT (status IN (408, 417, 429) OR status BETWEEN 500 AND 599) THEN
    RETURN cometchat.not_cometchat(status, why);
  END IF;
  code := cometchat.clean_code(CASE jsonb_typeof(error) WHEN 'object' THEN error ->> 'code'
                               WHEN 'string' THEN error #>> '{}' END);
  IF jsonb_typeof(error) = 'string' AND code !~ 'ERR_' THEN
    code := NULL;
  END IF;
  RETURN cometchat.fault(cometchat.error_kind(status, code), status, code, NULL,
    COALESCE(cometchat.field_errors(CASE jsonb_typeof(error) WHEN 'object' THEN error -> 'details' END),
             cometchat.clean_message(CASE jsonb_typeof(error) WHEN 'object' THEN error ->> 'message'
                                     WHEN 'string' THEN error #>> '{}' END)), wait);
END
$function$;
COMMENT ON FUNCTION cometchat.read_answer(integer, text, text, boolean) IS
  'An answer: its data, or what is wrong.';
