-- The role that owns a schema.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS name
)
SELECT n.nspowner::bigint AS owner
FROM pg_catalog.pg_namespace AS n, input AS i WHERE n.nspname = i.name
