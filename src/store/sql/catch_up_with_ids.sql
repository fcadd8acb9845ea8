-- Moves the sequence of the mapping's ids behind the highest of them. Logical replication, or an import, brings rows
-- and not the sequence: every new user would meet an id that is taken.
SELECT setval(s.id, m.id) AS moved_to
FROM (SELECT pg_get_serial_sequence('public.cometchat_users', 'id')::regclass AS id) AS s,
     (SELECT max(u.id) AS id FROM public.cometchat_users AS u) AS m
WHERE m.id > COALESCE(pg_sequence_last_value(s.id), 0)
