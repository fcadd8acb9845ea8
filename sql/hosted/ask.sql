-- Requests about one user, and what they leave: the steps that user_sync.sql is made of.

-- A request for this work. `about`: whom the answer must be about; null where it is an outcome.
CREATE FUNCTION cometchat.ask(w cometchat.work, method text, path text, body jsonb, about text DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql
AS $function$
DECLARE
  answer jsonb := cometchat.request(method, path, body, w.deadline, w.asker,
                                    revocation => method = 'DELETE' AND path LIKE '%/auth\_tokens');
  data jsonb := answer -> 'data';
  status integer := (answer ->> 'status')::integer;
BEGIN
  IF answer ? 'kind' THEN
    RETURN answer;
  END IF;
  -- SECURITY: a cache or proxy that mixes answers up must not make us hand out another person's token.
  IF about IS NOT NULL THEN
    IF jsonb_typeof(data) <> 'object' OR jsonb_typeof(data -> 'uid') NOT IN ('string', 'number')
       OR NOT data ? 'uid' THEN
      RETURN cometchat.not_cometchat(status, 'no user in it');
    ELSIF lower(data ->> 'uid') <> lower(about) THEN
      RETURN cometchat.not_cometchat(status, 'another user');
    END IF;
  ELSIF jsonb_typeof(data) NOT IN ('object', 'null') AND data <> '[]' THEN
    RETURN cometchat.not_cometchat(status, 'no outcome in it');
  ELSIF data ->> 'success' IN ('false', '0') THEN
    RETURN cometchat.fault(cometchat.error_kind(status, NULL), status, NULL, NULL, NULL);
  END IF;
  RETURN answer;
END
$function$;
COMMENT ON FUNCTION cometchat.ask(cometchat.work, text, text, jsonb, text) IS
  'A request about one user: its data, or what is wrong.';

-- Keeps in mind what a request that writes may have brought about though it failed.
CREATE FUNCTION cometchat.note(INOUT w cometchat.work, answer jsonb)
LANGUAGE plpgsql IMMUTABLE
AS $$ BEGIN w.effect := GREATEST(w.effect, (answer ->> 'effect')::integer); END $$;
COMMENT ON FUNCTION cometchat.note(cometchat.work, jsonb) IS
  'Remembers what a failed request may have brought about.';

CREATE FUNCTION cometchat.user_path(uid text, rest text DEFAULT '') RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $$ BEGIN RETURN '/users/' || cometchat.segment(uid) || rest; END $$;
COMMENT ON FUNCTION cometchat.user_path(text, text) IS 'The path of a user.';

-- Mints a token unless there is one (or always, with `force`), after the revocation that may be due before it.
CREATE FUNCTION cometchat.mint(INOUT w cometchat.work, force boolean)
LANGUAGE plpgsql
AS $function$
DECLARE
  answer jsonb;
  token text;
BEGIN
  IF w.token IS NOT NULL AND NOT force THEN
    RETURN;
  END IF;
  IF w.revoke_pending THEN
    w := cometchat.flush(w);
  END IF;
  IF w.fault IS NOT NULL THEN
    RETURN;
  END IF;
  answer := cometchat.ask(w, 'POST', cometchat.user_path(w.uid, '/auth_tokens'), jsonb_build_object('force', force));
  token := answer #>> '{data,authToken}';
  IF NOT answer ? 'kind' AND COALESCE(token !~ '^[!-~]+$' OR length(token) > 1024, true) THEN
    answer := cometchat.not_cometchat((answer ->> 'status')::integer, 'no token in it');
  ELSIF NOT answer ? 'kind' AND lower(COALESCE(answer #>> '{data,uid}', w.uid)) <> lower(w.uid) THEN
    answer := cometchat.not_cometchat((answer ->> 'status')::integer, 'another user');
  END IF;
  IF answer ? 'kind' THEN
    w := cometchat.note(w, answer);
    w.fault := answer || '{"token": true}';
  ELSE
    w.token := token;
    w.mapped := true;
  END IF;
END
$function$;
COMMENT ON FUNCTION cometchat.mint(cometchat.work, boolean) IS 'Makes a token.';

-- Ends every session of the user.
CREATE FUNCTION cometchat.flush(INOUT w cometchat.work)
LANGUAGE plpgsql
AS $function$
DECLARE
  answer jsonb := cometchat.ask(w, 'DELETE', cometchat.user_path(w.uid, '/auth_tokens'), NULL);
BEGIN
  IF answer ? 'kind' THEN
    w := cometchat.note(w, answer);
    w.fault := answer;
  ELSE
    w.revoke_pending := false;
  END IF;
END
$function$;
COMMENT ON FUNCTION cometchat.flush(cometchat.work) IS 'Ends every session of the user.';
