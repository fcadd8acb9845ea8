-- Leaves a user whose call failed to the worker. A revocation asks for no account, and gives no arguments.
--
-- Calls work between a restart with a new library and ALTER EXTENSION UPDATE: 0.1 lacks two columns.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS user_id, $2 AS name_argument, $3 AS name_argument_base, $4 AS email_argument,
         $5 AS email_argument_base, $6 AS delay_ms, $7 AS code, $8 AS revoke
)
INSERT INTO cometchat.sync_state AS s
  (user_id, name_argument, name_argument_base, email_argument, email_argument_base, requested,
   revoke_pending, wanted_revision, next_attempt_at, attempts, error_code
   , recent_attempts -- before 0.2: --
  )
SELECT i.user_id, i.name_argument, i.name_argument_base, i.email_argument, i.email_argument_base,
       NOT i.revoke, i.revoke, 1, now() + i.delay_ms * interval '1 ms', 1, i.code
       -- as in complete.sql
       , jsonb_build_array(jsonb_build_array(extract(epoch FROM now()), i.code, NULL, NULL)) -- before 0.2: --
FROM input AS i
ON CONFLICT (user_id) DO UPDATE
SET (name_argument, name_argument_base, email_argument, email_argument_base) = (
      SELECT EXCLUDED.name_argument, EXCLUDED.name_argument_base,
             EXCLUDED.email_argument, EXCLUDED.email_argument_base
      WHERE EXCLUDED.requested
      UNION ALL
      SELECT s.name_argument, s.name_argument_base, s.email_argument, s.email_argument_base
      WHERE NOT EXCLUDED.requested),
    requested = s.requested OR EXCLUDED.requested,
    revoke_pending = s.revoke_pending OR EXCLUDED.revoke_pending,
    wanted_revision = s.wanted_revision + 1,
    -- not later than it was: other work may be pending
    next_attempt_at = LEAST(s.next_attempt_at, EXCLUDED.next_attempt_at),
    attempts = GREATEST(s.attempts, 1), -- this call was one
    failed_at = NULL, error_code = EXCLUDED.error_code
    , backlog = false -- before 0.2: --
    , recent_attempts = EXCLUDED.recent_attempts || COALESCE(s.recent_attempts - 4, '[]') -- before 0.2: --
