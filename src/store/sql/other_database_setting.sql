-- A row when this process has a setting of ours from the database besides the named ones: it was taken
-- back since the process connected.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS names
)
SELECT FROM pg_catalog.pg_settings AS g, input AS i
WHERE g.source = 'database' AND starts_with(g.name, 'cometchat.') AND g.name <> ALL (i.names)
