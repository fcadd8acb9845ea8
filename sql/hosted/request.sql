-- One request to CometChat and what its answer means. The twin of src/cometchat and src/transport.

-- A failure as answers carry it: {"error": phrase, "errorCode": code}, with `later` where the same may
-- succeed later by itself.
CREATE FUNCTION cometchat.failure(code text, detail text DEFAULT NULL) RETURNS jsonb
LANGUAGE sql IMMUTABLE
AS $function$
  SELECT jsonb_build_object('errorCode', failure.code, 'error', CASE failure.code
    WHEN 'NOT_CONFIGURED' THEN 'CometChat is not properly configured'
    WHEN 'UNAUTHORIZED' THEN 'Unauthorized'
    WHEN 'INVALID_INPUT' THEN 'Invalid input'
    WHEN 'USER_NOT_FOUND' THEN 'User not found in CometChat'
    WHEN 'USER_DEACTIVATED' THEN 'The user is deactivated in CometChat'
    WHEN 'TOKEN_FAILED' THEN 'Failed to generate auth token'
    WHEN 'API_KEY_REJECTED' THEN 'CometChat rejected the API key'
    WHEN 'PLAN_LIMIT' THEN 'CometChat plan limit reached'
    WHEN 'RATE_LIMITED' THEN 'CometChat rate limit reached'
    WHEN 'TIMEOUT' THEN 'CometChat did not answer in time'
    WHEN 'NETWORK' THEN 'CometChat could not be reached'
    WHEN 'READ_ONLY' THEN 'The database is read-only'
    WHEN 'DATABASE' THEN 'Database error'
    ELSE 'CometChat answered with an error' END || COALESCE(': ' || failure.detail, ''))
$function$;

CREATE FUNCTION cometchat.too_many_requests() RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$ SELECT '{"errorCode": "RATE_LIMITED", "error": "Too many requests"}'::jsonb $$;

-- src/cometchat/kind.rs: code first, status second.
CREATE FUNCTION cometchat.error_kind(status integer, code text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $function$
  SELECT CASE WHEN c.kind IS NULL OR (c.kind = 'bad_user' AND s.later) THEN s.kind ELSE c.kind END
  FROM (SELECT CASE
      WHEN code = 'ERR_UID_NOT_FOUND' THEN 'uid_not_found'
      WHEN code IN ('ERR_AUTH_TOKEN_NOT_FOUND', 'AUTH_ERR_AUTH_TOKEN_NOT_FOUND') THEN 'token_not_found'
      WHEN code = 'ERR_UID_ALREADY_EXISTS' THEN 'uid_exists'
      WHEN code = 'ERR_TOO_MANY_REQUESTS' THEN 'rate_limited'
      WHEN code IN ('ERR_API_NOT_FOUND', 'ERR_INVALID_API_VERSION') THEN 'wrong_endpoint'
      WHEN code IN ('ERR_BAD_REQUEST', 'ERR_INVALID_UID', 'ERR_ROLE_NOT_FOUND') THEN 'bad_user'
      WHEN code IN ('ERR_MISSION_FAILED', 'ERR_OPERATION_FAILED', 'ERR_EXCEPTION', 'ERR_UID_DELETE_FAILED',
                    'ERR_AUTH_TOKEN_DELETE_FAILED', 'ERR_AUTH_TOKENS_DELETE_FAILED',
                    'ERR_BAD_ERROR_RESPONSE') THEN 'server'
      WHEN code LIKE 'AUTH\_ERR\_%' THEN 'key_rejected'
      WHEN code LIKE 'ERR\_PLAN\_%' OR code = 'ERR_SUBSCRIPTION_EXPIRED' THEN 'plan_limit' END AS kind) AS c,
    (SELECT status IN (408, 417, 429) OR status BETWEEN 500 AND 599 AS later, CASE
      WHEN status IN (401, 403) THEN 'key_rejected' WHEN status = 402 THEN 'plan_limit'
      WHEN status = 429 THEN 'rate_limited' WHEN status IN (404, 405) THEN 'wrong_endpoint'
      WHEN status IN (408, 417) OR status >= 500 OR status < 300 THEN 'server'
      ELSE 'bad_user' END AS kind) AS s
$function$;

CREATE FUNCTION cometchat.try_json(raw text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
AS $function$
BEGIN
  RETURN raw::jsonb;
EXCEPTION WHEN OTHERS THEN
  RETURN NULL; -- no JSON, nested too deeply, or with a NUL in it
END
$function$;

-- CometChat's words without keys (runs of 20 hexadecimal digits) and e-mail addresses, at most 200 characters.
CREATE FUNCTION cometchat.clean_message(raw text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $function$
  SELECT NULLIF(rtrim(left(btrim(regexp_replace(regexp_replace(regexp_replace(left(raw, 4000),
    '[\u0001-\u001f\u007f-\u009f\s\u200b-\u200f\u202a-\u202e\u2060-\u206f]+', ' ', 'g'),
    '[[:alnum:]._%+''~!#$&*/=?^`{|}-]+@[[:alnum:]._%+''~!#$&*/=?^`{|}-]*', '[redacted]', 'g'),
    '[0-9A-Fa-f]{20,}', '[redacted]', 'g')), 200)), '')
$function$;

-- One string as one segment of a path; null where it cannot be one.
CREATE FUNCTION cometchat.segment(raw text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $function$
  SELECT CASE
    WHEN raw ~ '^[A-Za-z0-9_~-][A-Za-z0-9._~-]*$' AND length(raw) <= 1024 THEN raw
    WHEN raw <> '' AND raw NOT IN ('.', '..') AND octet_length(raw) <= 1024 AND raw !~ '[/\\\u0001-\u001f\u007f]' THEN
      (SELECT string_agg(CASE WHEN b.hex ~ '^(2[de]|3[0-9]|[46][1-9a-f]|[57][0-9a]|5f|7e)$'
                              THEN convert_from(decode(b.hex, 'hex'), 'UTF8') ELSE '%' || upper(b.hex) END, '' ORDER BY b.n)
       FROM (SELECT n, substr(encode(convert_to(raw, 'UTF8'), 'hex'), 2 * n - 1, 2) AS hex
             FROM generate_series(1, octet_length(raw)) AS n) AS b) END
$function$;

-- The answer: {"data": …} or {"kind", "status", "code", "message", "retry_after", "what"}.
CREATE FUNCTION cometchat.read_answer(status integer, content text, retry_after text, large boolean) RETURNS jsonb
LANGUAGE plpgsql STABLE
AS $function$
DECLARE
  top jsonb;
  error jsonb;
  code text;
  what text;
  fault jsonb;
  failed boolean := status NOT BETWEEN 200 AND 299;
BEGIN
  -- pgsql-http has it all in memory by now; what is larger than any answer of CometChat's is not even parsed.
  IF octet_length(content) > (CASE WHEN large THEN 8388608 ELSE 65536 END) THEN
    IF NOT failed THEN
      RETURN jsonb_build_object('kind', 'not_cometchat', 'status', status, 'what', 'answer too large');
    END IF;
    content := '';
  END IF;
  IF status BETWEEN 300 AND 399 THEN
    what := 'redirect';
  ELSIF COALESCE(btrim(content, E' \t\r\n'), '') = '' THEN
    what := 'empty';
  ELSE
    top := cometchat.try_json(content);
    what := CASE WHEN top IS NULL THEN 'not JSON' WHEN jsonb_typeof(top) <> 'object' THEN 'not a JSON object' END;
  END IF;
  IF what IS NULL THEN
    error := NULLIF(top -> 'error', 'null');
    IF error IS NULL AND top ? 'data' AND NOT failed THEN
      RETURN jsonb_build_object('data', top -> 'data', 'status', status);
    ELSIF error IS NULL THEN
      what := 'no data and no error in it';
    END IF;
  END IF;
  IF what IS NOT NULL AND NOT (status IN (408, 417, 429) OR status >= 500) THEN
    -- without an envelope only some statuses are CometChat's word
    RETURN jsonb_build_object('status', status, 'what', pg_catalog.format('HTTP %s, %s', status, what),
      'kind', CASE WHEN status IN (401, 403) THEN 'key_rejected' WHEN status = 402 THEN 'plan_limit'
                   WHEN status IN (404, 405) THEN 'wrong_endpoint' ELSE 'not_cometchat' END);
  END IF;
  code := CASE jsonb_typeof(error) WHEN 'object' THEN error ->> 'code' WHEN 'string' THEN error #>> '{}' END;
  IF code !~ '^[A-Za-z0-9_]{1,64}$' OR (jsonb_typeof(error) = 'string' AND code !~ 'ERR_') THEN
    code := NULL;
  END IF;
  SELECT jsonb_build_object('f', f.key, 'm', f.value) INTO fault
  FROM jsonb_each(CASE jsonb_typeof(error -> 'details') WHEN 'object' THEN error -> 'details' ELSE '{}' END) AS f LIMIT 1;
  RETURN jsonb_strip_nulls(jsonb_build_object(
    'kind', cometchat.error_kind(status, code), 'status', status, 'code', code, 'what', 'HTTP ' || status,
    'message', cometchat.clean_message(COALESCE(
      (fault ->> 'f') || ': ' || COALESCE(fault #>> '{m,0}', fault ->> 'm'), error ->> 'message')),
    'retry_after', CASE WHEN retry_after ~ '^[0-9]{1,9}$' THEN LEAST(retry_after::integer, 86400) END));
END
$function$;

-- May a request be sent now? Null, or what is in the way.
CREATE FUNCTION cometchat.permit(asker uuid) RETURNS jsonb
LANGUAGE plpgsql
AS $function$
DECLARE
  own integer := cometchat.setting('user_rate_limit')::integer;
  not_before timestamptz := (SELECT c.not_before FROM cometchat.control AS c);
  step interval;
BEGIN
  IF asker IS NOT NULL AND own >= 0 THEN
    step := interval '1 minute' / GREATEST(own, 1);
    INSERT INTO cometchat.user_budgets AS b (user_id, whole_at) VALUES (asker, clock_timestamp() + step)
    ON CONFLICT (user_id) DO UPDATE SET whole_at = GREATEST(b.whole_at, clock_timestamp()) + step
    WHERE GREATEST(b.whole_at, clock_timestamp()) + step <= clock_timestamp() + interval '1 minute';
    IF NOT FOUND OR own = 0 THEN
      RETURN jsonb_build_object('kind', 'refused');
    END IF;
  END IF;
  IF not_before > clock_timestamp() THEN
    RETURN jsonb_build_object('kind', 'rate_limited',
      'retry_after', ceil(extract(epoch FROM not_before - clock_timestamp())));
  END IF;
  RETURN NULL;
END
$function$;

-- Sends one request that ends by `deadline`. `asker`: on whose account it goes, null for trusted callers.
-- Its search_path names pgsql-http's schema, wherever that is (see the end of this file).
-- SECURITY: pgsql-http prints every header at DEBUG2; here the session gets no such messages.
CREATE FUNCTION cometchat.request(
  method text, path text, body jsonb, deadline timestamptz, asker uuid DEFAULT NULL, large boolean DEFAULT false
) RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, extensions, pg_temp
SET client_min_messages = 'warning'
AS $function$
DECLARE
  app record := cometchat.app_id();
  there record := cometchat.endpoint(app.app_id);
  left_ms integer := floor(extract(epoch FROM deadline - clock_timestamp()) * 1000);
  answer jsonb;
  got record;
  retry_after text;
  their_options text[]; their_values text[];
BEGIN
  IF COALESCE(app.failure, there.failure) IS NOT NULL THEN
    RETURN jsonb_build_object('kind', 'not_configured', 'failure', COALESCE(app.failure, there.failure));
  END IF;
  IF path IS NULL THEN
    RETURN jsonb_build_object('kind', 'invalid');
  END IF;
  IF left_ms < 1 THEN
    RETURN jsonb_build_object('kind', 'timeout');
  END IF;
  answer := cometchat.permit(asker);
  IF answer IS NOT NULL THEN
    RETURN answer;
  END IF;
  -- SECURITY: at that level pgsql-http would write the key to the server's log.
  IF current_setting('log_min_messages') ~ '^debug[2-5]$' THEN
    RETURN jsonb_build_object('kind', 'not_configured', 'failure',
      cometchat.failure('NOT_CONFIGURED', 'log_min_messages would write the key to the log'));
  END IF;
  -- SECURITY: whoever used this (pooled) session before may have turned the verification of certificates off.
  BEGIN
    SELECT array_agg(l.curlopt), array_agg(l.value) INTO their_options, their_values FROM http_list_curlopt() AS l;
    PERFORM http_reset_curlopt();
    PERFORM http_set_curlopt('CURLOPT_TIMEOUT_MS', left_ms::text),
            http_set_curlopt('CURLOPT_CONNECTTIMEOUT_MS', LEAST(left_ms,
              extract(epoch FROM cometchat.setting('connect_timeout')::interval) * 1000)::integer::text);
    SELECT h.status, h.content, h.headers INTO got
    FROM http((method, there.base_url || path,
               ARRAY[http_header('apikey', cometchat.api_key()), http_header('appId', app.app_id),
                     http_header('accept', 'application/json'),
                     http_header('expect', '')], -- or curl waits a second before the body of each PUT
               CASE WHEN body IS NOT NULL THEN 'application/json' END, body::text)::http_request) AS h;
    SELECT h.value INTO retry_after FROM unnest(got.headers) AS h WHERE lower(h.field) = 'retry-after';
    answer := cometchat.read_answer(got.status, got.content, retry_after, large);
  EXCEPTION
    WHEN internal_error THEN -- curl's errors have no code of their own
      PERFORM pg_sleep(0);   -- a cancel or a statement timeout is raised here, as what it is
      answer := jsonb_build_object('kind', CASE WHEN SQLERRM ~* 'tim(ed|e) ?out' THEN 'timeout' ELSE 'network' END,
        'unsent', SQLERRM ~* '(could not|couldn''t|failed to) (connect|resolve)|ssl');
    WHEN undefined_function OR undefined_object THEN
      RETURN jsonb_build_object('kind', 'not_configured', 'failure', cometchat.failure('NOT_CONFIGURED', 'the extension http is missing'));
    WHEN data_exception OR program_limit_exceeded OR insufficient_resources THEN
      answer := jsonb_build_object('kind', 'not_cometchat', 'what', 'unreadable');
  END;
  PERFORM http_reset_curlopt();
  PERFORM http_set_curlopt(o.option, o.value) FROM unnest(their_options, their_values) AS o(option, value);
  IF answer ->> 'kind' = 'rate_limited' THEN
    UPDATE cometchat.control AS c
    SET not_before = clock_timestamp() + COALESCE((answer ->> 'retry_after')::integer, 1) * interval '1 s'
    WHERE c.only_row IN (SELECT k.only_row FROM cometchat.control AS k FOR UPDATE SKIP LOCKED);
  END IF;
  RETURN answer;
END
$function$;

-- Where pgsql-http is.
DO $block$
DECLARE
  home text := (SELECT n.nspname FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n
                ON n.oid = e.extnamespace WHERE e.extname = 'http');
BEGIN
  EXECUTE pg_catalog.format('ALTER FUNCTION cometchat.request(text, text, jsonb, timestamptz, uuid, boolean) '
    'SET search_path = pg_catalog, %I, pg_temp', home);
END
$block$;

-- What a request's failure is to a client: src/failure.rs.
CREATE FUNCTION cometchat.failure_of(fault jsonb, of_token boolean) RETURNS jsonb
LANGUAGE sql STABLE
AS $function$
  SELECT CASE
    WHEN fault ->> 'kind' = 'not_configured' THEN fault -> 'failure'
    WHEN fault ->> 'kind' = 'refused' THEN cometchat.too_many_requests()
    WHEN fault ->> 'kind' = 'deactivated' THEN cometchat.failure('USER_DEACTIVATED')
    WHEN of_token AND fault ->> 'kind' IN ('bad_user', 'token_not_found', 'uid_exists', 'wrong_endpoint', 'not_cometchat', 'invalid')
      THEN cometchat.failure('TOKEN_FAILED', fault ->> 'code')
    ELSE CASE fault ->> 'kind'
      WHEN 'key_rejected' THEN cometchat.failure('API_KEY_REJECTED', d.detail)
      WHEN 'plan_limit' THEN cometchat.failure('PLAN_LIMIT', d.detail)
      WHEN 'rate_limited' THEN cometchat.failure('RATE_LIMITED', d.code)
      WHEN 'uid_not_found' THEN cometchat.failure('USER_NOT_FOUND')
      WHEN 'timeout' THEN cometchat.failure('TIMEOUT')
      WHEN 'network' THEN cometchat.failure('NETWORK', 'connection failed')
      ELSE cometchat.failure('API_ERROR', d.detail) END END
  FROM (SELECT c.code, COALESCE(c.code, fault ->> 'what') AS detail
        FROM (SELECT CASE WHEN fault ->> 'code' ~ '^[A-Z0-9_]{1,64}$' THEN fault ->> 'code' END AS code) AS c) AS d
$function$;

-- For how long a request whose answer was lost may still have its effect; null: it has none.
CREATE FUNCTION cometchat.effect(fault jsonb) RETURNS interval
LANGUAGE plpgsql STABLE
AS $function$
BEGIN
  RETURN CASE
    WHEN fault ->> 'kind' = 'server' AND fault ? 'code' THEN interval '0'
    WHEN fault ->> 'kind' IN ('timeout', 'server', 'not_cometchat')
      OR fault ->> 'kind' = 'network' AND NOT COALESCE((fault ->> 'unsent')::boolean, false)
      THEN 2 * cometchat.setting('request_timeout')::interval END;
END
$function$;
COMMENT ON FUNCTION cometchat.effect(jsonb) IS
  'For how long a failed request may still have an effect; null if it has none.';
