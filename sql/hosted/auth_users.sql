-- auth.users: read, compared, and tied to us with the rights of the role that runs the file, which may read it
-- and create triggers on it, and does not own it.

-- The id after this one, as bytes; null after the last.
CREATE FUNCTION cometchat.next_uuid(id uuid) RETURNS uuid
LANGUAGE plpgsql IMMUTABLE
AS $function$
DECLARE
  bytes bytea := uuid_send(id);
BEGIN
  FOR i IN REVERSE 15..0 LOOP
    IF get_byte(bytes, i) < 255 THEN
      RETURN encode(set_byte(bytes, i, get_byte(bytes, i) + 1), 'hex')::uuid;
    END IF;
    bytes := set_byte(bytes, i, 0);
  END LOOP;
  RETURN NULL;
END
$function$;
COMMENT ON FUNCTION cometchat.next_uuid(uuid) IS 'The next id in the order of their bytes.';

CREATE FUNCTION cometchat.list_auth_users(after uuid, max_users integer)
RETURNS TABLE (user_id uuid, suspended boolean, automatic boolean)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  from_id uuid := CASE WHEN after IS NULL THEN '00000000-0000-0000-0000-000000000000'
                       ELSE cometchat.next_uuid(after) END;
BEGIN
  IF from_id IS NOT NULL THEN
    RETURN QUERY
      SELECT p.user_id, p.suspended,
             (NOT COALESCE(p.anonymous, false) OR cometchat.setting('sync_anonymous') = 'on')
             AND (p.confirmed OR cometchat.setting('sync_unconfirmed') = 'on')
      FROM cometchat.statement_auth_users_page(from_id, max_users) AS p;
  END IF;
END
$function$;
COMMENT ON FUNCTION cometchat.list_auth_users(uuid, integer) IS
  'The next users of auth.users by id: whether they are banned or deleted, and whether the settings '
  'let them be synced without being asked for.';

CREATE FUNCTION cometchat.check_auth_users() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  PERFORM FROM cometchat.list_auth_users(NULL, 1);
END
$function$;
COMMENT ON FUNCTION cometchat.check_auth_users() IS 'Raises an error if auth.users cannot be read.';

CREATE FUNCTION cometchat.create_foreign_key() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_constraint AS c WHERE c.conrelid = 'public.cometchat_users'::regclass
                   AND c.confrelid = 'auth.users'::regclass AND c.contype = 'f') THEN
    ALTER TABLE public.cometchat_users ADD CONSTRAINT cometchat_users_user_id_fkey
      FOREIGN KEY (user_id) REFERENCES auth.users (id) ON DELETE CASCADE;
  END IF;
END
$function$;
COMMENT ON FUNCTION cometchat.create_foreign_key() IS
  'Adds the foreign key from cometchat_users to auth.users, unless it exists.';

CREATE FUNCTION cometchat.remove_foreign_key() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  ALTER TABLE public.cometchat_users DROP CONSTRAINT IF EXISTS cometchat_users_user_id_fkey;
END
$function$;
COMMENT ON FUNCTION cometchat.remove_foreign_key() IS
  'Drops the foreign key from cometchat_users to auth.users, if it exists.';

CREATE FUNCTION cometchat.create_auth_triggers() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
BEGIN
  CREATE OR REPLACE TRIGGER cometchat_insert AFTER INSERT ON auth.users
    FOR EACH ROW EXECUTE FUNCTION cometchat.on_auth_user_insert();
  CREATE OR REPLACE TRIGGER cometchat_update AFTER UPDATE ON auth.users
    FOR EACH ROW EXECUTE FUNCTION cometchat.on_auth_user_update();
  CREATE OR REPLACE TRIGGER cometchat_before_delete BEFORE DELETE ON auth.users
    FOR EACH ROW EXECUTE FUNCTION cometchat.on_auth_user_before_delete();
  CREATE OR REPLACE TRIGGER cometchat_after_delete AFTER DELETE ON auth.users
    FOR EACH ROW EXECUTE FUNCTION cometchat.on_auth_user_after_delete();
  CREATE OR REPLACE TRIGGER cometchat_truncate BEFORE TRUNCATE ON auth.users
    FOR EACH STATEMENT EXECUTE FUNCTION cometchat.on_truncate();
END
$function$;
COMMENT ON FUNCTION cometchat.create_auth_triggers() IS
  'Creates the triggers on auth.users, replacing those that exist.';

-- DROP TRIGGER is for the table's owner. Ours is the function: with it the triggers go, and it is made again.
CREATE FUNCTION cometchat.drop_auth_triggers() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  f record;
  grantee text;
BEGIN
  FOR f IN SELECT p.oid::regprocedure::text AS name, pg_get_functiondef(p.oid) AS definition,
                  obj_description(p.oid, 'pg_proc') AS comment
           FROM pg_proc AS p
           WHERE p.pronamespace = 'cometchat'::regnamespace AND p.oid IN (
             SELECT t.tgfoid FROM pg_trigger AS t
             WHERE t.tgrelid = cometchat.auth_users_oid() AND NOT t.tgisinternal) LOOP
    EXECUTE format('DROP FUNCTION %s CASCADE', f.name);
    EXECUTE f.definition;
    EXECUTE format('COMMENT ON FUNCTION %s IS %L', f.name, f.comment);
    -- SECURITY: as in grants.sql: default privileges, or an app's event trigger, give a new function to clients by name.
    FOR grantee IN SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
                   FROM pg_proc AS p, aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) AS a
                   WHERE p.oid = f.name::regprocedure AND a.grantee <> p.proowner LOOP
      EXECUTE format('REVOKE ALL ON FUNCTION %s FROM %s', f.name, grantee);
    END LOOP;
  END LOOP;
  -- It has the same function as one on auth.users.
  CREATE OR REPLACE TRIGGER cometchat_truncate BEFORE TRUNCATE ON public.cometchat_users
    FOR EACH STATEMENT EXECUTE FUNCTION cometchat.on_truncate();
END
$function$;
COMMENT ON FUNCTION cometchat.drop_auth_triggers() IS 'Drops our triggers on auth.users.';

-- Every column that is sent, or says whether to send. One that auth.users lacks is null in both; the others are
-- those of a login.
--
-- SECURITY: no SET clause, which would cost as much as all the rest at every login: only operators and
-- functions of pg_catalog, by their full names.
CREATE FUNCTION cometchat.auth_user_differs(old record, new record) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
AS $function$
DECLARE
  columns constant pg_catalog.text[] := '{id,email,phone,raw_user_meta_data,banned_until,deleted_at,'
    'email_confirmed_at,phone_confirmed_at,is_anonymous}';
  was pg_catalog.jsonb := pg_catalog.to_jsonb(old);
  is_now pg_catalog.jsonb := pg_catalog.to_jsonb(new);
  name pg_catalog.text;
BEGIN
  FOREACH name IN ARRAY columns LOOP
    IF COALESCE(was OPERATOR(pg_catalog.->) name, 'null'::pg_catalog.jsonb) OPERATOR(pg_catalog.<>)
       COALESCE(is_now OPERATOR(pg_catalog.->) name, 'null'::pg_catalog.jsonb) THEN
      RETURN true;
    END IF;
  END LOOP;
  RETURN false;
END
$function$;
COMMENT ON FUNCTION cometchat.auth_user_differs(record, record) IS
  'Whether two versions of a row of auth.users differ in a column that matters.';

-- What the trigger has not seen of a user; null if nothing. The twin of src/store/unseen.rs.
CREATE FUNCTION cometchat.unseen_change(w cometchat.work, failed boolean, due_in_ms bigint) RETURNS text
LANGUAGE plpgsql STABLE
AS $function$
DECLARE
  s cometchat.sync_state;
BEGIN
  SELECT x.* INTO s FROM cometchat.sync_state AS x WHERE x.user_id = w.user_id;
  RETURN CASE
    WHEN w.status = 'gone' THEN CASE
      WHEN w.mapped OR num_nonnulls(s.overrides, s.name_argument, s.email_argument) > 0
           -- An attempt forgets what was sent, or could not even be written, and was about to deactivate. What failed
           -- is for retry_failed().
           OR NOT COALESCE((s.sent_profile IS NULL OR failed) AND s.deactivated OR s.sent_profile IS NULL AND failed, false)
        THEN 'not in auth.users any more' END
    -- Likewise.
    WHEN w.status = 'suspended' AND (w.sent_profile IS NOT NULL AND NOT (failed AND w.deactivated)
                                     OR w.stored_token IS NOT NULL AND NOT w.deactivated)
      THEN 'banned or deleted in auth.users, not in CometChat'
    WHEN failed OR w.status = 'unknown' THEN NULL
    WHEN w.status = 'suspended' THEN CASE
      WHEN w.mapped AND NOT w.has_state
        THEN 'banned or deleted in auth.users, not in CometChat'
      WHEN w.deactivated AND w.back_in_ms IS NOT NULL AND COALESCE(due_in_ms > w.back_in_ms + 5000, true)
        THEN 'the ban ends sooner than was known' END
    WHEN w.deactivated THEN 'deactivated in CometChat, not banned in auth.users any more'
    WHEN w.sent_profile IS NOT NULL AND NOT cometchat.is_current(w) THEN 'changed in auth.users, not sent' END;
END
$function$;
COMMENT ON FUNCTION cometchat.unseen_change(cometchat.work, boolean, bigint) IS
  'What of auth.users CometChat was not told about a user.';

CREATE FUNCTION cometchat.diff_auth_users(from_id uuid, max_users integer, repair boolean) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
SET plan_cache_mode = 'force_generic_plan'
AS $function$
DECLARE
  app record := cometchat.app_id();
  users uuid[];
  candidate record;
  w cometchat.work;
  what text;
  found_users jsonb := '[]';
  gone uuid[] := '{}';
  edited uuid[] := '{}';
  banned uuid[] := '{}';
BEGIN
  IF app.failure IS NOT NULL THEN
    RETURN app.failure;
  END IF;
  users := ARRAY(SELECT k.user_id FROM cometchat.statement_known_users(from_id, max_users) AS k);
  FOR candidate IN SELECT n.* FROM cometchat.statement_next_attempts(users) AS n
                   WHERE n.settled OR n.failed ORDER BY n.user_id LOOP
    w := cometchat.load(candidate.user_id, app.app_id);
    what := cometchat.unseen_change(w, candidate.failed, candidate.due_in_ms);
    CONTINUE WHEN what IS NULL;
    found_users := found_users || jsonb_build_object('user_id', w.user_id, 'cometchat_uid', w.uid,
      'kind', CASE w.status WHEN 'gone' THEN 'gone' ELSE 'drifted' END, 'detail', what);
    CASE what
      WHEN 'not in auth.users any more' THEN gone := gone || w.user_id;
      WHEN 'changed in auth.users, not sent' THEN edited := edited || w.user_id;
      ELSE banned := banned || w.user_id;
    END CASE;
  END LOOP;
  IF repair THEN
    PERFORM cometchat.statement_queue_changed(banned, false);
    PERFORM cometchat.statement_queue_changed(edited, true);
    PERFORM cometchat.statement_queue_deleted(gone);
    PERFORM cometchat.statement_wipe(gone);
  END IF;
  RETURN jsonb_build_object('value', jsonb_build_object('seen', cardinality(users), 'found', found_users,
    'next', CASE WHEN cardinality(users) >= max_users THEN cometchat.next_uuid(users[cardinality(users)]) END));
END
$function$;
COMMENT ON FUNCTION cometchat.diff_auth_users(uuid, integer, boolean) IS
  'Compares the sync state of so many users, from an id on, with auth.users: who was changed, banned or '
  'deleted without the trigger having seen it. With repair they are queued.';
