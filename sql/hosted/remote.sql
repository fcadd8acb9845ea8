-- What CometChat itself says, for operators: the twin of src/calls/remote.rs, reconcile.rs and explain_user.rs.

-- One page of CometChat's list, deactivated users included.
CREATE FUNCTION cometchat.list_page(page integer, per_page integer, with_tags boolean) RETURNS jsonb
LANGUAGE plpgsql VOLATILE
AS $function$
DECLARE
  app record := cometchat.app_id();
  fault jsonb;
  answer jsonb;
BEGIN
  IF cometchat.is_restricted() THEN
    RETURN jsonb_build_object('kind', 'not_configured', 'failure', cometchat.failure('UNAUTHORIZED'));
  END IF;
  IF app.failure IS NOT NULL THEN
    RETURN jsonb_build_object('kind', 'not_configured', 'failure', app.failure);
  END IF;
  fault := cometchat.sending_refused(app.app_id);
  IF fault IS NOT NULL THEN
    RETURN fault;
  END IF;
  answer := cometchat.request('GET', format('/users?perPage=%s&page=%s%s&withDeactivated=true', per_page, page,
                                            CASE WHEN with_tags THEN '&withTags=true' ELSE '' END),
                              NULL, cometchat.deadline(), large => true);
  IF NOT answer ? 'kind' AND jsonb_typeof(answer -> 'data') <> 'array' THEN
    RETURN cometchat.not_cometchat((answer ->> 'status')::integer, 'no list in it');
  END IF;
  RETURN answer;
END
$function$;
COMMENT ON FUNCTION cometchat.list_page(integer, integer, boolean) IS 'One page of CometChat''s own list of users.';

CREATE FUNCTION cometchat.has_more(answer jsonb, page integer, per_page integer) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
AS $function$
BEGIN
  RETURN jsonb_array_length(answer -> 'data') > 0
    AND COALESCE((answer #>> '{meta,pagination,current_page}')::numeric
                 < (answer #>> '{meta,pagination,total_pages}')::numeric, true);
EXCEPTION WHEN data_exception THEN
  RETURN true;
END
$function$;
COMMENT ON FUNCTION cometchat.has_more(jsonb, integer, integer) IS 'Whether there are further pages.';

CREATE FUNCTION cometchat.list_remote_users(page integer, per_page integer) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = 'force_generic_plan'
SET client_min_messages = 'warning'
AS $function$
DECLARE
  answer jsonb := cometchat.list_page(page, per_page, false);
BEGIN
  IF answer ? 'kind' THEN
    RETURN cometchat.failure_of(answer, false);
  END IF;
  RETURN jsonb_build_object('value', jsonb_build_object('more', cometchat.has_more(answer, page, per_page), 'users', (
    SELECT COALESCE(jsonb_agg(jsonb_build_object('uid', u.u ->> 'uid',
             'deactivated', COALESCE(u.u ->> 'deactivatedAt', '0') ~ '^[1-9]') ORDER BY u.n), '[]')
    FROM jsonb_array_elements(answer -> 'data') WITH ORDINALITY AS u(u, n))));
END
$function$;
COMMENT ON FUNCTION cometchat.list_remote_users(integer, integer) IS 'One page of CometChat''s own list of users.';

CREATE FUNCTION cometchat.probe_api() RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = 'force_generic_plan'
SET client_min_messages = 'warning'
AS $function$
DECLARE
  answer jsonb := cometchat.list_page(1, 1, false);
BEGIN
  RETURN CASE WHEN answer ? 'kind' THEN cometchat.failure_of(answer, false) ELSE '{"value": null}' END;
END
$function$;
COMMENT ON FUNCTION cometchat.probe_api() IS
  'Sends one request, and says what is wrong if CometChat does not answer it or refuses the key.';

-- The fields in which a user of CometChat's list differs from what CometChat was sent.
CREATE FUNCTION cometchat.drift(w cometchat.work, there jsonb) RETURNS text
LANGUAGE plpgsql STABLE
AS $function$
DECLARE
  patch jsonb;
BEGIN
  IF NOT cometchat.is_current(w) THEN
    RETURN ''; -- not yet sent, which is not drift
  END IF;
  patch := cometchat.patch_for(w, there);
  -- No document promises that a list shows these.
  RETURN COALESCE((SELECT string_agg(f.key, ', ' ORDER BY f.n)
                   FROM unnest('{name,avatar,link,role,tags,statusMessage,metadata}'::text[])
                        WITH ORDINALITY AS f(key, n)
                   WHERE patch ? f.key AND (f.key NOT IN ('statusMessage', 'metadata')
                                            OR jsonb_typeof(there -> f.key) <> 'null')), '');
END
$function$;
COMMENT ON FUNCTION cometchat.drift(cometchat.work, jsonb) IS
  'The fields that were changed in CometChat by others.';

-- Nested loops are off where it is called: plans that are made here, and kept, would read whole tables for each user
-- as long as the session lasts.
CREATE FUNCTION cometchat.compare_remote_page(page integer) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = 'force_generic_plan'
SET client_min_messages = 'warning' SET enable_nestloop = on
AS $function$
DECLARE
  app record := cometchat.app_id();
  answer jsonb;
  failures integer := 0;
  pause interval;
  entry record;
  owner uuid;
  w cometchat.work;
  our_uid text;
  differs text;
  seen jsonb := '[]';
  found_entries jsonb := '[]';
BEGIN
  LOOP
    answer := cometchat.list_page(page, 1000, true);
    EXIT WHEN NOT answer ? 'kind';
    IF answer ->> 'kind' = 'rate_limited' THEN
      pause := LEAST(GREATEST(COALESCE((answer ->> 'retry_after')::integer, 1), 0.1), 60) * interval '1 s';
    ELSIF cometchat.is_transient(answer) AND failures < 2 THEN
      failures := failures + 1;
      pause := '1 s';
    ELSE
      RETURN cometchat.failure_of(answer, false);
    END IF;
    IF current_setting('statement_timeout')::interval > '0'
       AND clock_timestamp() + pause > statement_timestamp() + current_setting('statement_timeout')::interval - interval '250 ms' THEN
      RETURN cometchat.failure_of(answer, false);
    END IF;
    PERFORM pg_sleep_for(pause);
  END LOOP;
  FOR entry IN SELECT u.u, u.u ->> 'uid' AS uid, COALESCE(u.u ->> 'deactivatedAt', '0') ~ '^[1-9]' AS deactivated,
                      o.user_id AS owner
               FROM jsonb_array_elements(answer -> 'data') WITH ORDINALITY AS u(u, n)
               LEFT JOIN cometchat.statement_owners(ARRAY(
                 SELECT x ->> 'uid' FROM jsonb_array_elements(answer -> 'data') AS x)) AS o
                 ON o.cometchat_uid = u.u ->> 'uid'
               WHERE u.u ->> 'uid' IS NOT NULL ORDER BY u.n LOOP
    owner := COALESCE(entry.owner, CASE
      WHEN entry.uid ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' THEN entry.uid::uuid END);
    our_uid := NULL;
    IF owner IS NOT NULL THEN
      w := cometchat.load(owner, app.app_id);
      our_uid := CASE WHEN w.mapped THEN w.uid WHEN w.has_state THEN COALESCE(
        (SELECT s.cometchat_uid FROM cometchat.sync_state AS s WHERE s.user_id = owner), '') END;
    END IF;
    IF our_uid IS NULL THEN
      IF NOT entry.deactivated THEN
        found_entries := found_entries || jsonb_build_object('user_id', NULL, 'uid', entry.uid,
                                                             'deactivated', false, 'differs', '');
      END IF;
      CONTINUE;
    END IF;
    -- Not an orphan: it is our user's id, though the user has another uid, or no state to compare.
    CONTINUE WHEN NOT w.has_state OR our_uid <> entry.uid;
    differs := CASE WHEN entry.deactivated THEN '' ELSE cometchat.drift(w, entry.u) END;
    IF entry.deactivated OR differs <> '' THEN
      found_entries := found_entries || jsonb_build_object('user_id', owner, 'uid', entry.uid,
                                                           'deactivated', entry.deactivated, 'differs', differs);
    ELSE
      seen := seen || to_jsonb(owner);
    END IF;
  END LOOP;
  RETURN jsonb_build_object('value', jsonb_build_object('seen', seen, 'found', found_entries,
    'more', cometchat.has_more(answer, page, 1000), 'pages', answer #> '{meta,pagination,total_pages}'));
END
$function$;
COMMENT ON FUNCTION cometchat.compare_remote_page(integer) IS
  'A page of CometChat''s list compared with ours; waits while CometChat''s rate limit is used up.';

CREATE FUNCTION cometchat.describe_user(user_id uuid, error_code text) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = 'force_generic_plan'
SET lock_timeout = '100ms'
AS $function$
DECLARE
  app record := cometchat.app_id();
  w cometchat.work;
BEGIN
  w := cometchat.load(describe_user.user_id, COALESCE(app.app_id, ''));
  RETURN jsonb_build_object(
    'status', CASE w.status WHEN 'gone' THEN 'deleted' ELSE w.status END, 'back_in_ms', w.back_in_ms,
    'passed_over', w.passed_over, 'unreadable', w.unreadable,
    'name', COALESCE(w.profile ->> 'name', 'User ' || left(w.user_id::text, 8)),
    'uid', w.uid, 'app_id', app.app_id, 'has_token', w.token IS NOT NULL, 'is_current', cometchat.is_current(w),
    'what_to_do', cometchat.what_to_do(describe_user.error_code));
EXCEPTION WHEN undefined_table OR undefined_column OR insufficient_privilege OR lock_not_available THEN
  RETURN jsonb_build_object('error', SQLSTATE);
END
$function$;
COMMENT ON FUNCTION cometchat.describe_user(uuid, text) IS
  'What is known of a user, and what to do about the error code; for cometchat.explain_user().';
