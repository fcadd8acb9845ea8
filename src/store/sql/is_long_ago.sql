-- Whether a time is more than a day ago, or before the server started; null is long ago, and so is a time of before
-- the clock was set back.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS last_compared_at
)
SELECT COALESCE(i.last_compared_at < now() - interval '1 day'
                OR i.last_compared_at < pg_postmaster_start_time()
                OR i.last_compared_at > now() + interval '1 minute', true) AS is_long_ago
FROM input AS i
