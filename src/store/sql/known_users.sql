-- The next users that anything is stored about, in the order of their ids.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS from_user_id, $2 AS max_users
)
SELECT p.user_id
-- Each half by its own index: as many as there may be in all, of which the lowest are taken.
FROM ((SELECT s.user_id FROM cometchat.sync_state AS s, input AS i
       WHERE s.user_id >= i.from_user_id
       ORDER BY s.user_id LIMIT (SELECT i.max_users FROM input AS i))
      UNION
      (SELECT u.user_id FROM public.cometchat_users AS u, input AS i
       WHERE u.user_id >= i.from_user_id
       ORDER BY u.user_id LIMIT (SELECT i.max_users FROM input AS i))) AS p
ORDER BY p.user_id LIMIT (SELECT i.max_users FROM input AS i)
