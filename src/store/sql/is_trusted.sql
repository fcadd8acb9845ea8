-- Whether a role may ask for any user: a superuser, the extension's owner, or a role that was granted
-- cometchat.enqueue(uuid, jsonb).
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS role
)
SELECT COALESCE((SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.oid = i.role), false)
       OR EXISTS (SELECT FROM pg_catalog.pg_extension AS e
                  WHERE e.extname = 'cometchat_ext' AND e.extowner = i.role)
       OR pg_catalog.has_function_privilege(i.role, 'cometchat.enqueue(uuid, jsonb)', 'EXECUTE')
       AS is_trusted
FROM input AS i
