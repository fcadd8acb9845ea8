-- Remembers that all users were compared with auth.users, and how many of them are gone.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS gone
)
UPDATE cometchat.control AS c SET compared_at = now(), gone_unsent = i.gone
FROM input AS i WHERE c.only_row
