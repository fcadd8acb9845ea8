-- For an app that has kept a public.cometchat_users table of its own: keeps its rows and tokens.
-- Run it as a superuser in the app's database; it is one transaction. tests/pg_regress runs this file.
BEGIN;

-- 1. The old table goes aside as it is, with whatever columns it has; drop it when you are content.
CREATE SCHEMA cometchat_before;
ALTER TABLE public.cometchat_users SET SCHEMA cometchat_before;

-- 2. The extension brings its own.
CREATE EXTENSION cometchat_ext;

-- 3. The newest row of each user and of each uid, if the user still exists. Of the old columns only
--    user_id is required, of whatever type: the others count where they exist. CometChat's uids are in
--    lower case, whatever the old code wrote.
INSERT INTO public.cometchat_users (user_id, cometchat_uid, cometchat_auth_token, created_at, updated_at)
SELECT users.id::text::uuid, lower(trim(old.fields ->> 'cometchat_uid')),
       nullif(trim(old.fields ->> 'cometchat_auth_token'), ''),
       coalesce(times.created_at, times.updated_at, now()), coalesce(times.updated_at, times.created_at, now())
FROM (
  -- without a column for the uid it is the user's id
  SELECT jsonb_build_object('cometchat_uid', t.fields ->> 'user_id') || t.fields AS fields, t.place,
         translate(lower(t.fields ->> 'user_id'), '{}- ', '') AS id
  FROM (SELECT to_jsonb(o) AS fields, o.ctid AS place FROM cometchat_before.cometchat_users AS o) AS t
) AS old
JOIN auth.users ON translate(users.id::text, '-', '') = old.id
CROSS JOIN LATERAL (
  SELECT max(v.at) FILTER (WHERE v.key = 'created_at') AS created_at,
         max(v.at) FILTER (WHERE v.key = 'updated_at') AS updated_at
  FROM (SELECT e.key, CASE
                 WHEN jsonb_typeof(e.value) = 'string' AND e.value #>> '{}' ~ '^\d{4}-\d\d-\d\d'
                   THEN (e.value #>> '{}')::timestamptz
                 -- seconds since 1970, or milliseconds
                 WHEN jsonb_typeof(e.value) = 'number' AND (e.value #>> '{}')::numeric > 100000000000
                   THEN to_timestamp((e.value #>> '{}')::float8 / 1000)
                 WHEN jsonb_typeof(e.value) = 'number' THEN to_timestamp((e.value #>> '{}')::float8)
               END AS at
        FROM jsonb_each(old.fields) AS e WHERE e.key IN ('created_at', 'updated_at')) AS v
) AS times
WHERE trim(old.fields ->> 'cometchat_uid') <> ''
ORDER BY coalesce(times.updated_at, times.created_at) DESC NULLS LAST,
         CASE jsonb_typeof(old.fields -> 'id') WHEN 'number' THEN (old.fields ->> 'id')::numeric END DESC NULLS LAST,
         old.place DESC
ON CONFLICT DO NOTHING;

-- 4. Who is not there: their rows had no user, or an older row of the user's or the uid's.
SELECT (SELECT count(*) FROM cometchat_before.cometchat_users) AS rows_before,
       (SELECT count(*) FROM public.cometchat_users) AS rows_kept;

COMMIT;
