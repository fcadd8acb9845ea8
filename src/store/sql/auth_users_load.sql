-- What auth.users says of users; no row for a user who is not there.
--
-- Only id is required of the table. A column that it lacks is found one level further out, in `absent`:
-- inside the inner query an unqualified name means the table's own column where there is one.
--
-- Where ids are text, they are compared as text, so that one that is no uuid is in no other user's way.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS user_ids, $2 AS name_keys, $3 AS name_paths
)
SELECT q.user_id, a.suspended, a.back_in_ms, a.unconfirmed, a.anonymous, a.email, a.phone,
       -- Longer strings are cut: no name or URL is that long. (A scan of these functions keeps their
       -- order: sorting, or a join with jsonb_each, took most of the time of reading a user.)
       ARRAY(SELECT CASE jsonb_typeof(a.metadata -> f.key #> f.path::text[])
                    WHEN 'string' THEN left(a.metadata -> f.key #>> f.path::text[], 4000) END
             FROM ROWS FROM (unnest(i.name_keys), unnest(i.name_paths)) AS f(key, path)) AS names,
       ARRAY[left(a.metadata ->> 'avatar_url', 4000), left(a.metadata ->> 'picture', 4000)] AS avatars
FROM input AS i,
(SELECT NULL::text AS email, NULL::text AS phone, NULL::jsonb AS raw_user_meta_data,
        NULL::timestamptz AS banned_until, NULL::timestamptz AS deleted_at,
        now() AS email_confirmed_at, NULL::timestamptz AS phone_confirmed_at,
        false AS is_anonymous) AS absent,
unnest(i.user_ids) AS q(user_id),
LATERAL (SELECT email::text AS email, phone::text AS phone,
                -- The sum is never stored elsewhere or compressed: it is fetched once for all keys.
                raw_user_meta_data::jsonb || '{}' AS metadata,
                (banned_until > now() OR deleted_at IS NOT NULL) AS suspended,
                CASE WHEN deleted_at IS NULL AND isfinite(banned_until)
                     THEN CASE WHEN banned_until < now() + interval '1 year'
                          THEN ceil(extract(epoch FROM banned_until - now()) * 1000)::bigint
                          ELSE 31536000000 END -- looked at again then
                END AS back_in_ms,
                (email_confirmed_at IS NULL AND phone_confirmed_at IS NULL) AS unconfirmed,
                is_anonymous::boolean AS anonymous
         FROM auth.users AS au
         WHERE au.id = q.user_id -- text: WHERE au.id = ANY (ARRAY[q.user_id::text, upper(q.user_id::text)])
         OFFSET 0 -- not pulled up, which would fetch it for each key
        ) AS a
