-- The command that lets our role reach its own table in the schema public.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS our_role
)
SELECT format('GRANT USAGE ON SCHEMA public TO %I', r.rolname) AS command
FROM pg_catalog.pg_roles AS r, input AS i WHERE r.oid = i.our_role
