-- This database: its name, what ALTER DATABASE ... SET says about it, and the extension's version, null when it is
-- not there.
SELECT d.datname::text AS name, d.datistemplate AS is_template,
  COALESCE(array_to_string(s.setconfig, chr(10)), '') AS settings,
  (SELECT e.extversion::text FROM pg_catalog.pg_extension AS e WHERE e.extname = 'cometchat_ext') AS version
FROM pg_catalog.pg_database AS d
LEFT JOIN pg_catalog.pg_db_role_setting AS s ON s.setdatabase = d.oid AND s.setrole = 0
WHERE d.datname = current_database()
