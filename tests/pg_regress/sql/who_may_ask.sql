-- Which caller may ask for which user. Identity is checked before anything is looked up, and trust never
-- depends on a setting. No refusal here sends a request.
INSERT INTO auth.users (id, raw_user_meta_data) VALUES
  ('00000000-0000-4000-8000-0000000000f1', '{"full_name": "Ada"}'),
  ('00000000-0000-4000-8000-0000000000f2', '{"full_name": "Bob"}');
CREATE FUNCTION pg_temp.ask(user_id uuid DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
  SELECT coalesce(answer ->> 'cometchatUid', answer ->> 'error')
  FROM public.cometchat_ensure_user(ask.user_id) AS answer
$$;

-- Trusted: superusers, the extension's owner, who may execute cometchat.enqueue(uuid, jsonb).
SELECT pg_temp.ask('00000000-0000-4000-8000-0000000000f1');
SET ROLE service_role;
SELECT pg_temp.ask('00000000-0000-4000-8000-0000000000f1');
SET ROLE postgres;
SELECT pg_temp.ask('00000000-0000-4000-8000-0000000000f1');
-- They name a user, or ask for the session's user.
SELECT pg_temp.ask();
SET request.jwt.claims = '{"sub": "00000000-0000-4000-8000-0000000000f1"}';
SELECT pg_temp.ask();
SELECT pg_temp.ask('00000000-0000-4000-8000-0000000000f2');

-- Every other caller: only for themselves, the sub of the session's claims.
SET ROLE authenticated;
SELECT pg_temp.ask();
SELECT pg_temp.ask('00000000-0000-4000-8000-0000000000f1');
SELECT pg_temp.ask('00000000-0000-4000-8000-0000000000f2');
SELECT cometchat_refresh_token('00000000-0000-4000-8000-0000000000f2');
SELECT cometchat_revoke_tokens('00000000-0000-4000-8000-0000000000f2');
-- The answer does not tell whether a user exists.
SELECT pg_temp.ask('00000000-0000-4000-8000-00000000dead');
-- A role in the claims does not make a caller trusted, nor does another setting.
SET request.jwt.claims = '{"sub": "00000000-0000-4000-8000-0000000000f1", "role": "service_role"}';
SET request.jwt.claim.role = 'service_role';
SELECT pg_temp.ask('00000000-0000-4000-8000-0000000000f2');

-- Broken claims are no session.
SET request.jwt.claims = '';
SELECT pg_temp.ask();
SET request.jwt.claims = '{"role": "authenticated"}';
SELECT pg_temp.ask();
SET request.jwt.claims = '{"sub": ""}';
SELECT pg_temp.ask();
SET request.jwt.claims = '{"sub": null}';
SELECT pg_temp.ask();
SET request.jwt.claims = '{"sub": 1}';
SELECT pg_temp.ask();
SET request.jwt.claims = '{"sub": "ada"}';
SELECT pg_temp.ask();
SET request.jwt.claims = '{"sub": "{00000000-0000-4000-8000-0000000000f1}"}';
SELECT pg_temp.ask();
SET request.jwt.claims = '{"sub": "00000000-0000-4000-8000-0000000000f1 "}';
SELECT pg_temp.ask();
SET request.jwt.claims = '{"sub": "00000000-0000-4000-8000-0000000000f1"';
SELECT pg_temp.ask();
SET request.jwt.claims = '["00000000-0000-4000-8000-0000000000f1"]';
SELECT pg_temp.ask();
SET request.jwt.claims = 'null';
SELECT pg_temp.ask('00000000-0000-4000-8000-0000000000f1');

-- The other style of claims, of older PostgREST, counts as much; two that disagree count for nothing.
SET request.jwt.claims = '';
SET request.jwt.claim.sub = '00000000-0000-4000-8000-0000000000f2';
SELECT pg_temp.ask();
SET request.jwt.claim.sub = 'ada';
SELECT pg_temp.ask();
SET request.jwt.claim.sub = '00000000-0000-4000-8000-0000000000f2';
SET request.jwt.claims = '{"sub": "00000000-0000-4000-8000-0000000000F2"}';
SELECT pg_temp.ask();
SET request.jwt.claims = '{"sub": "00000000-0000-4000-8000-0000000000f1"}';
SELECT pg_temp.ask();
SET request.jwt.claim.sub = '';

-- A definer function of a trusted role does not make its callers trusted.
RESET ROLE;
CREATE FUNCTION public.helpful(user_id uuid) RETURNS text LANGUAGE sql SECURITY DEFINER AS
  $$ SELECT public.cometchat_ensure_user(user_id) ->> 'error' $$;
SET ROLE authenticated;
SELECT public.helpful('00000000-0000-4000-8000-0000000000f2');
RESET ROLE;
DROP FUNCTION public.helpful;

-- anon may not even call. That is an error of Postgres's, which PostgREST makes 401 or 403.
SET ROLE anon;
SELECT cometchat_ensure_user('00000000-0000-4000-8000-0000000000f1');
SELECT cometchat_refresh_token('00000000-0000-4000-8000-0000000000f1');
SELECT cometchat_revoke_tokens('00000000-0000-4000-8000-0000000000f1');
RESET ROLE;

-- What cannot be read as a uuid never gets as far as a function.
SELECT cometchat_ensure_user('not-a-uuid');

-- A role that a DBA trusts.
CREATE ROLE spec_backend;
GRANT EXECUTE ON FUNCTION cometchat_ensure_user(uuid, text, text) TO spec_backend;
SET ROLE spec_backend;
SET request.jwt.claims = '';
SELECT pg_temp.ask('00000000-0000-4000-8000-0000000000f1');
RESET ROLE;
GRANT EXECUTE ON FUNCTION cometchat.enqueue(uuid, jsonb) TO spec_backend;
SET ROLE spec_backend;
SELECT pg_temp.ask('00000000-0000-4000-8000-0000000000f1');
RESET ROLE;
DROP OWNED BY spec_backend;
DROP ROLE spec_backend;

-- Two people were created on the way, and that is all that CometChat was asked for.
SELECT spec.asked();
SELECT spec.over();
