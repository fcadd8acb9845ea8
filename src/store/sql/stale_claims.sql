-- Claims of an earlier worker, or of a session that is gone.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS claim, $2 AS pids, $3 AS backend_starts
)
SELECT s.user_id, s.claim
FROM cometchat.sync_state AS s, input AS i
WHERE s.claim IS NOT NULL AND s.claim <> i.claim
  -- A session's claim is negative, and its inverted upper half is the session's process
  -- (claim_number.rs). A process of the same number that began later is another.
  AND NOT (s.claim < 0 AND EXISTS (
    SELECT FROM unnest(i.pids, i.backend_starts) AS a(pid, backend_start)
    WHERE a.pid = ((~s.claim) >> 32)::integer AND a.backend_start <= s.claimed_at))
