-- What operators say about a user; the right to say it is also what makes a caller trusted.

-- Not STRICT: of null Postgres would not ask who may call it.
CREATE FUNCTION cometchat.check_profile(profile text) RETURNS void
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'cometchat_check_profile_wrapper';
COMMENT ON FUNCTION cometchat.check_profile(text) IS
  'Raises an error that says why CometChat could not be sent this profile, if so.';

CREATE FUNCTION cometchat.enqueue(user_id uuid, profile jsonb DEFAULT NULL) RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
#variable_conflict use_column
BEGIN
  PERFORM cometchat.restrict();
  IF enqueue.user_id IS NULL THEN
    RAISE null_value_not_allowed USING MESSAGE = 'user_id must not be null';
  END IF;
  PERFORM cometchat.check_profile(enqueue.profile::text);

  INSERT INTO cometchat.sync_state AS s
    (user_id, overrides, wanted_revision, requested, next_attempt_at)
  VALUES (enqueue.user_id,
          NULLIF(pg_catalog.jsonb_strip_nulls(enqueue.profile), '{}'), 1, true, pg_catalog.now())
  ON CONFLICT (user_id) DO UPDATE SET
    -- a key set to null takes its override back
    overrides = NULLIF(pg_catalog.jsonb_strip_nulls(
      CASE WHEN pg_catalog.jsonb_typeof(s.overrides) = 'object' THEN s.overrides ELSE '{}' END
      || COALESCE(enqueue.profile, '{}')), '{}'),
    wanted_revision = s.wanted_revision + 1, requested = true,
    next_attempt_at = pg_catalog.now(), attempts = 0, failed_at = NULL;
  PERFORM cometchat.wake();
END
$function$;
COMMENT ON FUNCTION cometchat.enqueue(uuid, jsonb) IS
  'Sets overrides of the profile, a JSON object (the README lists its keys): each holds until set to null. '
  'A role that may execute this function is trusted: it may name any user in cometchat_ensure_user.';
