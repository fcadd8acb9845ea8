-- auth.users for the hosted edition: read, compared, and tied to us with the rights of the installing role.

CREATE FUNCTION cometchat.list_auth_users(after uuid, max_users integer)
RETURNS TABLE (user_id uuid, suspended boolean, automatic boolean)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
  RETURN QUERY
    SELECT au.id, au.deleted_at IS NOT NULL OR COALESCE(au.banned_until > now(), false),
           (NOT COALESCE(au.is_anonymous, false) OR cometchat.setting('sync_anonymous')::boolean)
           AND (num_nonnulls(au.email_confirmed_at, au.phone_confirmed_at) > 0
                OR cometchat.setting('sync_unconfirmed')::boolean)
    FROM auth.users AS au WHERE list_auth_users.after IS NULL OR au.id > list_auth_users.after
    ORDER BY au.id LIMIT list_auth_users.max_users;
END
$function$;
COMMENT ON FUNCTION cometchat.list_auth_users(uuid, integer) IS
  'The next users of auth.users by id: whether they are banned or deleted, and whether the settings '
  'let them be synced without being asked for.';

CREATE FUNCTION cometchat.check_auth_users() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
  PERFORM cometchat.list_auth_users(NULL, 1);
END
$function$;
COMMENT ON FUNCTION cometchat.check_auth_users() IS 'Raises an error if auth.users cannot be read.';

CREATE FUNCTION cometchat.create_foreign_key() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_constraint AS c
                 WHERE c.conrelid = 'public.cometchat_users'::regclass AND c.contype = 'f') THEN
    ALTER TABLE public.cometchat_users ADD CONSTRAINT cometchat_users_user_id_fkey
      FOREIGN KEY (user_id) REFERENCES auth.users (id) ON DELETE CASCADE;
  END IF;
END
$function$;
COMMENT ON FUNCTION cometchat.create_foreign_key() IS
  'Adds the foreign key from cometchat_users to auth.users, unless it exists.';

CREATE FUNCTION cometchat.remove_foreign_key() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
  ALTER TABLE public.cometchat_users DROP CONSTRAINT IF EXISTS cometchat_users_user_id_fkey;
END
$function$;
COMMENT ON FUNCTION cometchat.remove_foreign_key() IS
  'Drops the foreign key from cometchat_users to auth.users, if it exists.';

-- OR REPLACE: the installing role may create triggers on auth.users, and owns it not.
CREATE FUNCTION cometchat.create_auth_triggers() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
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

CREATE FUNCTION cometchat.drop_auth_triggers() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
  name text;
BEGIN
  FOR name IN SELECT t.tgname FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
              WHERE t.tgrelid = cometchat.auth_users_oid() AND NOT t.tgisinternal
                AND p.pronamespace = 'cometchat'::regnamespace LOOP
    EXECUTE format('DROP TRIGGER %I ON auth.users', name);
  END LOOP;
END
$function$;
COMMENT ON FUNCTION cometchat.drop_auth_triggers() IS 'Drops our triggers on auth.users.';

-- Every column that is sent, or says whether to send. The others are those of a login.
CREATE FUNCTION cometchat.auth_user_differs(old record, new record) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
  RETURN (old.id, old.email, old.phone, old.raw_user_meta_data, old.banned_until, old.deleted_at,
          old.email_confirmed_at, old.phone_confirmed_at, old.is_anonymous)
    IS DISTINCT FROM
         (new.id, new.email, new.phone, new.raw_user_meta_data, new.banned_until, new.deleted_at,
          new.email_confirmed_at, new.phone_confirmed_at, new.is_anonymous);
END
$function$;
COMMENT ON FUNCTION cometchat.auth_user_differs(record, record) IS
  'Whether two versions of a row of auth.users differ in a column that matters.';

CREATE FUNCTION cometchat.diff_auth_users(from_id uuid, max_users integer, repair boolean) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
  app record := cometchat.app_id();
  s cometchat.sync_state;
  w cometchat.work;
  who uuid;
  what text;
  seen integer := 0;
  found_users jsonb := '[]';
BEGIN
  IF app.failure IS NOT NULL THEN
    RETURN app.failure;
  END IF;
  FOR who IN SELECT p.user_id
             FROM (SELECT x.user_id FROM cometchat.sync_state AS x WHERE x.user_id >= from_id
                   UNION SELECT u.user_id FROM public.cometchat_users AS u WHERE u.user_id >= from_id) AS p
             ORDER BY p.user_id LIMIT max_users LOOP
    seen := seen + 1;
    s := NULL;
    SELECT * INTO s FROM cometchat.sync_state AS x WHERE x.user_id = who;
    CONTINUE WHEN s.claim IS NOT NULL
      OR s.failed_at IS NULL AND s.next_attempt_at <= now();
    w := cometchat.load(who, app.app_id);
    what := CASE
      WHEN w.status = 'gone' THEN CASE
        WHEN w.mapped OR num_nonnulls(s.overrides, s.name_argument, s.email_argument) > 0
             OR NOT (s.deactivated AND s.sent_profile IS NULL OR s.failed_at IS NOT NULL)
        THEN 'not in auth.users any more' END
      WHEN s.failed_at IS NOT NULL THEN NULL
      WHEN w.status = 'suspended' THEN CASE
        WHEN w.sent_profile IS NOT NULL OR w.mapped AND s.user_id IS NULL
          THEN 'banned or deleted in auth.users, not in CometChat'
        WHEN w.deactivated AND w.back_in_ms IS NOT NULL
             AND COALESCE(s.next_attempt_at > now() + (w.back_in_ms + 5000) * interval '1 ms', true)
          THEN 'the ban ends sooner than was known' END
      WHEN w.deactivated THEN 'deactivated in CometChat, not banned in auth.users any more'
      WHEN w.sent_profile IS NOT NULL AND NOT cometchat.is_current(w)
        THEN 'changed in auth.users, not sent' END;
    IF what IS NOT NULL THEN
      found_users := found_users || jsonb_build_object('user_id', who, 'cometchat_uid', w.uid,
        'kind', CASE w.status WHEN 'gone' THEN 'gone' ELSE 'drifted' END, 'detail', what);
      IF repair THEN
        PERFORM cometchat.mark_due(who, CASE WHEN w.status = 'gone' THEN w.uid END);
        IF w.status = 'gone' THEN
          DELETE FROM public.cometchat_users AS u WHERE u.user_id = who;
          UPDATE cometchat.sync_state AS x
          SET overrides = NULL, name_argument = NULL, name_argument_base = NULL,
              email_argument = NULL, email_argument_base = NULL, error_message = NULL
          WHERE x.user_id = who;
        END IF;
      END IF;
    END IF;
  END LOOP;
  RETURN jsonb_build_object('value', jsonb_build_object('seen', seen, 'found', found_users,
    'next', CASE WHEN seen >= max_users AND who <> 'ffffffff-ffff-ffff-ffff-ffffffffffff'
                 THEN cometchat.next_uuid(who) END));
END
$function$;
COMMENT ON FUNCTION cometchat.diff_auth_users(uuid, integer, boolean) IS
  'Compares the sync state of so many users, from an id on, with auth.users: who was changed, banned or '
  'deleted without the trigger having seen it. With repair they are queued.';

-- The id after this one, as bytes.
CREATE FUNCTION cometchat.next_uuid(id uuid) RETURNS uuid
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
  bytes bytea := uuid_send(id);
  i integer := 15;
BEGIN
  WHILE i >= 0 LOOP
    IF get_byte(bytes, i) < 255 THEN
      RETURN encode(set_byte(bytes, i, get_byte(bytes, i) + 1), 'hex')::uuid;
    END IF;
    bytes := set_byte(bytes, i, 0);
    i := i - 1;
  END LOOP;
  RETURN NULL;
END
$function$;
COMMENT ON FUNCTION cometchat.next_uuid(uuid) IS 'The next id in the order of their bytes.';
