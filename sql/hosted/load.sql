-- Reads everything about a user and puts the wanted profile together: the twin of src/store/load.rs and of
-- crates/sync/src/{model,profile}.rs.

-- Which values of the metadata may be a name: an entry of display_name_fields is a key; where there is no such
-- key, a dot leads into a nested object, and a plus joins what is there with a space. One row for each value.
CREATE TABLE cometchat.name_values (
  number integer PRIMARY KEY,
  entry  integer NOT NULL,
  way    integer NOT NULL,
  own    boolean NOT NULL,
  key    text NOT NULL,
  path   text NOT NULL
);
COMMENT ON TABLE cometchat.name_values IS
  'Where names are in the metadata, as the setting display_name_fields says.';
COMMENT ON COLUMN cometchat.name_values.number IS 'The place.';
COMMENT ON COLUMN cometchat.name_values.entry IS 'The candidate for the name, best first.';
COMMENT ON COLUMN cometchat.name_values.way IS 'Of the ways to read a candidate the first that is there counts.';
COMMENT ON COLUMN cometchat.name_values.own IS 'The setting names it.';
COMMENT ON COLUMN cometchat.name_values.key IS 'The first key.';
COMMENT ON COLUMN cometchat.name_values.path IS 'The rest of the path, as a text[].';

-- As src/store/name_fields.rs, whose further entries tools/hosted.sh writes here.
CREATE FUNCTION cometchat.read_name_fields() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = 'force_generic_plan'
AS $function$
DECLARE
  own text[] := ARRAY(SELECT btrim(f) FROM unnest(string_to_array(cometchat.setting('display_name_fields'), ','))
                      AS f WHERE btrim(f) <> '');
  further text[] := CASE WHEN EXISTS (SELECT FROM cometchat.settings AS s WHERE s.name = 'display_name_fields')
                         THEN '{}' ELSE ARRAY[
@further_name_fields
                         ] END;
BEGIN
  DELETE FROM cometchat.name_values AS v WHERE v.number IS NOT NULL;
  INSERT INTO cometchat.name_values (number, entry, way, own, key, path)
  SELECT row_number() OVER (ORDER BY w.entry, w.way, w.part), w.entry, w.way, w.entry <= cardinality(own), w.key, w.path
  FROM (
    SELECT e.n AS entry, 1 AS way, 0::bigint AS part, e.name AS key, '{}' AS path
    FROM unnest(own || further) WITH ORDINALITY AS e(name, n)
    UNION ALL
    SELECT e.n, 2, p.n, s.steps[1], s.steps[2:]::text
    FROM unnest(own || further) WITH ORDINALITY AS e(name, n),
         unnest(string_to_array(e.name, '+')) WITH ORDINALITY AS p(part, n),
         LATERAL (SELECT string_to_array(btrim(p.part), '.') AS steps) AS s
    WHERE e.name ~ '[.+]' AND s.steps[1] IS NOT NULL) AS w;
END
$function$;
COMMENT ON FUNCTION cometchat.read_name_fields() IS 'Makes cometchat.name_values what the setting says.';

CREATE FUNCTION cometchat.on_settings_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = 'force_generic_plan'
AS $function$
BEGIN
  PERFORM cometchat.read_name_fields();
  RETURN NULL;
END
$function$;
COMMENT ON FUNCTION cometchat.on_settings_changed() IS 'Trigger function: reads display_name_fields again.';

CREATE TRIGGER cometchat_settings AFTER INSERT OR UPDATE OR DELETE ON cometchat.settings
FOR EACH STATEMENT EXECUTE FUNCTION cometchat.on_settings_changed();
SELECT cometchat.read_name_fields();

-- What auth.users says. `unreadable`: why the profile is not known, where it cannot be read.
CREATE FUNCTION cometchat.load_auth_user(INOUT w cometchat.work, OUT names text[], OUT own_names text[], OUT avatars text[],
                                         OUT email text)
LANGUAGE plpgsql
AS $function$
DECLARE
  keys text[];
  paths text[];
  au record;
BEGIN
  SELECT array_agg(v.key ORDER BY v.number), array_agg(v.path ORDER BY v.number) INTO keys, paths
  FROM cometchat.name_values AS v;
  BEGIN
    SELECT * INTO au FROM cometchat.statement_auth_users_load(ARRAY[w.user_id], keys, paths);
  EXCEPTION WHEN data_exception OR program_limit_exceeded OR cannot_coerce OR datatype_mismatch THEN
    -- Not the message, which quotes the value.
    w.unreadable := 'auth.users: SQLSTATE ' || SQLSTATE;
  END;
  IF w.unreadable IS NOT NULL THEN
    BEGIN
      SELECT CASE WHEN s.suspended THEN 'suspended' ELSE 'active' END INTO w.status
      FROM cometchat.statement_auth_users_status(ARRAY[w.user_id]) AS s;
      w.status := COALESCE(w.status, 'gone');
    EXCEPTION WHEN data_exception OR cannot_coerce OR datatype_mismatch THEN
      w.status := 'unknown';
    END;
    RETURN;
  END IF;
  w.status := CASE WHEN au.user_id IS NULL THEN 'gone' WHEN au.suspended THEN 'suspended' ELSE 'active' END;
  w.back_in_ms := CASE WHEN au.back_in_ms > 0 AND au.suspended THEN au.back_in_ms END;
  w.phone := au.phone;
  w.passed_over := CASE WHEN au.anonymous AND cometchat.setting('sync_anonymous') = 'off' THEN 'anonymous'
                        WHEN au.unconfirmed AND cometchat.setting('sync_unconfirmed') = 'off' THEN 'unconfirmed' END;
  email := CASE WHEN au.email ~ '\S' THEN au.email END;
  avatars := au.avatars;
  -- Few of the values are there: the first way of each candidate that has any.
  SELECT array_agg(c.name ORDER BY c.entry), array_agg(c.name ORDER BY c.entry) FILTER (WHERE c.own)
    INTO names, own_names
  FROM (SELECT DISTINCT ON (j.entry) j.entry, j.own, j.name
        FROM (SELECT v.entry, v.way, v.own, string_agg(n.value, ' ' ORDER BY v.number) AS name
              FROM unnest(au.names) WITH ORDINALITY AS n(value, number)
              JOIN cometchat.name_values AS v ON v.number = n.number
              WHERE n.value ~ '\S' GROUP BY v.entry, v.way, v.own) AS j
        ORDER BY j.entry, j.way) AS c;
END
$function$;
COMMENT ON FUNCTION cometchat.load_auth_user(cometchat.work) IS 'What auth.users says of a user.';

-- An argument wins until what it replaced changes. `before`: what an older version took for the basis.
CREATE FUNCTION cometchat.settle_argument(given text, INOUT value text, INOUT base text, now_base text, before text)
LANGUAGE plpgsql IMMUTABLE
AS $function$
BEGIN
  IF given IS NOT NULL THEN
    value := given;
    base := now_base;
  ELSIF value IS NOT NULL AND (base IS NOT DISTINCT FROM now_base OR base IS NOT DISTINCT FROM before) THEN
    base := now_base;
  ELSE
    value := NULL;
    base := NULL;
  END IF;
END
$function$;
COMMENT ON FUNCTION cometchat.settle_argument(text, text, text, text, text) IS
  'The argument that holds now, and what it replaces.';

CREATE FUNCTION cometchat.load(whom uuid, app text, given_name text DEFAULT NULL, given_email text DEFAULT NULL)
RETURNS cometchat.work
LANGUAGE plpgsql
AS $function$
DECLARE
  w cometchat.work;
  s record;
  au record;
  o jsonb;
  ours boolean;
  address text;
  from_metadata text;
  before text;
  given text;
BEGIN
  SELECT * INTO s FROM cometchat.statement_load(ARRAY[whom]);
  w.user_id := whom;
  w.app_id := app;
  w.effect := 0;
  w.asked := false;
  w.removed := false;
  w.deactivation_in_flight := false;
  w.has_state := s.has_state;
  BEGIN
    o := COALESCE(s.overrides::jsonb, '{}');
    IF jsonb_typeof(o) <> 'object' THEN
      w.unreadable := 'overrides: not an object';
      o := '{}';
    ELSIF s.overrides ~ '[0-9]{250}' THEN
      w.unreadable := 'overrides: number out of range';
      o := '{}';
    END IF;
  EXCEPTION WHEN data_exception THEN
    w.unreadable := 'overrides: not JSON';
    o := '{}';
  END;
  given := w.unreadable;
  w.unreadable := NULL;
  au := cometchat.load_auth_user(w);
  w := au.w;
  w.unreadable := COALESCE(w.unreadable, given);
  w.uid := COALESCE(s.mapped_uid, CASE WHEN w.status = 'gone' THEN s.cometchat_uid END, whom::text);
  w.mapped := s.mapped_uid IS NOT NULL;
  w.stored_token := s.token;
  w.revision := COALESCE(s.wanted_revision, 0);
  w.attempts := COALESCE(s.attempts, 0);
  w.requested := COALESCE(s.requested, false);
  w.outcomes := COALESCE(s.outcomes, 0);
  w.started_sent_profile := s.sent_profile;
  w.in_flight := s.claim IS NOT NULL AND cometchat.is_claimed_elsewhere(s.claim);
  -- state and tokens belong to the app and the uid that they were made with
  ours := s.has_state AND COALESCE(s.app_id = app AND s.cometchat_uid = w.uid, false);
  w.was_known := ours;
  w.deactivated := ours AND s.deactivated;
  w.knew_deactivated := w.deactivated;
  w.knew_revocation := COALESCE(s.revoke_pending, false);
  -- That may be known of a user of whom nothing else is, no app either: CometChat does not tell the deactivated from
  -- the unknown.
  w.revoke_pending := w.knew_revocation AND (ours OR s.app_id IS NULL);
  IF ours AND s.sent_profile IS NOT NULL AND s.sent_metadata IS NOT NULL THEN
    w.sent_profile := s.sent_profile;
    w.sent_metadata := s.sent_metadata;
    w.sent_fields := COALESCE(s.sent_fields, '{}');
  END IF;
  w.token := CASE WHEN ours AND NOT w.deactivated AND NOT w.revoke_pending THEN s.token END;
  w.imported_token := CASE WHEN NOT (s.has_state AND s.cometchat_uid IS NOT DISTINCT FROM w.uid) THEN s.token END;
  w.certainty := CASE
    WHEN NOT s.has_state OR s.app_id <> app OR s.unsettled_ms < 0 THEN 'never asked'
    WHEN s.unsettled_ms = 0 THEN 'unsettled'
    WHEN s.unsettled_ms > 0 THEN 'in flight'
    ELSE 'settled' END;
  IF w.status = 'gone' THEN -- names and addresses do not outlive the user
    o := '{}';
    s.name_argument := NULL; s.name_argument_base := NULL; s.email_argument := NULL; s.email_argument_base := NULL;
  END IF;
  w.addresses := '{}';
  w.profile := '{}';
  IF w.unreadable IS NOT NULL THEN
    w.name_argument := s.name_argument; w.name_argument_base := s.name_argument_base;
    w.email_argument := s.email_argument; w.email_argument_base := s.email_argument_base;
    RETURN w;
  END IF;

  given := btrim(given_email, E' \t\r\n\f\v');
  SELECT a.value, a.base INTO w.email_argument, w.email_argument_base
  FROM cometchat.settle_argument(
    CASE WHEN given ~ '^[^\u0001-\u001f\u007f-\u009f]+$' AND octet_length(given) <= 320 THEN given END,
    s.email_argument, s.email_argument_base, au.email, au.email) AS a;
  address := COALESCE(w.email_argument, au.email);
  w.addresses := array_remove(ARRAY[address, au.email, given_email], NULL);

  SELECT n.name INTO from_metadata
  FROM unnest(au.names) WITH ORDINALITY AS c(raw, n),
       LATERAL (SELECT cometchat.public_name(c.raw, w.addresses, w.phone) AS name) AS n
  WHERE n.name IS NOT NULL ORDER BY c.n LIMIT 1;
  IF s.name_argument IS NOT NULL THEN
    SELECT n.name INTO before
    FROM unnest(au.own_names) WITH ORDINALITY AS c(raw, n),
         LATERAL (SELECT cometchat.clean_name(c.raw) AS name) AS n
    WHERE n.name IS NOT NULL
      AND lower(n.name) <> ALL (ARRAY(SELECT lower(btrim(a)) FROM unnest(w.addresses) AS a))
    ORDER BY c.n LIMIT 1;
  END IF;
  SELECT a.value, a.base INTO w.name_argument, w.name_argument_base
  FROM cometchat.settle_argument(cometchat.public_name(given_name, w.addresses, w.phone),
    cometchat.public_name(s.name_argument, w.addresses, w.phone), s.name_argument_base, from_metadata, before) AS a;

  w.profile := jsonb_strip_nulls(jsonb_build_object(
    'name', COALESCE(CASE jsonb_typeof(o -> 'name') WHEN 'string'
                     THEN cometchat.public_name(o ->> 'name', w.addresses, w.phone) END,
                     w.name_argument, from_metadata),
    'avatar', COALESCE(CASE jsonb_typeof(o -> 'avatar') WHEN 'string'
                       THEN cometchat.valid_url(o ->> 'avatar', 'https') END,
                       cometchat.valid_url(au.avatars[1], 'https'), cometchat.valid_url(au.avatars[2], 'https')),
    'link', CASE jsonb_typeof(o -> 'link') WHEN 'string' THEN o -> 'link' END,
    'role', CASE jsonb_typeof(o -> 'role') WHEN 'string' THEN o -> 'role' END,
    'statusMessage', CASE jsonb_typeof(o -> 'statusMessage') WHEN 'string' THEN o -> 'statusMessage' END,
    'tags', CASE WHEN jsonb_typeof(o -> 'tags') = 'array' AND NOT o -> 'tags' @? '$[*] ? (@.type() != "string")'
                 THEN o -> 'tags' END));
  o := CASE jsonb_typeof(o -> 'metadata') WHEN 'object' THEN o -> 'metadata' ELSE '{}' END;
  IF address IS NOT NULL AND jsonb_typeof(COALESCE(o -> '@private', '{}')) = 'object' THEN
    o := o || jsonb_build_object('@private', jsonb_build_object('email', address) || COALESCE(o -> '@private', '{}'));
  END IF;
  IF o <> '{}' THEN
    w.profile := w.profile || jsonb_build_object('metadata', o);
  END IF;
  RETURN w;
END
$function$;
COMMENT ON FUNCTION cometchat.load(uuid, text, text, text) IS
  'Everything about a user: what is wanted, and what is known of CometChat.';
