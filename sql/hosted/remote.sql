-- CometChat's own list: the twin of src/remote.rs.
CREATE FUNCTION cometchat.list_remote_users(page integer, per_page integer) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET client_min_messages = 'warning'
AS $function$
DECLARE
  app record := cometchat.app_id();
  failure jsonb := COALESCE(app.failure, cometchat.sending_refused(app.app_id));
  answer jsonb;
BEGIN
  IF failure IS NOT NULL THEN RETURN failure; END IF;
  answer := cometchat.request('GET', pg_catalog.format('/users?perPage=%s&page=%s&withTags=true&withDeactivated=true', per_page, page),
                              NULL, cometchat.deadline(), large => true);
  IF answer ? 'kind' THEN RETURN cometchat.failure_of(answer, false); END IF;
  IF jsonb_typeof(answer -> 'data') <> 'array' THEN RETURN cometchat.failure('API_ERROR', 'no list in it'); END IF;
  RETURN jsonb_build_object('value', jsonb_build_object('more', jsonb_array_length(answer -> 'data') >= per_page, 'users', (
    SELECT COALESCE(jsonb_agg(jsonb_build_object('uid', r.u ->> 'uid', 'deactivated', COALESCE(r.u ->> 'deactivatedAt', '0') ~ '^[1-9]',
      'differs', COALESCE((SELECT string_agg(p.key, ', ') FROM jsonb_each(cometchat.patch(w.profile, w.sent_fields, r.u)) AS p
                           WHERE p.key <> 'unset' AND (p.key <> 'metadata' OR r.u ? 'metadata') AND cometchat.is_current(w)), ''))), '[]')
    FROM jsonb_array_elements(answer -> 'data') AS r(u)
    LEFT JOIN public.cometchat_users AS m ON m.cometchat_uid = r.u ->> 'uid'
    LEFT JOIN LATERAL cometchat.load(m.user_id, app.app_id) AS w ON m.user_id IS NOT NULL)));
END
$function$;
COMMENT ON FUNCTION cometchat.list_remote_users(integer, integer) IS
  'One page of CometChat''s own list of users, each with the fields in which it differs from ours.';
