-- Settings: a table that only the owner writes (a session's own setting could be anybody's), and the Vault
-- for the key.

CREATE TABLE cometchat.settings (
  name  text PRIMARY KEY,
  value text NOT NULL,
  CONSTRAINT settings_value CHECK (CASE name
    WHEN 'app_id' THEN value ~ '^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$'
    WHEN 'region' THEN value ~ '^[a-z0-9]([a-z0-9-]{0,14}[a-z0-9])?$'
    WHEN 'api_base_url' THEN length(value) <= 512
    WHEN 'request_timeout' THEN value ~ '^([1-9][0-9]{0,4}ms|([1-9]|[1-5][0-9]|60)s)$'
    WHEN 'connect_timeout' THEN value ~ '^([1-9][0-9]{0,4}ms|([1-9]|[1-5][0-9]|60)s)$'
    WHEN 'user_rate_limit' THEN value ~ '^(-1|[0-9]{1,6})$'
    WHEN 'max_attempts' THEN value ~ '^[1-9][0-9]{0,2}$'
    WHEN 'on_delete' THEN value IN ('deactivate', 'delete', 'keep')
    WHEN 'sync_unconfirmed' THEN value IN ('on', 'off')
    WHEN 'sync_anonymous' THEN value IN ('on', 'off')
    WHEN 'display_name_fields' THEN length(value) <= 1000
    ELSE false END)
);
COMMENT ON TABLE cometchat.settings IS
  'What differs from the defaults. app_id and region may be Vault secrets instead; the key always is.';
COMMENT ON COLUMN cometchat.settings.name IS 'The setting, without the prefix cometchat.';
COMMENT ON COLUMN cometchat.settings.value IS 'Its value.';

CREATE FUNCTION cometchat.setting(name text) RETURNS text
LANGUAGE plpgsql STABLE
AS $function$
BEGIN
  RETURN COALESCE(
    (SELECT s.value FROM cometchat.settings AS s WHERE s.name = setting.name),
    CASE name WHEN 'request_timeout' THEN '5s' WHEN 'connect_timeout' THEN '2s'
      WHEN 'user_rate_limit' THEN '10' WHEN 'max_attempts' THEN '12' WHEN 'on_delete' THEN 'deactivate'
      WHEN 'sync_unconfirmed' THEN 'on' WHEN 'sync_anonymous' THEN 'off'
      WHEN 'display_name_fields'
        THEN 'display_name,full_name,name,user_name,preferred_username' END);
END
$function$;
COMMENT ON FUNCTION cometchat.setting(text) IS 'The value of a setting, or its default.';

-- A request whose answer was lost may be in flight for so long (crates/sync/src/policy.rs).
CREATE FUNCTION cometchat.in_flight_ms() RETURNS bigint
LANGUAGE plpgsql STABLE
AS $function$
BEGIN
  RETURN 2 * GREATEST(extract(epoch FROM cometchat.setting('request_timeout')::interval) * 1000, 1000);
END
$function$;
COMMENT ON FUNCTION cometchat.in_flight_ms() IS 'For how long a request whose answer was lost may be in flight.';

CREATE FUNCTION cometchat.vault_secret(name text) RETURNS text
LANGUAGE plpgsql STABLE
AS $function$
DECLARE
  secret text;
BEGIN
  -- SECURITY: only a view of a superuser's.
  IF EXISTS (SELECT FROM pg_class AS c JOIN pg_roles AS r ON r.oid = c.relowner
             JOIN pg_namespace AS n ON n.oid = c.relnamespace
             WHERE n.nspname = 'vault' AND c.relname = 'decrypted_secrets' AND r.rolsuper) THEN
    SELECT v.decrypted_secret INTO secret FROM vault.decrypted_secrets AS v
    WHERE v.name = 'cometchat_' || vault_secret.name;
  END IF;
  RETURN NULLIF(secret, '');
END
$function$;
COMMENT ON FUNCTION cometchat.vault_secret(text) IS 'The Vault secret cometchat_NAME.';

-- SECURITY: read inside the statement that sends it, and never a variable there, so that no log of statements
-- with their parameters shows it.
CREATE FUNCTION cometchat.api_key() RETURNS text
LANGUAGE plpgsql STABLE
AS $function$
BEGIN
  RETURN NULLIF(regexp_replace(cometchat.vault_secret('api_key'), '\r?\n$', ''), '');
END
$function$;
COMMENT ON FUNCTION cometchat.api_key() IS 'The REST API key.';

-- SECURITY: the key travels in a header, and pgsql-http follows redirects with it. So it goes to CometChat's
-- own hosts, by https, and nowhere else. tests/editions/loopback.sql replaces this function in tests.
CREATE FUNCTION cometchat.is_allowed_base_url(url text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
AS $function$
BEGIN
  RETURN url ~ ('^https://([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.){1,4}cometchat\.io'
                '(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/*$');
END
$function$;
COMMENT ON FUNCTION cometchat.is_allowed_base_url(text) IS
  'Whether requests, and the key with them, may go to this URL.';

-- A secret that cannot be decrypted, after a restore into another project say, or a view that the owner may not read
-- any more. Not the message, which is others'.
CREATE FUNCTION cometchat.vault_failure(code text) RETURNS jsonb
LANGUAGE plpgsql STABLE
AS $function$
BEGIN
  RETURN cometchat.failure('NOT_CONFIGURED', format('the Vault cannot be read, SQLSTATE %s', code));
END
$function$;
COMMENT ON FUNCTION cometchat.vault_failure(text) IS 'The failure of who met this error while reading the Vault.';

CREATE FUNCTION cometchat.app_id(OUT app_id text, OUT failure jsonb)
LANGUAGE plpgsql STABLE
AS $function$
BEGIN
  app_id := COALESCE(cometchat.setting('app_id'), cometchat.vault_secret('app_id'));
  IF app_id IS NULL THEN
    failure := cometchat.failure('NOT_CONFIGURED', 'app_id is missing');
  ELSIF app_id !~ '^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$' THEN
    failure := cometchat.failure('NOT_CONFIGURED', 'app_id is malformed');
  END IF;
EXCEPTION WHEN data_exception OR external_routine_exception OR internal_error OR undefined_function OR undefined_column
               OR insufficient_privilege THEN
  failure := cometchat.vault_failure(SQLSTATE);
END
$function$;
COMMENT ON FUNCTION cometchat.app_id() IS 'The app id, or what is wrong with it.';

-- SECURITY: at debug2 and above pgsql-http writes the key to the server's log, and pgaudit copies the parameters of
-- every statement there, tokens too. (Where pgaudit is not loaded, its settings are anybody's.)
CREATE FUNCTION cometchat.telltale_setting() RETURNS text
LANGUAGE plpgsql STABLE
AS $function$
BEGIN
  RETURN CASE
    WHEN current_setting('log_min_messages') ~ '^debug[2-5]$' THEN 'log_min_messages'
    WHEN current_setting('pgaudit.log_parameter', true) = 'on'
      AND EXISTS (SELECT FROM pg_catalog.pg_settings AS s
                  WHERE s.name = 'pgaudit.log_parameter' AND s.context = 'superuser') THEN 'pgaudit.log_parameter' END;
END
$function$;
COMMENT ON FUNCTION cometchat.telltale_setting() IS
  'A setting that would bring the key or a token into the log, if there is one.';

CREATE FUNCTION cometchat.http_schema() RETURNS name
LANGUAGE plpgsql STABLE
AS $function$
BEGIN
  RETURN (SELECT n.nspname FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
          WHERE e.extname = 'http');
END
$function$;
COMMENT ON FUNCTION cometchat.http_schema() IS 'Where pgsql-http is; null where it is not installed.';

CREATE FUNCTION cometchat.endpoint(app_id text, OUT base_url text, OUT failure jsonb)
LANGUAGE plpgsql STABLE
AS $function$
DECLARE
  region text;
BEGIN
  region := COALESCE(cometchat.setting('region'), cometchat.vault_secret('region'));
  base_url := cometchat.setting('api_base_url');
  IF region IS NULL THEN
    failure := cometchat.failure('NOT_CONFIGURED', 'region is missing');
  ELSIF region !~ '^[a-z0-9]([a-z0-9-]{0,14}[a-z0-9])?$' THEN
    failure := cometchat.failure('NOT_CONFIGURED', 'region is malformed');
  ELSIF base_url IS NULL THEN
    base_url := format('https://%s.api-%s.cometchat.io/v3', lower(app_id), region);
  ELSIF cometchat.is_allowed_base_url(base_url) THEN
    base_url := rtrim(base_url, '/');
  ELSE
    base_url := NULL;
    failure := cometchat.failure('NOT_CONFIGURED', 'api_base_url is malformed');
  END IF;
  IF failure IS NULL THEN
    failure := CASE
      WHEN cometchat.http_schema() IS NULL THEN cometchat.failure('NOT_CONFIGURED', 'extension http is missing')
      WHEN cometchat.api_key() IS NULL THEN cometchat.failure('NOT_CONFIGURED', 'api_key is missing')
      WHEN cometchat.api_key() !~ '^[!-~]+$' OR length(cometchat.api_key()) > 512
        THEN cometchat.failure('NOT_CONFIGURED', 'Vault secret cometchat_api_key is malformed')
      -- Here, and not before a request: nobody is loaded for the queue, and no token is written.
      WHEN cometchat.telltale_setting() IS NOT NULL
        THEN cometchat.failure('NOT_CONFIGURED', cometchat.telltale_setting() || ' would write secrets to the log') END;
  END IF;
EXCEPTION WHEN data_exception OR external_routine_exception OR internal_error OR undefined_function OR undefined_column
               OR insufficient_privilege THEN
  failure := cometchat.vault_failure(SQLSTATE);
END
$function$;
COMMENT ON FUNCTION cometchat.endpoint(text) IS 'Where requests go, or what is missing.';

CREATE FUNCTION cometchat.configuration() RETURNS jsonb
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  app record := cometchat.app_id();
  target record;
BEGIN
  IF app.failure IS NOT NULL THEN
    RETURN app.failure;
  END IF;
  target := cometchat.endpoint(app.app_id);
  RETURN COALESCE(target.failure, jsonb_build_object('value', jsonb_build_object(
    'app_id', app.app_id, 'base_url', target.base_url, 'key_source', 'vault')));
END
$function$;
COMMENT ON FUNCTION cometchat.configuration() IS
  'Where requests go and where the key comes from, or what is missing. Never the key.';
