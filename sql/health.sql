-- cometchat.health(): one row for each check. The checks themselves are in sql/health/, by topic.

CREATE FUNCTION cometchat.health()
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  conf jsonb := cometchat.configuration();
  status jsonb := cometchat.worker_status();
  answer jsonb;
  table_owner text;
BEGIN
  SELECT pg_catalog.pg_get_userbyid(c.relowner) INTO table_owner
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  WHERE n.nspname = 'public' AND c.relname = 'cometchat_users';
  IF table_owner IS DISTINCT FROM 'cometchat_ext' THEN
    -- Nothing works then, the other checks included.
    check_name := 'table owner';
    ok := false;
    detail := COALESCE('public.cometchat_users belongs to ' || table_owner,
                       'public.cometchat_users does not exist');
    hint := CASE WHEN table_owner IS NOT NULL
                 THEN 'ALTER TABLE public.cometchat_users OWNER TO cometchat_ext;'
                 ELSE 'Rename the table, or its schema, back to this name.' END;
    RETURN NEXT;
    RETURN;
  END IF;
  PERFORM cometchat.switch_role();
  -- The only request; nothing is sent after restrict().
  answer := CASE WHEN conf ? 'error' THEN conf ELSE cometchat.list_remote_users(1, 1) END;
  PERFORM cometchat.restrict();

  RETURN QUERY SELECT c.* FROM cometchat.health_api(conf, answer) AS c;
  RETURN QUERY SELECT c.* FROM cometchat.health_worker(status) AS c;
  RETURN QUERY SELECT c.* FROM cometchat.health_process_queue(status) AS c;
  RETURN QUERY SELECT c.* FROM cometchat.health_sending(status) AS c;
  RETURN QUERY SELECT c.* FROM cometchat.health_auth_trigger() AS c;
  RETURN QUERY SELECT c.* FROM cometchat.health_auth_users() AS c;
  RETURN QUERY SELECT c.* FROM cometchat.health_foreign_key() AS c;
  RETURN QUERY SELECT c.* FROM cometchat.health_queue() AS c;
  RETURN QUERY SELECT c.* FROM cometchat.health_extension(status) AS c;
END
$function$;
COMMENT ON FUNCTION cometchat.health() IS
  'One row for each check; each failing row says the fix. Sends one request to CometChat.';
