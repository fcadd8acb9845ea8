-- Claims users that are due, the longest due first; the backlog only where people leave room.
--
-- Measured (benches, "Claiming 64 users"): what it costs does not depend on how many wait or failed, since
-- the partial indexes sync_state_due and sync_state_backlog have the former in this order, and not the
-- latter.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS max_users, $2 AS max_backlog, $3 AS claim, $4 AS max_import
), people AS MATERIALIZED (
  SELECT s.user_id FROM cometchat.sync_state AS s
  WHERE s.next_attempt_at <= now() AND s.claim IS NULL AND NOT s.backlog
  ORDER BY s.next_attempt_at LIMIT (SELECT i.max_users FROM input AS i)
  FOR UPDATE SKIP LOCKED
), import AS MATERIALIZED (
  -- Who may be created together with others: CometChat was never asked about them.
  SELECT s.user_id FROM cometchat.sync_state AS s
  WHERE s.next_attempt_at <= now() AND s.claim IS NULL AND s.backlog
    AND s.unsettled_until = '-infinity'
  ORDER BY s.next_attempt_at LIMIT (SELECT i.max_import FROM input AS i)
  FOR UPDATE SKIP LOCKED
), backlog AS MATERIALIZED (
  SELECT s.user_id FROM cometchat.sync_state AS s
  WHERE s.next_attempt_at <= now() AND s.claim IS NULL AND s.backlog
    AND s.user_id <> ALL (ARRAY(SELECT m.user_id FROM import AS m))
  ORDER BY s.next_attempt_at
  LIMIT (SELECT LEAST(i.max_backlog, i.max_users - (SELECT count(*) FROM people)) FROM input AS i)
  FOR UPDATE SKIP LOCKED
), claimed AS (
  UPDATE cometchat.sync_state AS s
  SET claim = i.claim, claimed_at = now(),
      -- From now on what is stored is in doubt, until an outcome is written: the process that claims the
      -- user after a crash knows that requests may have been sent.
      unsettled_until = COALESCE(s.unsettled_until, 'infinity')
  FROM input AS i
  -- No join: of a long queue the planner expects so many that it reads the whole index.
  WHERE s.user_id = ANY (ARRAY(SELECT p.user_id FROM people AS p
                               UNION ALL SELECT m.user_id FROM import AS m
                               UNION ALL SELECT b.user_id FROM backlog AS b))
  RETURNING s.user_id, s.backlog, s.next_attempt_at
)
SELECT c.user_id, c.backlog, c.user_id = ANY (ARRAY(SELECT m.user_id FROM import AS m)) AS import
FROM claimed AS c ORDER BY c.backlog, c.next_attempt_at, c.user_id
