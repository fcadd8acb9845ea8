-- What CometChat should know of a user, and how that differs from what it knows: the twin of
-- crates/sync/src/profile.

-- As serde_json writes it: no spaces, keys sorted. The hashes of both editions are the same.
CREATE FUNCTION cometchat.canonical(value jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $function$
DECLARE
  kind text := jsonb_typeof(value);
  text_of text := '';
  e record;
BEGIN
  IF kind = 'object' THEN
    FOR e IN SELECT o.key, o.value FROM jsonb_each(value) AS o ORDER BY o.key COLLATE "C" LOOP
      text_of := text_of || ',' || to_json(e.key)::text || ':' || cometchat.canonical(e.value);
    END LOOP;
    RETURN '{' || substr(text_of, 2) || '}';
  ELSIF kind = 'array' THEN
    FOR e IN SELECT o.value FROM jsonb_array_elements(value) WITH ORDINALITY AS o(value, n) ORDER BY o.n LOOP
      text_of := text_of || ',' || cometchat.canonical(e.value);
    END LOOP;
    RETURN '[' || substr(text_of, 2) || ']';
  ELSIF kind = 'number' AND value::text ~ '[.]' THEN
    text_of := (value::text)::float8::text;
    RETURN CASE WHEN text_of ~ '[.e]' THEN text_of ELSE text_of || '.0' END;
  END IF;
  RETURN value::text;
END
$function$;
COMMENT ON FUNCTION cometchat.canonical(jsonb) IS 'A JSON value as serde_json writes it.';

CREATE FUNCTION cometchat.hash(value jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $$ BEGIN RETURN left(encode(sha256(convert_to(cometchat.canonical(value), 'UTF8')), 'hex'), 32); END $$;
COMMENT ON FUNCTION cometchat.hash(jsonb) IS 'The hash of a JSON value, as it is remembered of what was sent.';

-- A field that was added later counts only where it is set (crates/sync/src/profile/fields.rs).
CREATE FUNCTION cometchat.profile_hash(profile jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $function$
BEGIN
  RETURN cometchat.hash(
    jsonb_build_array(profile -> 'name', profile -> 'avatar', profile -> 'link', profile -> 'role', profile -> 'tags')
    || CASE WHEN profile ? 'statusMessage'
            THEN jsonb_build_array(jsonb_build_array('statusMessage', profile -> 'statusMessage')) ELSE '[]' END);
END
$function$;
COMMENT ON FUNCTION cometchat.profile_hash(jsonb) IS 'The hash of everything but metadata.';

CREATE FUNCTION cometchat.metadata_hash(profile jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $$ BEGIN RETURN cometchat.hash(COALESCE(profile -> 'metadata', '{}')); END $$;
COMMENT ON FUNCTION cometchat.metadata_hash(jsonb) IS 'The hash of our part of the metadata.';

-- Objects are merged, everything else is replaced; ours wins.
CREATE FUNCTION cometchat.merge(theirs jsonb, ours jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
AS $function$
BEGIN
  RETURN theirs || COALESCE((SELECT jsonb_object_agg(o.key,
      CASE WHEN jsonb_typeof(theirs -> o.key) = 'object' AND jsonb_typeof(o.value) = 'object'
           THEN cometchat.merge(theirs -> o.key, o.value) ELSE o.value END)
    FROM jsonb_each(ours) AS o), '{}');
END
$function$;
COMMENT ON FUNCTION cometchat.merge(jsonb, jsonb) IS 'Our metadata merged into what is there.';

-- What is known and wanted of a user, and how far the way to agreement has come.
CREATE TYPE cometchat.work AS (
  user_id uuid, status text, back_in_ms bigint, passed_over text,
  app_id text, revision bigint, attempts integer, requested boolean, in_flight boolean, outcomes bigint,
  -- wanted
  profile jsonb, addresses text[], phone text, unreadable text,
  name_argument text, name_argument_base text, email_argument text, email_argument_base text,
  -- what is there, as far as we know; see cometchat.sync_state
  has_state boolean, uid text, mapped boolean, stored_token text, token text, imported_token text,
  sent_profile text, sent_metadata text, sent_fields text[], deactivated boolean, revoke_pending boolean,
  was_known boolean, knew_deactivated boolean, knew_revocation boolean, started_sent_profile text, certainty text,
  -- how it goes
  deadline timestamptz, asker uuid, may_reactivate boolean, for_login boolean, deactivation_in_flight boolean,
  missing boolean, fault jsonb, not_updated jsonb, effect integer, synced_revision bigint,
  asked boolean, removed boolean
);
COMMENT ON TYPE cometchat.work IS 'One user''s work: what is wanted, what is known, what came of it.';

CREATE FUNCTION cometchat.is_current(w cometchat.work) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
AS $function$
BEGIN
  RETURN COALESCE(w.sent_profile = cometchat.profile_hash(w.profile)
                  AND w.sent_metadata = cometchat.metadata_hash(w.profile), false);
END
$function$;
COMMENT ON FUNCTION cometchat.is_current(cometchat.work) IS 'Whether CometChat has the wanted profile.';

-- Everything but metadata, for a user of whom we know what was sent before.
CREATE FUNCTION cometchat.patch_without_metadata(w cometchat.work) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
AS $function$
DECLARE
  gone jsonb := (SELECT jsonb_agg(k) FROM unnest('{avatar,link}'::text[]) AS k
                 WHERE k = ANY (w.sent_fields) AND NOT w.profile ? k);
BEGIN
  RETURN w.profile - 'metadata' || CASE WHEN gone IS NULL THEN '{}' ELSE jsonb_build_object('unset', gone) END;
END
$function$;
COMMENT ON FUNCTION cometchat.patch_without_metadata(cometchat.work) IS
  'The update of a user of whom it is known what was sent before.';

-- Only the fields in which CometChat's user differs; metadata merged and whole.
CREATE FUNCTION cometchat.patch_for(w cometchat.work, there jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
AS $function$
DECLARE
  patch jsonb := '{}';
  current jsonb := CASE jsonb_typeof(there -> 'metadata') WHEN 'object' THEN there -> 'metadata' ELSE '{}' END;
  merged jsonb := cometchat.merge(current, COALESCE(w.profile -> 'metadata', '{}'));
  field record;
BEGIN
  IF w.sent_profile IS NOT NULL THEN
    patch := jsonb_strip_nulls(jsonb_build_object('unset', cometchat.patch_without_metadata(w) -> 'unset'));
  END IF;
  FOR field IN SELECT f.key, f.value FROM jsonb_each(w.profile - 'metadata') AS f LOOP
    IF field.value <> COALESCE(NULLIF(there -> field.key, 'null'),
                               CASE field.key WHEN 'tags' THEN '[]'::jsonb WHEN 'name' THEN 'null' ELSE '""' END) THEN
      patch := patch || jsonb_build_object(field.key, field.value);
    END IF;
  END LOOP;
  -- The fallback replaces no name, but an address that others see is none.
  IF NOT w.profile ? 'name' AND cometchat.shows_contact(there ->> 'name', w.addresses, w.phone) THEN
    patch := patch || jsonb_build_object('name', 'User ' || left(w.user_id::text, 8));
  END IF;
  RETURN CASE WHEN merged <> current THEN patch || jsonb_build_object('metadata', merged) ELSE patch END;
END
$function$;
COMMENT ON FUNCTION cometchat.patch_for(cometchat.work, jsonb) IS
  'The update of a user whom CometChat has so: only what differs.';

CREATE FUNCTION cometchat.now_sent(INOUT w cometchat.work)
LANGUAGE plpgsql IMMUTABLE
AS $function$
BEGIN
  w.sent_profile := cometchat.profile_hash(w.profile);
  w.sent_metadata := cometchat.metadata_hash(w.profile);
  w.sent_fields := ARRAY(SELECT k FROM unnest('{avatar,link}'::text[]) AS k WHERE w.profile ? k);
END
$function$;
COMMENT ON FUNCTION cometchat.now_sent(cometchat.work) IS 'Remembers that CometChat has the wanted profile.';

CREATE FUNCTION cometchat.nothing_sent(INOUT w cometchat.work)
LANGUAGE plpgsql IMMUTABLE
AS $$ BEGIN w.sent_profile := NULL; w.sent_metadata := NULL; w.sent_fields := NULL; END $$;
COMMENT ON FUNCTION cometchat.nothing_sent(cometchat.work) IS 'Forgets which profile CometChat has.';
