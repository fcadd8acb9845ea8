-- Queues the next page of users of a backfill; null where there is none.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS app_id, $2 AS max_users
)
SELECT cometchat.continue_backfill(i.app_id, i.max_users::integer) AS queued FROM input AS i
