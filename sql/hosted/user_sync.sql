-- Makes CometChat agree with what is wanted of one user: the twin of crates/sync/src/user_sync.rs. Keyed on
-- CometChat's codes, and safe to repeat at any point. Each step fills `fault`, or lets the next one go on.

CREATE FUNCTION cometchat.converge(INOUT w cometchat.work)
LANGUAGE plpgsql
AS $function$
BEGIN
  IF w.deactivated THEN
    w := cometchat.reactivate_ours(w);
    IF w.fault IS NULL THEN
      w := cometchat.create_or_adopt(w, true, false);
    END IF;
    RETURN;
  END IF;
  -- An answer was lost: what is there is read, and the stored token tried.
  IF NOT w.for_login AND w.certainty IN ('unsettled', 'in flight') AND w.sent_profile IS NOT NULL THEN
    w := cometchat.create_or_adopt(w, true, true);
    RETURN;
  END IF;
  IF w.sent_profile IS NOT NULL THEN
    w := cometchat.update_remote(w);
    IF w.fault IS NOT NULL THEN
      RETURN;
    END IF;
    IF NOT w.missing THEN
      -- A revocation that is still owed leaves nobody with a token, until the next login.
      IF NOT w.for_login AND w.revoke_pending THEN
        RETURN;
      END IF;
      w := cometchat.mint(w, false);
      IF w.fault ->> 'kind' IS DISTINCT FROM 'uid_not_found' THEN
        RETURN;
      END IF;
      w.fault := NULL;
    END IF;
    w := cometchat.nothing_sent(w);
    w.token := NULL;
  END IF;
  -- whoever has a token is most likely there
  w := cometchat.create_or_adopt(w, w.imported_token IS NOT NULL OR w.token IS NOT NULL, false);
  IF w.for_login AND w.token IS NOT NULL AND w.fault ->> 'kind' <> 'deactivated' AND NOT w.fault ? 'not_created' THEN
    w.not_updated := w.fault;
    w.fault := NULL;
  END IF;
END
$function$;
COMMENT ON FUNCTION cometchat.converge(cometchat.work) IS
  'The user exists in CometChat with the wanted profile, and has a token if one is wanted.';

CREATE FUNCTION cometchat.reactivate(INOUT w cometchat.work)
LANGUAGE plpgsql
AS $function$
DECLARE
  answer jsonb := cometchat.ask(w, 'PUT', '/users', jsonb_build_object('uidsToActivate', jsonb_build_array(w.uid)));
BEGIN
  IF answer ? 'kind' THEN
    w := cometchat.note(w, answer);
    w.fault := answer;
  END IF;
END
$function$;
COMMENT ON FUNCTION cometchat.reactivate(cometchat.work) IS 'Reactivates a user.';

CREATE FUNCTION cometchat.reactivate_ours(INOUT w cometchat.work)
LANGUAGE plpgsql
AS $function$
BEGIN
  IF w.deactivated THEN
    w := cometchat.reactivate(w);
    IF w.fault IS NULL THEN
      -- A deactivation of ours that is under way still would come after it.
      w.deactivated := w.certainty = 'in flight';
    END IF;
  END IF;
END
$function$;
COMMENT ON FUNCTION cometchat.reactivate_ours(cometchat.work) IS 'Reactivates a user whom we deactivated.';

-- Sends what changed.
CREATE FUNCTION cometchat.update_remote(INOUT w cometchat.work)
LANGUAGE plpgsql
AS $function$
DECLARE
  answer jsonb := '{}';
  patch jsonb;
BEGIN
  w.missing := false;
  IF cometchat.is_current(w) THEN
    RETURN;
  END IF;
  -- metadata is written whole, and a user without a name may have one there that has to go
  IF w.profile ? 'name' AND w.sent_metadata = cometchat.metadata_hash(w.profile) THEN
    patch := cometchat.patch_without_metadata(w);
  ELSE
    answer := cometchat.ask(w, 'GET', cometchat.user_path(w.uid), NULL, w.uid);
    IF NOT answer ? 'kind' THEN
      patch := cometchat.patch_for(w, answer -> 'data');
    END IF;
  END IF;
  IF NOT answer ? 'kind' AND patch <> '{}' THEN
    answer := cometchat.ask(w, 'PUT', cometchat.user_path(w.uid), patch, w.uid);
    w := cometchat.note(w, answer);
  END IF;
  IF NOT answer ? 'kind' THEN
    w := cometchat.now_sent(w);
  ELSIF answer ->> 'kind' = 'uid_not_found' THEN
    w.missing := true;
  -- somebody who is logging in is not kept out because an update could not be sent
  ELSIF w.for_login AND (w.token IS NOT NULL OR answer ->> 'kind' = 'bad_user') THEN
    w.not_updated := answer;
  ELSE
    w.fault := answer;
  END IF;
END
$function$;
COMMENT ON FUNCTION cometchat.update_remote(cometchat.work) IS 'Sends what changed of a user who is there.';

-- Nothing is known for sure: create, or adopt who is there, and keep the token if it works.
CREATE FUNCTION cometchat.create_or_adopt(INOUT w cometchat.work, likely_there boolean, try_token boolean)
LANGUAGE plpgsql
AS $function$
DECLARE
  adopted boolean := false;
  old_token text;
  answer jsonb;
BEGIN
  IF likely_there THEN
    w := cometchat.adopt(w);
    adopted := w.fault IS NULL AND NOT w.missing;
  END IF;
  IF w.fault IS NULL AND NOT adopted THEN
    w.token := NULL; -- of somebody who is gone or deactivated
    w := cometchat.create_remote(w);
  END IF;
  IF w.fault IS NOT NULL THEN
    RETURN;
  END IF;
  IF w.token IS NULL THEN
    -- One that a revocation is to end is none.
    old_token := CASE WHEN NOT w.revoke_pending THEN w.imported_token END;
    w.imported_token := NULL;
  ELSIF try_token AND adopted THEN
    old_token := w.token;
  END IF;
  IF old_token IS NOT NULL THEN
    answer := CASE WHEN cometchat.segment(old_token) IS NULL
      THEN cometchat.fault('invalid', NULL, NULL, NULL, 'invalid request: token')
      ELSE cometchat.ask(w, 'GET', cometchat.user_path(w.uid, '/auth_tokens/' || cometchat.segment(old_token)), NULL) END;
    IF NOT answer ? 'kind' THEN
      w.token := old_token;
    ELSIF answer ->> 'kind' = 'token_not_found' THEN
      w.token := NULL;
    ELSE
      w.fault := answer || '{"token": true}';
      RETURN;
    END IF;
  END IF;
  IF NOT (try_token AND w.revoke_pending) THEN
    w := cometchat.mint(w, false);
  END IF;
END
$function$;
COMMENT ON FUNCTION cometchat.create_or_adopt(cometchat.work, boolean, boolean) IS
  'Creates the user, or takes over who is there.';

CREATE FUNCTION cometchat.create_remote(INOUT w cometchat.work)
LANGUAGE plpgsql
AS $function$
DECLARE
  answer jsonb := cometchat.ask(w, 'POST', '/users', jsonb_build_object(
    'uid', w.uid, 'name', 'User ' || left(w.user_id::text, 8), 'withAuthToken', true) || w.profile, w.uid);
  token text := answer #>> '{data,authToken}';
BEGIN
  IF NOT answer ? 'kind' THEN
    w.uid := answer #>> '{data,uid}';
    w.mapped := true;
    w.revoke_pending := false; -- a new user has no older tokens
    w.token := CASE WHEN token ~ '^[!-~]+$' AND length(token) <= 1024 THEN token END;
    w.deactivated := w.deactivated OR w.deactivation_in_flight; -- it would come after this
    w := cometchat.now_sent(w);
    RETURN;
  END IF;
  w := cometchat.note(w, answer);
  IF answer ->> 'kind' = 'plan_limit' THEN
    -- Who is mapped is most likely there, and needs no room.
    IF w.mapped THEN
      w := cometchat.adopt(w);
      IF w.fault IS NOT NULL OR NOT w.missing THEN
        RETURN;
      END IF;
    END IF;
    w.fault := answer || '{"not_created": true}';
  ELSIF answer ->> 'kind' <> 'uid_exists' THEN
    w.fault := answer;
  ELSE
    w := cometchat.adopt(w);
    -- Taken and yet not found: deactivated, by others. Nobody gets around a moderator's decision by logging in.
    IF w.fault IS NULL AND w.missing THEN
      IF w.may_reactivate THEN
        w := cometchat.reactivate(w);
        IF w.fault IS NULL THEN
          w.mapped := true; -- whatever comes next, they are there
          w := cometchat.adopt(w);
        END IF;
      END IF;
      IF w.fault IS NULL AND w.missing THEN
        w.fault := '{"kind": "deactivated"}';
      END IF;
    END IF;
  END IF;
END
$function$;
COMMENT ON FUNCTION cometchat.create_remote(cometchat.work) IS 'Creates the user, or adopts who has the uid.';

-- Reads who is there and sends the fields that differ.
CREATE FUNCTION cometchat.adopt(INOUT w cometchat.work)
LANGUAGE plpgsql
AS $function$
DECLARE
  answer jsonb := cometchat.ask(w, 'GET', cometchat.user_path(w.uid), NULL, w.uid);
  patch jsonb;
BEGIN
  w.missing := answer ->> 'kind' = 'uid_not_found' OR COALESCE(answer #>> '{data,deactivatedAt}', '0') ~ '^[1-9]';
  IF w.missing THEN
    RETURN;
  END IF;
  w.missing := false;
  IF answer ? 'kind' THEN
    w.fault := answer;
    RETURN;
  END IF;
  patch := cometchat.patch_for(w, answer -> 'data');
  w.uid := answer #>> '{data,uid}';
  w.mapped := true;
  IF patch <> '{}' THEN
    answer := cometchat.ask(w, 'PUT', cometchat.user_path(w.uid), patch, w.uid);
    w := cometchat.note(w, answer);
  END IF;
  IF NOT answer ? 'kind' THEN
    w := cometchat.now_sent(w);
  ELSIF answer ->> 'kind' = 'uid_not_found' THEN
    w.missing := true;
  ELSIF w.for_login AND answer ->> 'kind' = 'bad_user' THEN
    w.not_updated := answer;
  ELSE
    w.fault := answer;
  END IF;
END
$function$;
COMMENT ON FUNCTION cometchat.adopt(cometchat.work) IS 'Takes over a user who is there; `missing` if none is.';
