-- The commands that create one of our triggers on auth.users; it goes with the extension.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS name, $2 AS event, $3 AS level, $4 AS function, $5 AS fires_always
)
SELECT c.command
FROM input AS i,
     LATERAL (VALUES
       (1, true, format('CREATE TRIGGER %I %s ON auth.users FOR EACH %s EXECUTE FUNCTION cometchat.%I()',
                        i.name, i.event, i.level, i.function)),
       (2, true, format('ALTER TRIGGER %I ON auth.users DEPENDS ON EXTENSION cometchat_ext', i.name)),
       (3, i.fires_always, format('ALTER TABLE auth.users ENABLE ALWAYS TRIGGER %I', i.name))
     ) AS c(step, is_wanted, command)
WHERE c.is_wanted
ORDER BY c.step
