-- One request to CometChat through pgsql-http: the twin of crates/transport.

-- One string as one segment of a path; null where it cannot be one.
CREATE FUNCTION cometchat.segment(raw text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $function$
BEGIN
  RETURN CASE
    WHEN raw IN ('', '.', '..') OR octet_length(raw) > 1024 OR raw ~ '[/\\\u0001-\u001f\u007f-\u009f]' THEN NULL
    WHEN raw ~ '^[A-Za-z0-9._~-]+$' THEN raw
    ELSE (SELECT string_agg(CASE WHEN b.hex ~ '^(2[de]|3[0-9]|[46][1-9a-f]|[57][0-9a]|5f|7e)$'
                                 THEN convert_from(decode(b.hex, 'hex'), 'UTF8') ELSE '%' || upper(b.hex) END,
                            '' ORDER BY b.n)
          FROM (SELECT n, substr(encode(convert_to(raw, 'UTF8'), 'hex'), 2 * n - 1, 2) AS hex
                FROM generate_series(1, octet_length(raw)) AS n) AS b) END;
END
$function$;
COMMENT ON FUNCTION cometchat.segment(text) IS 'A string as one segment of a path; null where it cannot be one.';

-- May a request be sent now? Null, or what is in the way.
CREATE FUNCTION cometchat.permit(asker uuid, of_revocation boolean) RETURNS jsonb
LANGUAGE plpgsql
AS $function$
DECLARE
  own integer := cometchat.setting('user_rate_limit')::integer;
  not_before timestamptz := (SELECT s.not_before FROM cometchat.sending AS s);
  step interval;
BEGIN
  IF asker IS NOT NULL AND own >= 0 THEN
    IF own = 0 THEN
      RETURN cometchat.fault('refused', NULL, NULL, NULL, 'refused by the caller''s own limit');
    END IF;
    step := interval '1 minute' / own;
    INSERT INTO cometchat.user_budgets AS b (user_id, revocation, whole_at)
    VALUES (asker, of_revocation, clock_timestamp() + step)
    ON CONFLICT (user_id, revocation) DO UPDATE SET whole_at = GREATEST(b.whole_at, clock_timestamp()) + step
    WHERE GREATEST(b.whole_at, clock_timestamp()) + step <= clock_timestamp() + interval '1 minute';
    IF NOT FOUND THEN
      RETURN cometchat.fault('refused', NULL, NULL, NULL, 'refused by the caller''s own limit');
    END IF;
  END IF;
  IF not_before > clock_timestamp() THEN
    RETURN cometchat.fault('rate_limited', 429, NULL, NULL, NULL,
                           ceil(extract(epoch FROM not_before - clock_timestamp()))::integer)
           || '{"unsent": true}';
  END IF;
  RETURN NULL;
END
$function$;
COMMENT ON FUNCTION cometchat.permit(uuid, boolean) IS
  'What keeps a request from being sent now: the caller''s own limit, or a 429; null if nothing does.';

-- What curl says of a failed transfer.
CREATE FUNCTION cometchat.network_fault(said text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
AS $function$
DECLARE
  what text := CASE
    WHEN said ~* 'tim(ed|e) ?out|timeout was reached' THEN NULL
    WHEN said ~* 'resolve' THEN 'name not found'
    WHEN said ~* 'ssl|tls|certificate' THEN 'tls'
    WHEN said ~* 'no route|unreachable' THEN 'no route'
    WHEN said ~* 'connect to|couldn''t connect|could not connect|connection refused' THEN 'connection refused'
    -- libcurl 8.14 says "missing" where earlier versions said "remaining"
    WHEN said ~* 'transfer closed|partial file|bytes (remaining|missing)' THEN 'answer cut off'
    WHEN said ~* 'empty reply' THEN 'connection closed'
    WHEN said ~* 'reset|recv failure|send failure' THEN 'connection reset'
    WHEN said ~* 'http/0\.9|weird server reply|unsupported protocol|invalid|header|chunk' THEN 'not HTTP'
    ELSE 'connection failed' END;
BEGIN
  RETURN CASE
    WHEN what IS NULL THEN cometchat.fault('timeout', NULL, NULL, NULL, 'no answer in time')
    WHEN what = 'not HTTP' THEN cometchat.not_cometchat(0, what)
    ELSE cometchat.fault('network', NULL, NULL, what, 'network error: ' || what) END;
END
$function$;
COMMENT ON FUNCTION cometchat.network_fault(text) IS 'A failed transfer, from curl''s own words.';

-- Remembers what an answer says to everybody. Waits for no lock: another session remembers the same.
CREATE FUNCTION cometchat.note_limits(headers jsonb, answer jsonb) RETURNS void
LANGUAGE plpgsql
AS $function$
DECLARE
  left_over text := COALESCE(headers ->> 'x-ratelimit-remaining', headers ->> 'x-rate-limit-remaining');
  reset text := COALESCE(headers ->> 'x-ratelimit-reset', headers ->> 'x-rate-limit-reset');
  nearly boolean := CASE WHEN left_over ~ '^[0-9]{1,9}$' THEN left_over::integer < 10 ELSE false END;
  until timestamptz;
BEGIN
  IF answer ->> 'kind' = 'rate_limited' THEN
    until := clock_timestamp() + LEAST(COALESCE((answer ->> 'retry_after')::integer, 1), 86400) * interval '1 s';
    UPDATE cometchat.sending AS s
    SET not_before = until, not_before_asked = (answer ->> 'retry_after')::integer
    WHERE s.only_row IN (SELECT k.only_row FROM cometchat.sending AS k FOR UPDATE SKIP LOCKED);
  ELSIF nearly THEN
    until := clock_timestamp() + interval '1 minute';
    IF reset ~ '^[0-9]{10}$' THEN
      until := LEAST(until, to_timestamp(reset::bigint));
    END IF;
    UPDATE cometchat.sending AS s SET queue_not_before = until
    WHERE s.only_row IN (SELECT k.only_row FROM cometchat.sending AS k
                         WHERE k.queue_not_before IS DISTINCT FROM until FOR UPDATE SKIP LOCKED);
  END IF;
END
$function$;
COMMENT ON FUNCTION cometchat.note_limits(jsonb, jsonb) IS
  'Remembers a 429, or an announced limit that is nearly used up.';

-- Sends one request that ends by `deadline`. `asker`: on whose account it goes, null for trusted callers.
--
-- SECURITY: others may create functions and operators where pgsql-http is, in public say, and one that fits better
-- is taken. So that schema is in no search_path, and what is called there is named with exactly its types.
--
-- SECURITY: pgsql-http prints every header at DEBUG2; here the session gets no such messages. Its two settings
-- are anybody's, and so are curl's options of a pooled session: the caller's are put aside, so that no proxy,
-- no unverified certificate and no other's timeout is used, and given back, whatever happens.
CREATE FUNCTION cometchat.request(
  method text, path text, body jsonb, deadline timestamptz, asker uuid DEFAULT NULL, large boolean DEFAULT false,
  revocation boolean DEFAULT false
) RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET client_min_messages = 'warning'
AS $function$
DECLARE
  app record := cometchat.app_id();
  target record := cometchat.endpoint(app.app_id);
  home constant name := cometchat.http_schema();
  left_ms integer := floor(extract(epoch FROM deadline - clock_timestamp()) * 1000);
  answer jsonb;
  status integer;
  content bytea;
  headers jsonb;
  canceled text;
  failed text;
  their_options text[];
  their_values text[];
  their_timeout text;
  their_keepalive text;
BEGIN
  IF COALESCE(app.failure, target.failure) IS NOT NULL THEN
    RETURN jsonb_build_object('kind', 'not_configured', 'failure', COALESCE(app.failure, target.failure),
                              'effect', 0);
  END IF;
  IF path IS NULL THEN
    RETURN cometchat.fault('invalid', NULL, NULL, NULL, 'invalid request: uid');
  END IF;
  IF left_ms < 1 THEN
    RETURN cometchat.fault('timeout', NULL, NULL, NULL, 'no answer in time');
  END IF;
  answer := cometchat.permit(asker, revocation);
  IF answer IS NOT NULL THEN
    RETURN answer;
  END IF;
  EXECUTE format('SELECT array_agg(l.curlopt), array_agg(l.value) FROM %I.http_list_curlopt() AS l', home)
    INTO their_options, their_values;
  their_timeout := current_setting('http.timeout_msec');
  their_keepalive := current_setting('http.keepalive');
  BEGIN
    BEGIN
      -- (In SET clauses of the function they would need the library when a dump is loaded.)
      PERFORM set_config('http.timeout_msec', '0', true), set_config('http.keepalive', 'off', true);
      EXECUTE format('SELECT %I.http_reset_curlopt()', home);
      EXECUTE format('SELECT %1$I.http_set_curlopt(''CURLOPT_TIMEOUT_MS''::varchar, $1::varchar), '
                            '%1$I.http_set_curlopt(''CURLOPT_CONNECTTIMEOUT_MS''::varchar, $2::varchar), '
                            '%1$I.http_set_curlopt(''CURLOPT_PROXY''::varchar, ''''::varchar)', -- nor the environment's
                     home)
        USING left_ms, LEAST(left_ms, extract(epoch FROM cometchat.setting('connect_timeout')::interval) * 1000)::integer;
      EXECUTE format(
        'SELECT h.status, %1$I.text_to_bytea(h.content::text), '
        '(SELECT jsonb_object_agg(lower(x.field), left(x.value, 1000)) FROM unnest(h.headers) AS x) FROM %1$I.http(($1, $2, '
        -- SECURITY: not by http_header(), a function in SQL, whose parameters auto_explain logs.
        'ARRAY[(''apikey'', cometchat.api_key())::%1$I.http_header, (''appId'', $3)::%1$I.http_header, '
        '(''accept'', ''application/json'')::%1$I.http_header, '
        '(''user-agent'', ''cometchat_hosted/@version'')::%1$I.http_header, '
        '(''expect'', '''')::%1$I.http_header], ' -- or curl waits a second before the body of each PUT
        'CASE WHEN $4 IS NOT NULL THEN ''application/json'' END, $4)::%1$I.http_request) AS h', home)
        INTO status, content, headers USING method, target.base_url || path, app.app_id, body::text;
      answer := CASE
        -- SECURITY: curl has followed a redirect; whatever was found there is not CometChat's answer.
        WHEN headers ? 'location' THEN cometchat.not_cometchat(302, 'redirect')
        ELSE cometchat.read_answer(status,
               convert_from(content, getdatabaseencoding()),
               headers ->> 'retry-after', large) END;
    EXCEPTION
      WHEN internal_error THEN -- curl's errors have no code of their own
        failed := SQLERRM;
      WHEN data_exception OR program_limit_exceeded OR insufficient_resources THEN
        answer := cometchat.not_cometchat(COALESCE(status, 0), 'not JSON');
    END;
    -- A cancel, or a statement timeout, comes as curl's error first: it is raised here, or where that is handled.
    PERFORM pg_sleep(0);
  EXCEPTION WHEN query_canceled THEN
    canceled := SQLERRM;
  END;
  EXECUTE format('SELECT %I.http_reset_curlopt()', home);
  EXECUTE format('SELECT %I.http_set_curlopt(o.option::varchar, o.value::varchar) FROM unnest($1, $2) AS o(option, value)',
                 home) USING their_options, their_values;
  PERFORM set_config('http.timeout_msec', their_timeout, true), set_config('http.keepalive', their_keepalive, true);
  IF canceled IS NOT NULL THEN
    RAISE query_canceled USING MESSAGE = canceled;
  END IF;
  IF failed IS NOT NULL THEN
    answer := cometchat.network_fault(failed);
  END IF;
  PERFORM cometchat.note_limits(headers, answer);
  RETURN answer;
END
$function$;
COMMENT ON FUNCTION cometchat.request(text, text, jsonb, timestamptz, uuid, boolean, boolean) IS
  'Sends one request to CometChat: its data, or what is wrong.';
