-- The tables whose rows pg_dump saves. It leaves out those of an extension unless told otherwise.
--
-- Not cometchat.control and the counter: a restored database starts without them.

SELECT pg_catalog.pg_extension_config_dump('public.cometchat_users', '');
SELECT pg_catalog.pg_extension_config_dump('public.cometchat_users_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('cometchat.sync_state', '');
SELECT pg_catalog.pg_extension_config_dump('cometchat.trigger_misses', '');
SELECT pg_catalog.pg_extension_config_dump('cometchat.running_backfill', '');
SELECT pg_catalog.pg_extension_config_dump('cometchat.home', '');
