-- How a failure looks from SQL. The phrases and what to do are those of crates/sync/src/error/code.rs, which
-- tools/hosted.sh reads.

-- {"errorCode": code, "error": phrase: detail}.
CREATE FUNCTION cometchat.failure(code text, detail text DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
AS $function$
BEGIN
  RETURN jsonb_build_object('errorCode', code, 'error', CASE code
@phrases
    END || COALESCE(': ' || detail, ''));
END
$function$;
COMMENT ON FUNCTION cometchat.failure(text, text) IS 'A failure as answers carry it.';

CREATE FUNCTION cometchat.what_to_do(code text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $function$
BEGIN
  RETURN CASE code
@what_to_do
    END;
END
$function$;
COMMENT ON FUNCTION cometchat.what_to_do(text) IS 'What is to be done about an errorCode.';

CREATE FUNCTION cometchat.too_many_requests() RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
AS $$ BEGIN RETURN '{"errorCode": "RATE_LIMITED", "error": "Too many requests"}'::jsonb; END $$;
COMMENT ON FUNCTION cometchat.too_many_requests() IS 'The failure of who has used up a limit of our own.';

-- CometChat's code where it looks like one.
CREATE FUNCTION cometchat.code_of(fault jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $$ BEGIN RETURN CASE WHEN fault ->> 'code' ~ '^[A-Z0-9_]{1,64}$' THEN fault ->> 'code' END; END $$;
COMMENT ON FUNCTION cometchat.code_of(jsonb) IS 'The code of an answer, if it looks like one.';

-- What a request's failure is to a caller. `of_token`: it was the token call of a user who exists.
CREATE FUNCTION cometchat.failure_of(fault jsonb, of_token boolean) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
AS $function$
DECLARE
  code text := cometchat.code_of(fault);
  detail text := COALESCE(code, fault ->> 'what');
  kind text := fault ->> 'kind';
BEGIN
  RETURN CASE
    WHEN fault IS NULL THEN NULL
    WHEN kind = 'not_configured' THEN fault -> 'failure'
    WHEN kind = 'refused' THEN cometchat.too_many_requests()
    WHEN kind = 'deactivated' THEN cometchat.failure('USER_DEACTIVATED')
    WHEN kind = 'unreadable' THEN cometchat.failure('DATABASE', 'INVALID_DATA')
    WHEN of_token AND kind IN ('bad_user', 'token_not_found', 'uid_exists', 'wrong_endpoint', 'not_cometchat',
                               'invalid') THEN cometchat.failure('TOKEN_FAILED', code)
    WHEN kind = 'key_rejected' THEN cometchat.failure('API_KEY_REJECTED', detail)
    WHEN kind = 'plan_limit' THEN cometchat.failure('PLAN_LIMIT', detail)
    WHEN kind = 'rate_limited' THEN cometchat.failure('RATE_LIMITED', code)
    WHEN kind = 'uid_not_found' THEN cometchat.failure('USER_NOT_FOUND')
    WHEN kind = 'timeout' THEN cometchat.failure('TIMEOUT')
    WHEN kind = 'network' THEN cometchat.failure('NETWORK', fault ->> 'what')
    ELSE cometchat.failure('API_ERROR', detail) END;
END
$function$;
COMMENT ON FUNCTION cometchat.failure_of(jsonb, boolean) IS 'A failed request as answers carry it.';

-- Whether the same may succeed later by itself.
CREATE FUNCTION cometchat.is_transient(fault jsonb) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
AS $$ BEGIN RETURN fault ->> 'kind' IN ('rate_limited', 'server', 'timeout', 'network'); END $$;
COMMENT ON FUNCTION cometchat.is_transient(jsonb) IS 'Whether a failed request may succeed later.';

-- As it stands in sync_state.error_code: CometChat's own code, else ours.
CREATE FUNCTION cometchat.stored_code(fault jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $function$
BEGIN
  RETURN CASE fault ->> 'kind' WHEN 'unreadable' THEN 'INVALID_DATA'
    ELSE COALESCE(cometchat.code_of(fault), cometchat.failure_of(fault, false) ->> 'errorCode') END;
END
$function$;
COMMENT ON FUNCTION cometchat.stored_code(jsonb) IS 'The code of a failed request, for sync_state.error_code.';
