-- What is to be done, without writing: an idle worker takes no transaction id.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS claim, $2 AS abandoned_after_ms
)
SELECT (SELECT CASE WHEN s.next_attempt_at <= now() THEN 0
                    WHEN s.next_attempt_at < now() + interval '1 hour'
                    THEN ceil(extract(epoch FROM s.next_attempt_at - clock_timestamp()) * 1000)
                    ELSE 3600000 -- infinity, say, is no number
               END::bigint
        FROM cometchat.sync_state AS s
        WHERE s.next_attempt_at IS NOT NULL AND s.claim IS NULL
        ORDER BY s.next_attempt_at LIMIT 1) AS due_in_ms,
       EXISTS (SELECT FROM cometchat.trigger_misses) AS has_missed,
       -- as in abandoned_claims.sql
       EXISTS (SELECT FROM cometchat.sync_state AS s, input AS i
               WHERE s.claim IS NOT NULL AND s.claim <> i.claim
                 AND s.claimed_at < now() - i.abandoned_after_ms * interval '1 ms') AS has_abandoned
