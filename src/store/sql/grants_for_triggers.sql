-- What the owner of auth.users lacks to create our triggers: commands that give it and take it back.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS owner, $2 AS functions
)
SELECT format('GRANT %s TO %I', g.what, r.rolname) AS grant_command,
       format('REVOKE %s FROM %I', g.what, r.rolname) AS revoke_command
FROM input AS i
JOIN pg_catalog.pg_roles AS r ON r.oid = i.owner,
     LATERAL (
       SELECT 'USAGE ON SCHEMA cometchat', has_schema_privilege(r.oid, 'cometchat', 'USAGE')
       UNION ALL
       SELECT format('EXECUTE ON FUNCTION cometchat.%I()', f.name),
              has_function_privilege(r.oid, format('cometchat.%I()', f.name), 'EXECUTE')
       FROM unnest(i.functions) AS f(name)
     ) AS g(what, has)
WHERE NOT g.has
