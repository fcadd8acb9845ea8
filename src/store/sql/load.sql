-- What our own tables say of users: one row for each, whether anything is known or not.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS user_ids
)
SELECT q.user_id,
       u.cometchat_uid AS mapped_uid,
       u.cometchat_auth_token AS token,
       s.user_id IS NOT NULL AS has_state,
       -- as text: who wrote it past enqueue() may have written what Rust does not take for JSON
       CASE WHEN pg_column_size(s.overrides) <= 100000 THEN s.overrides::text
            WHEN s.overrides IS NOT NULL THEN 'too long' END AS overrides,
       s.name_argument, s.name_argument_base, s.email_argument, s.email_argument_base,
       s.app_id, s.cometchat_uid, s.sent_profile, s.sent_metadata, s.sent_fields, s.deactivated,
       s.revoke_pending, s.requested, s.claim, s.wanted_revision, s.outcomes,
       s.attempts,
       -- infinity is the mark of the claim that is under way: what was stored before is certain
       CASE WHEN s.unsettled_until = '-infinity' THEN -1
            WHEN isfinite(s.unsettled_until)
            THEN GREATEST(ceil(extract(epoch FROM s.unsettled_until - now()) * 1000), 0)::bigint
       END AS unsettled_ms
FROM input AS i
CROSS JOIN unnest(i.user_ids) AS q(user_id)
LEFT JOIN public.cometchat_users AS u ON u.user_id = q.user_id
LEFT JOIN cometchat.sync_state AS s ON s.user_id = q.user_id
