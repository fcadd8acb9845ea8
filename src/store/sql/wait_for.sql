-- Waits until no other transaction is writing the user's state, also where there is no row that can be
-- seen: an insertion waits for another of the same user.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS user_id
)
INSERT INTO cometchat.sync_state AS s (user_id)
SELECT i.user_id FROM input AS i
ON CONFLICT (user_id) DO UPDATE SET user_id = s.user_id WHERE false
