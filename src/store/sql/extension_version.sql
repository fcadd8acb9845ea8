-- The version of the extension in this database; no row when it is not there.
SELECT e.extversion::text AS version
FROM pg_catalog.pg_extension AS e WHERE e.extname = 'cometchat_ext'
