-- Takes claims away from processes that are gone. The users are due as they were.
WITH input AS MATERIALIZED (
  SELECT unnest($1) AS user_id, unnest($2) AS claim, $3 AS in_flight_ms
), freed AS MATERIALIZED (
  SELECT s.user_id, i.in_flight_ms
  FROM input AS i
  -- Only while it is still that claim.
  JOIN cometchat.sync_state AS s
    ON s.user_id = i.user_id
    AND s.claim IS NOT DISTINCT FROM i.claim -- as in complete.sql
  -- An edit in a long transaction must not hold up the others.
  FOR UPDATE OF s SKIP LOCKED
)
UPDATE cometchat.sync_state AS s
SET claim = NULL, claimed_at = NULL,
    -- A request of the process that is gone may still have an effect until then.
    unsettled_until = now() + f.in_flight_ms * interval '1 ms'
FROM freed AS f WHERE s.user_id = f.user_id
