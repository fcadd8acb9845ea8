-- Checks of the settings and of CometChat's answer.

CREATE FUNCTION cometchat.health_api(conf jsonb, answer jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  check_name := 'configuration';
  ok := NOT conf ? 'error';
  detail := COALESCE(conf ->> 'error', conf #>> '{value,base_url}');
  hint := CASE WHEN NOT ok THEN 'Set cometchat.app_id, cometchat.region and cometchat.api_key_file, '
    'or the Vault secrets cometchat_app_id, cometchat_region and cometchat_api_key.' END;
  RETURN NEXT;

  check_name := 'API key storage';
  ok := COALESCE(conf #>> '{value,key_source}', 'file') <> 'setting';
  detail := conf #>> '{value,key_source}';
  hint := CASE WHEN NOT ok THEN 'cometchat.api_key is for development; use cometchat.api_key_file or '
                                'Vault.' END;
  RETURN NEXT;

  check_name := 'API key';
  -- a 429 says nothing about the key
  ok := NOT answer ? 'error' OR answer ->> 'errorCode' IS NOT DISTINCT FROM 'RATE_LIMITED';
  detail := COALESCE(answer ->> 'error', 'CometChat answered');
  hint := CASE WHEN NOT ok THEN CASE answer ->> 'errorCode'
      WHEN 'API_KEY_REJECTED' THEN 'Use a REST API key (full access) of this app and region.'
      WHEN 'NETWORK' THEN 'Check that the database server can reach CometChat; see cometchat.proxy.'
      ELSE 'See the README, "Errors".' END END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_api(jsonb, jsonb) IS
  'The rows of cometchat.health() about the settings and CometChat''s answer.';

CREATE FUNCTION cometchat.health_sending(status jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  check_name := 'sending';
  SELECT NOT c.paused AND status ->> 'paused_code' IS NULL,
         CASE WHEN c.paused THEN 'paused by an operator' ELSE status ->> 'paused_code' END,
         CASE WHEN c.paused THEN 'SELECT cometchat.resume();'
              WHEN (status ->> 'new_users_wait')::boolean AND status ->> 'paused_code' = 'PLAN_LIMIT'
                THEN 'Only new users wait, until CometChat''s plan has room for them; they are then sent '
                     'automatically.'
              WHEN status ->> 'paused_code' IS NOT NULL
                THEN 'Sending resumes automatically when CometChat accepts requests again.' END
    INTO ok, detail, hint FROM cometchat.control AS c;
  RETURN NEXT;

  check_name := 'rate limit';
  ok := status ->> 'throttled_until' IS NULL;
  detail := CASE WHEN ok THEN 'not throttled' ELSE pg_catalog.format(
    '%s answered 429 and asked for a wait of %s; nothing is sent until %s', status ->> 'throttled_by',
    COALESCE((status ->> 'throttled_for') || ' s', 'unknown length'),
    pg_catalog.to_timestamp((status ->> 'throttled_until')::float8)) END;
  hint := CASE WHEN ok THEN NULL
               WHEN status ->> 'throttled_by' = 'CometChat'
                 THEN 'Sending resumes automatically at that time. SELECT cometchat.resume(); tries at once.'
               ELSE 'A proxy or gateway between this server and CometChat refuses requests: see '
                    'cometchat.proxy. SELECT cometchat.resume(); tries again at once.' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_sending(jsonb) IS
  'The rows of cometchat.health() that say why nothing is sent: paused or throttled.';
