-- The next users of auth.users by id, as far as backfill asks. See auth_users_load.sql.
-- Ids that are text are listed in the order of the uuids, whatever the column's collation is; an id that is
-- no uuid is no user.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS from_user_id, $2 AS max_users
)
SELECT a.id::uuid AS user_id, a.suspended, a.anonymous, a.confirmed
FROM input AS i,
(SELECT NULL::timestamptz AS banned_until, NULL::timestamptz AS deleted_at,
        now() AS email_confirmed_at, NULL::timestamptz AS phone_confirmed_at,
        false AS is_anonymous) AS absent,
LATERAL (SELECT au.id,
                deleted_at IS NOT NULL OR COALESCE(banned_until > now(), false) AS suspended,
                is_anonymous::boolean AS anonymous,
                num_nonnulls(email_confirmed_at, phone_confirmed_at) > 0 AS confirmed
         FROM auth.users AS au
         WHERE au.id >= i.from_user_id -- text: WHERE au.id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' AND lower(au.id) COLLATE "C" >= i.from_user_id::text
         ORDER BY au.id -- text: ORDER BY lower(au.id) COLLATE "C"
         LIMIT i.max_users) AS a
