-- What our role lacks to add the foreign key: commands that give it and take it back, and the role that
-- runs them (of the schema; the others are those of the owner of auth.users).
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS our_role
)
SELECT g.on_schema,
       format('GRANT %s TO %I', g.what, r.rolname) AS grant_command,
       format('REVOKE %s FROM %I', g.what, r.rolname) AS revoke_command
FROM input AS i
JOIN pg_catalog.pg_roles AS r ON r.oid = i.our_role,
     LATERAL (VALUES
       (true, 'USAGE ON SCHEMA auth', has_schema_privilege(r.oid, 'auth', 'USAGE')),
       (false, 'REFERENCES ON auth.users',
        has_table_privilege(r.oid, to_regclass('auth.users'), 'REFERENCES'))
     ) AS g(on_schema, what, has)
WHERE NOT g.has
