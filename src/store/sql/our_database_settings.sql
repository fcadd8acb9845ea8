-- The settings of ours that ALTER DATABASE ... SET gave this database.
-- A value may have an equals sign in it; a name has none.
SELECT split_part(c.entry, '=', 1) AS name, substr(c.entry, strpos(c.entry, '=') + 1) AS value
FROM pg_catalog.pg_database AS d
JOIN pg_catalog.pg_db_role_setting AS s ON s.setdatabase = d.oid AND s.setrole = 0,
     unnest(s.setconfig) AS c(entry)
WHERE d.datname = current_database() AND starts_with(c.entry, 'cometchat.')
