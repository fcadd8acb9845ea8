-- Makes CometChat agree with what is wanted of one user. The twin of src/converge.rs: keyed on CometChat's
-- codes, and safe to repeat at any point. Each step fills `fault` or lets the next one go on.

-- A request for this work. Fills `fault` where it fails; `uid`: whom the answer must be about.
CREATE FUNCTION cometchat.ask(w cometchat.work, method text, path text, body jsonb, about text DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql
AS $function$
DECLARE
  answer jsonb := cometchat.request(method, path, body, w.deadline, w.asker);
BEGIN
  IF answer ? 'kind' THEN
    RETURN answer;
  END IF;
  -- SECURITY: a cache or proxy that mixes answers up must not make us hand out another person's token.
  IF about IS NOT NULL THEN
    IF jsonb_typeof(answer -> 'data') <> 'object' OR NOT answer -> 'data' ? 'uid' THEN
      RETURN jsonb_build_object('kind', 'not_cometchat', 'status', answer -> 'status', 'what', 'HTTP ' || (answer ->> 'status') || ', no user in it');
    ELSIF lower(answer #>> '{data,uid}') <> lower(about) THEN
      RETURN jsonb_build_object('kind', 'not_cometchat', 'status', answer -> 'status', 'what', 'HTTP ' || (answer ->> 'status') || ', another user');
    END IF;
  ELSIF jsonb_typeof(answer -> 'data') NOT IN ('object', 'null') AND answer -> 'data' <> '[]' THEN
    RETURN jsonb_build_object('kind', 'not_cometchat', 'status', answer -> 'status', 'what', 'HTTP ' || (answer ->> 'status') || ', no outcome in it');
  ELSIF answer #>> '{data,success}' IN ('false', '0') THEN
    RETURN jsonb_build_object('kind', cometchat.error_kind((answer ->> 'status')::integer, NULL), 'status', answer -> 'status', 'what', 'HTTP ' || (answer ->> 'status'));
  END IF;
  RETURN answer;
END
$function$;

CREATE FUNCTION cometchat.user_path(uid text, rest text DEFAULT '') RETURNS text
LANGUAGE sql IMMUTABLE
AS $$ SELECT '/users/' || cometchat.segment(uid) || rest $$;

CREATE FUNCTION cometchat.converge(INOUT w cometchat.work)
LANGUAGE plpgsql
AS $function$
BEGIN
  IF w.deactivated THEN
    w := cometchat.reactivate(w);
    IF w.fault IS NULL THEN w := cometchat.create_or_adopt(w, true); END IF;
    RETURN;
  END IF;
  -- An answer was lost: what is there is read, and the stored token tried.
  IF NOT w.for_login AND w.certainty IN ('unsettled', 'in flight') AND w.sent_profile IS NOT NULL THEN
    w.token_by_hand := COALESCE(w.token, w.token_by_hand);
    w.token := NULL;
    w := cometchat.create_or_adopt(w, true);
    RETURN;
  END IF;
  IF w.sent_profile IS NOT NULL THEN
    w := cometchat.update_remote(w);
    IF w.fault IS NOT NULL THEN RETURN; END IF;
    IF NOT w.missing THEN
      IF NOT w.for_login AND w.revoke_pending THEN RETURN; END IF;
      w := cometchat.mint(w, false);
      IF w.fault ->> 'kind' IS DISTINCT FROM 'uid_not_found' THEN RETURN; END IF;
      w.fault := NULL;
    END IF;
    w.sent_profile := NULL; w.sent_metadata := NULL; w.sent_fields := NULL; w.token := NULL;
  END IF;
  -- whoever has a token is most likely there
  w := cometchat.create_or_adopt(w, w.token_by_hand IS NOT NULL OR w.token IS NOT NULL);
  IF w.fault IS NOT NULL AND w.for_login AND w.token IS NOT NULL THEN
    w.not_updated := w.fault; w.fault := NULL;
  END IF;
END
$function$;

CREATE FUNCTION cometchat.reactivate(INOUT w cometchat.work)
LANGUAGE plpgsql
AS $function$
DECLARE
  answer jsonb := cometchat.ask(w, 'PUT', '/users', jsonb_build_object('uidsToActivate', jsonb_build_array(w.uid)));
BEGIN
  IF answer ? 'kind' THEN w.fault := answer; ELSE w.deactivated := w.certainty = 'in flight'; END IF;
END
$function$;

CREATE FUNCTION cometchat.now_sent(INOUT w cometchat.work)
LANGUAGE plpgsql IMMUTABLE
AS $function$
BEGIN
  w.sent_profile := cometchat.profile_hash(w.profile); w.sent_metadata := cometchat.metadata_hash(w.profile);
  w.sent_fields := cometchat.profile_keys(w.profile);
END
$function$;

-- Sends what changed.
CREATE FUNCTION cometchat.update_remote(INOUT w cometchat.work)
LANGUAGE plpgsql
AS $function$
DECLARE
  answer jsonb := '{}'; patch jsonb;
BEGIN
  w.missing := false;
  IF cometchat.is_current(w) THEN RETURN; END IF;
  IF w.sent_metadata = cometchat.metadata_hash(w.profile) THEN
    patch := cometchat.patch(w.profile, w.sent_fields, NULL);
  ELSE
    answer := cometchat.ask(w, 'GET', cometchat.user_path(w.uid), NULL, w.uid);
    patch := CASE WHEN NOT answer ? 'kind' THEN cometchat.patch(w.profile, w.sent_fields, answer -> 'data') END;
  END IF;
  IF NOT answer ? 'kind' AND patch <> '{}' THEN
    answer := cometchat.ask(w, 'PUT', cometchat.user_path(w.uid), patch, w.uid);
  END IF;
  IF NOT answer ? 'kind' THEN w := cometchat.now_sent(w);
  ELSIF answer ->> 'kind' = 'uid_not_found' THEN w.missing := true;
  -- somebody who is logging in is not kept out because an update could not be sent
  ELSIF w.for_login AND (w.token IS NOT NULL OR answer ->> 'kind' = 'bad_user') THEN w.not_updated := answer;
  ELSE w.fault := answer;
  END IF;
END
$function$;

-- Nothing is known for sure: create, or adopt who is there.
CREATE FUNCTION cometchat.create_or_adopt(INOUT w cometchat.work, likely_there boolean)
LANGUAGE plpgsql
AS $function$
DECLARE
  answer jsonb;
BEGIN
  w.missing := true;
  IF likely_there THEN w := cometchat.adopt(w); END IF;
  IF w.fault IS NULL AND w.missing THEN
    w.token := NULL;
    w := cometchat.create_remote(w);
  END IF;
  IF w.fault IS NULL AND w.token IS NULL AND w.token_by_hand IS NOT NULL THEN
    answer := cometchat.ask(w, 'GET', cometchat.user_path(w.uid, '/auth_tokens/' || cometchat.segment(w.token_by_hand)), NULL);
    IF NOT answer ? 'kind' THEN w.token := w.token_by_hand;
    ELSIF answer ->> 'kind' NOT IN ('token_not_found', 'invalid') THEN w.fault := answer || '{"token": true}'; END IF;
    w.token_by_hand := NULL;
  END IF;
  IF w.fault IS NULL THEN w := cometchat.mint(w, false); END IF;
END
$function$;

CREATE FUNCTION cometchat.create_remote(INOUT w cometchat.work)
LANGUAGE plpgsql
AS $function$
DECLARE
  answer jsonb := cometchat.ask(w, 'POST', '/users', jsonb_build_object(
    'uid', w.uid, 'name', 'User ' || left(w.user_id::text, 8), 'withAuthToken', true) || w.profile, w.uid);
BEGIN
  IF NOT answer ? 'kind' THEN
    w.uid := answer #>> '{data,uid}'; w.mapped := true; w.revoke_pending := false;
    w.token := CASE WHEN length(answer #>> '{data,authToken}') BETWEEN 1 AND 1024 THEN answer #>> '{data,authToken}' END;
    w := cometchat.now_sent(w);
  ELSIF answer ->> 'kind' <> 'uid_exists' THEN w.fault := answer;
  ELSE
    w := cometchat.adopt(w);
    -- Taken and yet not found: deactivated, by others. Nobody gets around a moderator's decision by logging in.
    IF w.fault IS NULL AND w.missing THEN
      IF w.may_reactivate THEN w := cometchat.reactivate(w); END IF;
      IF w.may_reactivate AND w.fault IS NULL THEN w := cometchat.adopt(w); END IF;
      IF w.fault IS NULL AND w.missing THEN w.fault := '{"kind": "deactivated"}'; END IF;
    END IF;
  END IF;
END
$function$;

-- Reads who is there and sends the fields that differ.
CREATE FUNCTION cometchat.adopt(INOUT w cometchat.work)
LANGUAGE plpgsql
AS $function$
DECLARE
  answer jsonb := cometchat.ask(w, 'GET', cometchat.user_path(w.uid), NULL, w.uid); patch jsonb;
BEGIN
  w.missing := answer ->> 'kind' = 'uid_not_found' OR COALESCE(answer #>> '{data,deactivatedAt}', '0') ~ '^[1-9]';
  IF w.missing THEN RETURN; END IF;
  w.missing := false;
  IF answer ? 'kind' THEN w.fault := answer; RETURN; END IF;
  patch := cometchat.patch(w.profile, w.sent_fields, answer -> 'data');
  w.uid := answer #>> '{data,uid}'; w.mapped := true;
  IF patch <> '{}' THEN answer := cometchat.ask(w, 'PUT', cometchat.user_path(w.uid), patch, w.uid); END IF;
  IF NOT answer ? 'kind' THEN w := cometchat.now_sent(w);
  ELSIF answer ->> 'kind' = 'uid_not_found' THEN w.missing := true;
  ELSIF w.for_login AND answer ->> 'kind' = 'bad_user' THEN w.not_updated := answer;
  ELSE w.fault := answer;
  END IF;
END
$function$;

-- Mints a token unless there is one (or always, with `force`), after the revocation that may be due before it.
CREATE FUNCTION cometchat.mint(INOUT w cometchat.work, force boolean)
LANGUAGE plpgsql
AS $function$
DECLARE
  answer jsonb;
BEGIN
  IF w.token IS NOT NULL AND NOT force THEN RETURN; END IF;
  IF w.revoke_pending THEN w := cometchat.flush(w); END IF;
  IF w.fault IS NOT NULL THEN RETURN; END IF;
  answer := cometchat.ask(w, 'POST', cometchat.user_path(w.uid, '/auth_tokens'), jsonb_build_object('force', force));
  IF NOT answer ? 'kind' AND lower(COALESCE(answer #>> '{data,uid}', w.uid)) <> lower(w.uid) THEN
    answer := '{"kind": "not_cometchat", "what": "another user"}';
  ELSIF NOT answer ? 'kind' AND COALESCE(length(answer #>> '{data,authToken}'), 0) NOT BETWEEN 1 AND 1024 THEN
    answer := '{"kind": "not_cometchat", "what": "no token in it"}';
  END IF;
  IF answer ? 'kind' THEN w.fault := answer || '{"token": true}';
  ELSE w.token := answer #>> '{data,authToken}'; w.mapped := true; END IF;
END
$function$;

-- Ends every session of the user.
CREATE FUNCTION cometchat.flush(INOUT w cometchat.work)
LANGUAGE plpgsql
AS $function$
DECLARE
  answer jsonb := cometchat.ask(w, 'DELETE', cometchat.user_path(w.uid, '/auth_tokens'), NULL);
BEGIN
  IF answer ? 'kind' THEN w.fault := answer; ELSE w.revoke_pending := false; END IF;
END
$function$;
