-- Which of our triggers are on auth.users, whether they fire always, and the command that drops them.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS names
)
SELECT t.tgname::text AS name, t.tgenabled = 'A' AS fires_always,
       format('DROP TRIGGER %I ON auth.users', t.tgname) AS drop_command
FROM pg_catalog.pg_trigger AS t, input AS i
WHERE t.tgrelid = to_regclass('auth.users') AND t.tgname = ANY (i.names)
