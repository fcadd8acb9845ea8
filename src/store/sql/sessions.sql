-- The processes that are connected, and since when.
-- With the server's own rights: no other role sees when its sessions began.
SELECT a.pid, a.backend_start
FROM pg_catalog.pg_stat_get_activity(NULL) AS a
WHERE a.backend_start IS NOT NULL
