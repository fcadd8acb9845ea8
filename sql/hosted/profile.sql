-- What CometChat should know of a user, and how that differs from what it knows. The twin of
-- src/profile.rs and src/cometchat/limits.

-- A name without characters that hide or reorder text, with single spaces, at most 100 UTF-16 units.
CREATE FUNCTION cometchat.clean_name(raw text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $function$
DECLARE
  name text := left(raw, 20000);
  whole text;
  regional constant text := '\U0001F1E6-\U0001F1FF';
BEGIN
  name := regexp_replace(name, '[\s\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+', ' ', 'g');
  -- tag characters hide text, except behind a black flag, where they say whose it is
  IF name ~ '[\U000E0020-\U000E007F]' THEN
    name := regexp_replace(name, '(\U0001F3F4[\U000E0020-\U000E007F]*)|[\U000E0020-\U000E007F]', '\1', 'g');
  END IF;
  name := regexp_replace(name, '[\u0001-\u001f\u007f-\u009f\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e'
    '\u2060-\u206f\ufeff\u3164\uffa0\ufdd0-\ufdef\ufff9-\uffff\U000E0001]', '', 'g');
  name := regexp_replace(regexp_replace(name, '^[ \u200c\u200d]+', ''), ' +', ' ', 'g');
  IF length(name) > 50 THEN
    whole := name;
    name := (SELECT string_agg(c.c, '' ORDER BY c.n)
             FROM (SELECT s.c, s.n, sum(CASE WHEN ascii(s.c) > 65535 THEN 2 ELSE 1 END) OVER (ORDER BY s.n) AS units
                   FROM regexp_split_to_table(left(name, 101), '') WITH ORDINALITY AS s(c, n)) AS c
             WHERE c.units <= 100);
    -- half a flag is a lone letter
    IF substr(whole, length(name) + 1, 1) ~ ('[' || regional || ']') AND length(substring(name FROM '[' || regional || ']*$')) % 2 = 1 THEN
      name := left(name, -1);
    END IF;
  END IF;
  name := regexp_replace(name, '[ \u200c\u200d]+$', '');
  RETURN CASE WHEN name ~ '[^ \u200c\u200d\u115f\u1160\u2800\ufe00-\ufe0f\U000E0100-\U000E01EF]' THEN name END;
END
$function$;

CREATE FUNCTION cometchat.valid_avatar(url text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $function$
  SELECT url WHERE length(url) <= 3000
    AND url ~* '^https://(?:\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_](?:[a-z0-9_-]{0,62}))*\.?)(?::0*(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?(?:/(?:[a-z0-9._~!$&''()*+,;=:@/-]|%[0-9a-f]{2})*)?(?:\?(?:[][a-z0-9._~!$&''()*+,;=:@/?-]|%[0-9a-f]{2})*)?(?:#(?:[a-z0-9._~!$&''()*+,;=:@/?-]|%[0-9a-f]{2})*)?$'
$function$;

-- As serde_json writes it: no spaces, keys sorted. The hashes of both editions are the same.
-- (plpgsql: an SQL function that is not inlined is planned anew in every transaction.)
CREATE FUNCTION cometchat.canonical(value jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $function$
DECLARE
  kind text := jsonb_typeof(value); text_of text := ''; e record;
BEGIN
  IF kind = 'object' THEN
    FOR e IN SELECT o.key, o.value FROM jsonb_each(value) AS o ORDER BY o.key COLLATE "C" LOOP
      text_of := text_of || ',' || to_json(e.key)::text || ':' || CASE WHEN jsonb_typeof(e.value) IN ('object', 'array') THEN cometchat.canonical(e.value) ELSE e.value::text END;
    END LOOP;
    RETURN '{' || substr(text_of, 2) || '}';
  ELSIF kind = 'array' THEN
    FOR e IN SELECT o.value FROM jsonb_array_elements(value) WITH ORDINALITY AS o(value, n) ORDER BY o.n LOOP
      text_of := text_of || ',' || CASE WHEN jsonb_typeof(e.value) IN ('object', 'array') THEN cometchat.canonical(e.value) ELSE e.value::text END;
    END LOOP;
    RETURN '[' || substr(text_of, 2) || ']';
  END IF;
  RETURN value::text;
END
$function$;

CREATE FUNCTION cometchat.hash(value jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $$ BEGIN RETURN left(encode(sha256(convert_to(cometchat.canonical(value), 'UTF8')), 'hex'), 32); END $$;

CREATE FUNCTION cometchat.profile_hash(profile jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $$ BEGIN RETURN cometchat.hash(jsonb_build_array(profile -> 'name', profile -> 'avatar', profile -> 'link', profile -> 'role', profile -> 'tags')); END $$;

CREATE FUNCTION cometchat.metadata_hash(profile jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $$ BEGIN RETURN cometchat.hash(COALESCE(profile -> 'metadata', '{}')); END $$;

CREATE FUNCTION cometchat.profile_keys(profile jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE
AS $$ SELECT ARRAY(SELECT k FROM unnest('{avatar,link}'::text[]) AS k WHERE profile ? k) $$;

-- Objects are merged, everything else is replaced; ours wins.
CREATE FUNCTION cometchat.merge(theirs jsonb, ours jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE
AS $function$
  SELECT theirs || COALESCE((SELECT jsonb_object_agg(o.key,
      CASE WHEN jsonb_typeof(theirs -> o.key) = 'object' AND jsonb_typeof(o.value) = 'object'
           THEN cometchat.merge(theirs -> o.key, o.value) ELSE o.value END)
    FROM jsonb_each(ours) AS o), '{}')
$function$;

-- The fields to send: without `there`, all but metadata; with it, those in which CometChat's user differs.
CREATE FUNCTION cometchat.patch(profile jsonb, sent_fields text[], there jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE
AS $function$
  SELECT jsonb_strip_nulls(jsonb_build_object(
      'name', d.p -> 'name', 'avatar', d.p -> 'avatar', 'link', d.p -> 'link', 'role', d.p -> 'role', 'tags', d.p -> 'tags',
      'unset', (SELECT jsonb_agg(k) FROM unnest(sent_fields) AS k WHERE k IN ('avatar', 'link') AND NOT profile ? k)))
    || CASE WHEN there IS NOT NULL AND cometchat.merge(m.current, COALESCE(profile -> 'metadata', '{}')) <> m.current
            THEN jsonb_build_object('metadata', cometchat.merge(m.current, profile -> 'metadata')) ELSE '{}' END
  FROM (SELECT COALESCE((SELECT jsonb_object_agg(f.key, f.value) FROM jsonb_each(profile - 'metadata') AS f
                WHERE there IS NULL OR f.value <> COALESCE(there -> f.key, CASE f.key WHEN 'tags' THEN '[]'::jsonb ELSE 'null' END)), '{}') AS p) AS d,
       (SELECT CASE WHEN jsonb_typeof(there -> 'metadata') = 'object' THEN there -> 'metadata' ELSE '{}' END AS current) AS m
$function$;

-- What is known and wanted of a user, and how far the way to agreement has come.
CREATE TYPE cometchat.work AS (
  user_id uuid, status text, back_in_ms bigint, not_by_itself boolean,
  app_id text, revision bigint, attempts integer, requested boolean, in_flight boolean,
  -- wanted
  profile jsonb, name_argument text, name_argument_base text, email_argument text, email_argument_base text,
  -- what is there, as far as we know; see cometchat.sync_state
  uid text, mapped boolean, token text, token_by_hand text,
  sent_profile text, sent_metadata text, sent_fields text[], deactivated boolean, revoke_pending boolean,
  was_deactivated boolean, synced_revision bigint,
  -- how it goes
  deadline timestamptz, asker uuid, may_reactivate boolean, for_login boolean,
  missing boolean, fault jsonb, not_updated jsonb,
  certainty text, was_known boolean, outcomes bigint
);

-- Reads everything about a user and puts the wanted profile together. Name: override > last argument, until
-- the metadata's name changes > metadata. Blank, or equal to the e-mail, counts as absent.
CREATE FUNCTION cometchat.load(whom uuid, app text, given_name text DEFAULT NULL, given_email text DEFAULT NULL) RETURNS cometchat.work
LANGUAGE plpgsql
AS $function$
DECLARE
  w cometchat.work;
  au record;
  s cometchat.sync_state;
  u public.cometchat_users;
  fields text[] := ARRAY(SELECT btrim(f) FROM unnest(string_to_array(cometchat.setting('display_name_fields'), ',')) AS f WHERE btrim(f) <> '');
  address text; from_metadata text; candidate text; o jsonb; ours boolean;
BEGIN
  w.user_id := whom;
  w.app_id := app;
  IF cometchat.has_auth_users() THEN
    SELECT there.* INTO au FROM (SELECT NULL::text AS email, NULL::jsonb AS raw_user_meta_data,
        NULL::timestamptz AS banned_until, NULL::timestamptz AS deleted_at, now() AS email_confirmed_at,
        NULL::timestamptz AS phone_confirmed_at, false AS is_anonymous) AS absent,
      LATERAL (SELECT x.id, email::text AS email, raw_user_meta_data::jsonb AS metadata,
                      COALESCE(banned_until > now(), false) OR deleted_at IS NOT NULL AS suspended,
                      CASE WHEN deleted_at IS NULL AND isfinite(banned_until)
                           THEN ceil(extract(epoch FROM banned_until - now()) * 1000)::bigint END AS back_in,
                      email_confirmed_at IS NULL AND phone_confirmed_at IS NULL AS unconfirmed, is_anonymous AS anonymous
               FROM auth.users AS x WHERE x.id = whom) AS there;
    w.status := CASE WHEN au.id IS NULL THEN 'gone' WHEN au.suspended THEN 'suspended' ELSE 'active' END;
    w.back_in_ms := CASE WHEN au.back_in > 0 THEN au.back_in END;
  ELSE
    SELECT NULL::text AS email, NULL::jsonb AS metadata, false AS unconfirmed, false AS anonymous INTO au;
    w.status := 'active';
  END IF;
  SELECT * INTO s FROM cometchat.sync_state AS x WHERE x.user_id = whom;
  SELECT * INTO u FROM public.cometchat_users AS x WHERE x.user_id = whom;
  w.uid := COALESCE(u.cometchat_uid, CASE WHEN w.status = 'gone' THEN s.cometchat_uid END, whom::text);
  w.mapped := u.user_id IS NOT NULL;
  w.revision := COALESCE(s.wanted_revision, 0);
  w.attempts := COALESCE(s.attempts, 0);
  w.requested := COALESCE(s.requested, false);
  w.in_flight := s.claim IS NOT NULL AND NOT cometchat.is_stale(s.claim, s.claimed_at);
  -- state and tokens belong to the app and the uid that they were made with
  ours := COALESCE(s.app_id = app AND s.cometchat_uid = w.uid, false);
  w.deactivated := ours AND s.deactivated;
  w.was_deactivated := w.deactivated;
  w.revoke_pending := ours AND s.revoke_pending;
  IF ours AND s.sent_metadata IS NOT NULL THEN
    w.sent_profile := s.sent_profile; w.sent_metadata := s.sent_metadata; w.sent_fields := s.sent_fields;
  END IF;
  w.was_known := ours;
  w.outcomes := COALESCE(s.outcomes, 0);
  w.certainty := CASE
    WHEN s.user_id IS NULL OR s.app_id <> app OR s.unsettled_until = '-infinity' THEN 'never asked'
    WHEN isfinite(s.unsettled_until) THEN CASE WHEN s.unsettled_until > now() THEN 'in flight' ELSE 'unsettled' END
    ELSE 'settled' END;
  w.token := CASE WHEN ours AND NOT w.deactivated AND NOT w.revoke_pending THEN u.cometchat_auth_token END;
  w.token_by_hand := CASE WHEN s.cometchat_uid IS DISTINCT FROM w.uid THEN u.cometchat_auth_token END;
  w.not_by_itself := (au.anonymous AND NOT cometchat.setting('sync_anonymous')::boolean)
    OR (au.unconfirmed AND NOT cometchat.setting('sync_unconfirmed')::boolean);

  w.email_argument_base := CASE WHEN btrim(au.email) <> '' THEN au.email END;
  given_email := btrim(given_email);
  w.email_argument := CASE
    WHEN given_email ~ '^[^\u0001-\u001f\u007f-\u009f]+$' AND octet_length(given_email) <= 320 THEN given_email
    WHEN s.email_argument_base IS NOT DISTINCT FROM w.email_argument_base THEN s.email_argument END;
  address := COALESCE(w.email_argument, w.email_argument_base);
  FOR candidate IN SELECT left(au.metadata ->> f.k, 4000) FROM unnest(fields) WITH ORDINALITY AS f(k, n)
                   WHERE jsonb_typeof(au.metadata -> f.k) = 'string' ORDER BY f.n LOOP
    from_metadata := cometchat.no_address(cometchat.clean_name(candidate), address, w.email_argument_base, given_email);
    EXIT WHEN from_metadata IS NOT NULL;
  END LOOP;
  w.name_argument_base := from_metadata;
  w.name_argument := COALESCE(cometchat.no_address(cometchat.clean_name(given_name), address, w.email_argument_base, given_email),
    CASE WHEN s.name_argument_base IS NOT DISTINCT FROM w.name_argument_base THEN s.name_argument END);
  -- the basis is remembered only with what it is the basis of
  IF w.name_argument IS NULL THEN w.name_argument_base := NULL; END IF;

  o := COALESCE(s.overrides, '{}');
  w.profile := jsonb_strip_nulls(jsonb_build_object(
    'name', COALESCE(cometchat.no_address(cometchat.clean_name(o ->> 'name'), address, w.email_argument_base, given_email), w.name_argument, from_metadata),
    'avatar', COALESCE(cometchat.valid_avatar(o ->> 'avatar'), cometchat.valid_avatar(au.metadata ->> 'avatar_url'), cometchat.valid_avatar(au.metadata ->> 'picture')),
    'link', CASE jsonb_typeof(o -> 'link') WHEN 'string' THEN o -> 'link' END,
    'role', CASE jsonb_typeof(o -> 'role') WHEN 'string' THEN o -> 'role' END,
    'tags', CASE WHEN jsonb_typeof(o -> 'tags') = 'array' AND NOT o -> 'tags' @? '$[*] ? (@.type() != "string")' THEN o -> 'tags' END));
  o := CASE jsonb_typeof(o -> 'metadata') WHEN 'object' THEN o -> 'metadata' ELSE '{}' END;
  IF address IS NOT NULL AND jsonb_typeof(COALESCE(o -> '@private', '{}')) = 'object' THEN
    o := o || jsonb_build_object('@private', jsonb_build_object('email', address) || COALESCE(o -> '@private', '{}'));
  END IF;
  IF w.email_argument IS NULL THEN w.email_argument_base := NULL; END IF;
  IF o <> '{}' THEN w.profile := w.profile || jsonb_build_object('metadata', o); END IF;
  RETURN w;
END
$function$;

CREATE FUNCTION cometchat.no_address(name text, VARIADIC addresses text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $$ BEGIN
  -- Anything that reads as an address; stricter than the native rule, never laxer.
  IF name ~ '\S@(\S|$)' THEN RETURN NULL; END IF;
  FOR i IN 1..cardinality(addresses) LOOP IF lower(btrim(addresses[i])) = lower(name) THEN RETURN NULL; END IF; END LOOP;
  RETURN name;
END $$;

CREATE FUNCTION cometchat.is_current(w cometchat.work) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
AS $$ BEGIN RETURN COALESCE(w.sent_profile = cometchat.profile_hash(w.profile) AND w.sent_metadata = cometchat.metadata_hash(w.profile), false); END $$;
