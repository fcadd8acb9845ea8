-- Whether the extension, created at that time by that process, may be part of a dump that is still coming
-- in.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS created_at, $2 AS creator_pid
)
-- (Further ahead than a minute: the clock was set back since.)
SELECT i.created_at BETWEEN now() - interval '5 minutes' AND now() + interval '1 minute' OR EXISTS (
         SELECT FROM pg_catalog.pg_stat_activity AS a
         WHERE a.datname = current_database()
           AND (a.pid = i.creator_pid OR a.application_name = 'pg_restore')) AS is_being_restored
FROM input AS i
