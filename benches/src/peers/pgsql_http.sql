-- A team's own function on pgsql-http: look up, create with a token, fall back where CometChat has the
-- user already, store, answer. It has no retries, no limits, and checks nobody's identity.
CREATE EXTENSION http SCHEMA extensions;

CREATE TABLE public.chat_users (
  user_id              uuid PRIMARY KEY,
  cometchat_uid        text NOT NULL UNIQUE,
  cometchat_auth_token text,
  updated_at           timestamptz DEFAULT now()
);

CREATE FUNCTION public.chat_post(path text, body jsonb) RETURNS extensions.http_response
LANGUAGE sql SET search_path = '' AS $$
  SELECT extensions.http((
    'POST', current_setting('chat.url') || path,
    ARRAY[extensions.http_header('apikey', current_setting('chat.key')),
          extensions.http_header('appId', current_setting('chat.app'))],
    'application/json', body::text)::extensions.http_request)
$$;

CREATE FUNCTION public.chat_ensure_user(who uuid) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
  uid    text := who::text;
  token  text;
  person jsonb;
  answer extensions.http_response;
BEGIN
  SELECT c.cometchat_auth_token INTO token FROM public.chat_users AS c WHERE c.user_id = who;
  IF token IS NULL THEN
    SELECT jsonb_build_object('uid', uid, 'name', u.raw_user_meta_data ->> 'full_name', 'withAuthToken', true,
                              'metadata', jsonb_build_object('@private', jsonb_build_object('email', u.email)))
    INTO person FROM auth.users AS u WHERE u.id = who;
    answer := public.chat_post('/users', person);
    IF answer.content::jsonb #>> '{error,code}' = 'ERR_UID_ALREADY_EXISTS' THEN
      answer := public.chat_post('/users/' || uid || '/auth_tokens', '{}');
    END IF;
    token := answer.content::jsonb #>> '{data,authToken}';
    IF token IS NULL THEN
      RETURN jsonb_build_object('success', false, 'error', answer.content);
    END IF;
    INSERT INTO public.chat_users (user_id, cometchat_uid, cometchat_auth_token) VALUES (who, uid, token)
    ON CONFLICT (user_id) DO UPDATE
    SET cometchat_uid = EXCLUDED.cometchat_uid, cometchat_auth_token = EXCLUDED.cometchat_auth_token, updated_at = now();
  END IF;
  RETURN jsonb_build_object('success', true, 'cometchatUid', uid, 'authToken', token);
END $$;
