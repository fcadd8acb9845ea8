-- What is to be done, without writing: an idle worker takes no transaction id.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS claim, $2 AS abandoned_after_ms
)
SELECT due.people AS due_in_ms, due.backlog AS backlog_due_in_ms,
       EXISTS (SELECT FROM cometchat.trigger_misses) AS has_missed,
       -- as in abandoned_claims.sql
       EXISTS (SELECT FROM cometchat.sync_state AS s, input AS i
               WHERE s.claim IS NOT NULL AND s.claim <> i.claim
                 AND s.claimed_at < now() - i.abandoned_after_ms * interval '1 ms') AS has_abandoned,
       EXISTS (SELECT FROM cometchat.running_backfill AS b WHERE b.only_row) AS has_backfill
FROM (SELECT max(ms.due) FILTER (WHERE NOT ms.backlog) AS people,
             max(ms.due) FILTER (WHERE ms.backlog) AS backlog
      FROM (SELECT n.backlog, CASE WHEN n.at <= now() THEN 0
                                   WHEN n.at < now() + interval '1 hour'
                                   THEN ceil(extract(epoch FROM n.at - clock_timestamp()) * 1000)
                                   ELSE 3600000 -- infinity, say, is no number
                              END::bigint AS due
            FROM (SELECT false AS backlog,
                         (SELECT s.next_attempt_at FROM cometchat.sync_state AS s
                          WHERE s.next_attempt_at IS NOT NULL AND s.claim IS NULL AND NOT s.backlog
                          ORDER BY s.next_attempt_at LIMIT 1) AS at
                  UNION ALL
                  SELECT true,
                         (SELECT s.next_attempt_at FROM cometchat.sync_state AS s
                          WHERE s.next_attempt_at IS NOT NULL AND s.claim IS NULL AND s.backlog
                          ORDER BY s.next_attempt_at LIMIT 1)) AS n
            WHERE n.at IS NOT NULL) AS ms) AS due
