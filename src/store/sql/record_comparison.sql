-- Remembers that all users were compared with auth.users, and how many of them are gone.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS gone
)
UPDATE cometchat.control AS c SET last_compared_at = now(), missed_deletions = i.gone
FROM input AS i WHERE c.only_row
