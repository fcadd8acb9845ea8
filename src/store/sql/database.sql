-- This database.
SELECT d.datname::text AS name, d.datistemplate AS is_template
FROM pg_catalog.pg_database AS d WHERE d.datname = current_database()
