-- Privileges of clients and operators. After all objects, so that it finds every one.
--
-- SECURITY: on Supabase, default privileges grant every new object in public to anon, authenticated
-- and service_role by name, so revoking from PUBLIC is not enough: first every privilege is revoked from
-- every role but the owner, then the right ones are granted by name.

DO $block$
DECLARE
  objects record;
  operators text[] := ARRAY(SELECT rolname::text FROM pg_catalog.pg_roles
                            WHERE rolname IN ('postgres', 'service_role') AND NOT rolsuper);
BEGIN
  FOR objects IN
    SELECT kind, pg_catalog.string_agg(DISTINCT name, ', ') AS names, a.grantee
    FROM (
      SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind,
             oid::pg_catalog.regclass::text AS name, relowner AS owner,
             COALESCE(relacl, pg_catalog.acldefault(
               CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)) AS acl
      FROM pg_catalog.pg_class
      WHERE relkind IN ('r', 'v', 'S')
        AND (relnamespace = 'cometchat'::pg_catalog.regnamespace
             OR oid = ANY (ARRAY['public.cometchat_users',
                                 'public.cometchat_users_id_seq']::pg_catalog.regclass[]))
      UNION ALL
      SELECT 'ROUTINE', oid::pg_catalog.regprocedure::text, proowner,
             COALESCE(proacl, pg_catalog.acldefault('f', proowner))
      FROM pg_catalog.pg_proc
      WHERE pronamespace = 'cometchat'::pg_catalog.regnamespace
         OR (pronamespace = 'public'::pg_catalog.regnamespace
             AND proname IN ('cometchat_ensure_user', 'cometchat_refresh_token', 'cometchat_revoke_tokens'))
      UNION ALL
      SELECT 'SCHEMA', 'cometchat', nspowner, COALESCE(nspacl, pg_catalog.acldefault('n', nspowner))
      FROM pg_catalog.pg_namespace WHERE nspname = 'cometchat'
    ) AS ours, pg_catalog.aclexplode(ours.acl) AS a
    WHERE a.grantee <> ours.owner
    GROUP BY kind, a.grantee
  LOOP
    EXECUTE pg_catalog.format('REVOKE ALL ON %s %s FROM %s CASCADE', objects.kind, objects.names,
      CASE objects.grantee WHEN 0 THEN 'PUBLIC' ELSE objects.grantee::pg_catalog.regrole::text END);
  END LOOP;

  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'authenticated') THEN
    GRANT SELECT ON public.cometchat_users TO authenticated;
    GRANT EXECUTE ON FUNCTION public.cometchat_ensure_user(uuid, text, text),
      public.cometchat_refresh_token(uuid), public.cometchat_revoke_tokens(uuid) TO authenticated;
  END IF;

  IF operators <> '{}' THEN
    EXECUTE pg_catalog.replace($grants$
      -- Not TRIGGER: a trigger on this table would run with the rights of our definers.
      GRANT SELECT, INSERT, UPDATE, DELETE ON public.cometchat_users TO :operators;
      GRANT EXECUTE ON FUNCTION public.cometchat_ensure_user(uuid, text, text),
        public.cometchat_refresh_token(uuid), public.cometchat_revoke_tokens(uuid) TO :operators;
      GRANT USAGE ON SCHEMA cometchat TO :operators;
      GRANT SELECT ON cometchat.sync_state, cometchat.trigger_misses, cometchat.progress, cometchat.stats,
        cometchat.stats_requests, cometchat.stats_latency, cometchat.failed_users, cometchat.attempts,
        cometchat.control, cometchat.running_backfill, cometchat.reconcile_progress, cometchat.home,
        cometchat.trigger_failures TO :operators;
      GRANT EXECUTE ON FUNCTION cometchat.enqueue(uuid, jsonb), cometchat.backfill(), cometchat.retry_failed(uuid),
        cometchat.explain_user(uuid), cometchat.worker_status(), cometchat.request_stats(), cometchat.is_copy(),
        cometchat.has_pending(), cometchat.wake(), cometchat.enable_auth_trigger(),
        cometchat.disable_auth_trigger(), cometchat.enqueue_row(), cometchat.claim_batch(integer),
        cometchat.send_batch(), cometchat.finish_batch(), cometchat.clear_warnings(), cometchat.health(),
        cometchat.reconcile(boolean) TO :operators;
      GRANT EXECUTE ON PROCEDURE cometchat.process_queue(integer), cometchat.wait_until_synced(interval) TO :operators
    $grants$, ':operators', pg_catalog.array_to_string(operators, ', '));
  END IF;
  -- What a monitoring system reads: numbers, no user.
  GRANT USAGE ON SCHEMA cometchat TO pg_monitor;
  GRANT SELECT ON cometchat.progress, cometchat.stats, cometchat.stats_requests, cometchat.stats_latency,
    cometchat.home TO pg_monitor;
  GRANT EXECUTE ON FUNCTION cometchat.worker_status(), cometchat.request_stats(), cometchat.is_copy() TO pg_monitor;
  IF 'postgres' = ANY (operators) THEN
    GRANT EXECUTE ON FUNCTION cometchat.pause(), cometchat.resume(), cometchat.reset_stats(),
      cometchat.drop_foreign_key() TO postgres;
    -- pg_restore sets it; behind the ids that are restored, new users would fail.
    GRANT UPDATE ON SEQUENCE public.cometchat_users_id_seq TO postgres;
  END IF;
END
$block$;
