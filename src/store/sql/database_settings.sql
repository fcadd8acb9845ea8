-- What ALTER DATABASE ... SET says about this database, to be compared as a whole.
SELECT COALESCE(array_to_string(s.setconfig, chr(10)), '') AS settings
FROM pg_catalog.pg_database AS d
LEFT JOIN pg_catalog.pg_db_role_setting AS s ON s.setdatabase = d.oid AND s.setrole = 0
WHERE d.datname = current_database()
