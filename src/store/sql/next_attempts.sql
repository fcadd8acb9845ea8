-- What the state says of these users' next attempts.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS user_ids
)
SELECT q.user_id,
       s.claim IS NULL AND s.failed_at IS NULL
         AND (s.next_attempt_at IS NULL
              -- A banned user is due when the ban ends, which is no work that is pending.
              OR (s.next_attempt_at > now() AND s.wanted_revision = s.synced_revision)) AS settled,
       s.failed_at IS NOT NULL AS failed,
       CASE WHEN isfinite(s.next_attempt_at)
            THEN ceil(extract(epoch FROM s.next_attempt_at - now()) * 1000)::bigint END AS due_in_ms
FROM input AS i
CROSS JOIN unnest(i.user_ids) AS q(user_id)
LEFT JOIN cometchat.sync_state AS s ON s.user_id = q.user_id
