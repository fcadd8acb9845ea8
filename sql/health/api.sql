-- Checks of the settings, of the key, and of CometChat's answer to one request.

-- Hints that need what only the operator knows (an id, a key) are comments.
CREATE FUNCTION cometchat.health_configuration(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  error text := facts #>> '{configuration,error}';
  source text := facts #>> '{configuration,value,key_source}';
  database text := pg_catalog.quote_ident(pg_catalog.current_database());
  key_file text := pg_catalog.quote_literal(pg_catalog.current_setting('cometchat.api_key_file', true));
BEGIN
  check_name := 'configuration';
  ok := error IS NULL;
  detail := COALESCE(error, facts #>> '{configuration,value,base_url}');
  hint := CASE
    WHEN ok THEN NULL
    WHEN error LIKE '%api_key_file has group or world access' AND key_file LIKE '%/run/secrets/%'
      THEN pg_catalog.format(E'-- a secret of Docker Compose; UID is what "id -u postgres" prints in the container\n'
             '-- if it comes from a file, on the host: chown UID FILE && chmod 0400 FILE\n'
             '-- if it comes from a variable, in the service: secrets: [{source: %s, uid: "UID", mode: 0400}]',
             pg_catalog.regexp_replace(key_file, '.*/|''', '', 'g')) -- it is quoted
    WHEN error LIKE '%api_key_file has group or world access'
      THEN pg_catalog.format(E'\\! chmod 0600 %s', key_file)
    WHEN error LIKE '%api_key_file must be owned%' OR error LIKE '%api_key_file cannot be read'
      THEN pg_catalog.format(E'-- as root:\n\\! chown "$(stat -c %%U "$PGDATA")" %1$s && chmod 0600 %1$s',
                             key_file)
    WHEN error LIKE '%region is malformed'
      THEN cometchat.region_hint(facts)
    WHEN error ~ '(app_id|proxy|api_base_url|ca_file) '
      THEN pg_catalog.format('-- ALTER DATABASE %s SET cometchat.%s = ''...'';', database,
                             pg_catalog.substring(error, '(app_id|proxy|api_base_url|ca_file) '))
    WHEN facts #>> '{configuration,sqlstate}' IS NOT NULL
      THEN '-- Vault cannot read its secrets: bring back the root key that they were encrypted with, or '
           'SELECT vault.update_secret(s.id, ''...'') FROM vault.secrets AS s WHERE s.name ~ ''^cometchat_'';'
    ELSE pg_catalog.format('-- Set cometchat.app_id, cometchat.region and cometchat.api_key_file (ALTER '
                           'DATABASE %s SET cometchat.app_id = ''...'';), or the Vault secrets '
                           'cometchat_app_id, cometchat_region and cometchat_api_key.', database) END;
  RETURN NEXT;

  check_name := 'settings';
  ok := true;
  -- Where each comes from, never its value.
  SELECT COALESCE(pg_catalog.string_agg(pg_catalog.format('%s: %s', pg_catalog.substr(s.key, 11),
           s.value ->> 'source' || COALESCE(' ' || (s.value ->> 'file') || ':' || (s.value ->> 'line'), '')),
           ', ' ORDER BY s.key), 'all have their defaults')
    INTO detail
  FROM pg_catalog.jsonb_each(facts -> 'settings') AS s WHERE s.key ~ '^cometchat[.]';
  detail := detail || CASE WHEN source IS NOT NULL THEN '; the key: ' || source ELSE '' END;
  hint := NULL;
  RETURN NEXT;

  check_name := 'API key storage';
  ok := COALESCE(source, 'file') <> 'setting';
  detail := source;
  hint := CASE WHEN NOT ok THEN
    '-- cometchat.api_key is for development: write the key to a file of mode 0600 that belongs to the '
    'database user, set cometchat.api_key_file to its path, and take cometchat.api_key out of the '
    'configuration file.' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_configuration(jsonb) IS
  'The rows of cometchat.health() about the settings: complete, where from, where the key is.';

-- A region that CometChat does not have cannot be looked up.
CREATE FUNCTION cometchat.region_hint(facts jsonb) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  given text := COALESCE(NULLIF(pg_catalog.current_setting('cometchat.region', true), ''),
    pg_catalog.substring(facts #>> '{configuration,value,base_url}', 'api-([^.]*)[.]'), '');
  likely text := CASE WHEN given ~* E'^\\W*e' THEN 'eu' WHEN given ~* E'^\\W*i' THEN 'in' ELSE 'us' END;
BEGIN
  RETURN CASE WHEN facts -> 'settings' ? 'cometchat.region'
    THEN cometchat.setting_command(facts, 'cometchat.region', likely)
    ELSE pg_catalog.format('SELECT vault.update_secret(s.id, %L) FROM vault.secrets AS s '
                           'WHERE s.name = ''cometchat_region'';', likely) END
    || ' -- us, eu or in, as CometChat''s dashboard says';
END
$function$;
COMMENT ON FUNCTION cometchat.region_hint(jsonb) IS
  'The statement that sets the likely region in the place of one that CometChat does not have.';

CREATE FUNCTION cometchat.health_answer(facts jsonb)
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  error text := facts #>> '{answer,error}';
  code text := facts #>> '{answer,errorCode}';
  base_url text := facts #>> '{configuration,value,base_url}';
  ahead bigint := (facts #>> '{status,recent,clock_ahead}')::bigint;
BEGIN
  check_name := 'API key';
  -- a 429 says nothing about the key
  ok := error IS NULL OR code IS NOT DISTINCT FROM 'RATE_LIMITED';
  detail := COALESCE(error, 'CometChat answered');
  hint := CASE
    WHEN ok THEN NULL
    WHEN code = 'API_KEY_REJECTED'
      THEN '-- Use a REST API key (full access) of this app and region. '
           || CASE facts #>> '{configuration,value,key_source}'
                WHEN 'vault' THEN 'SELECT vault.update_secret(s.id, ''...'') FROM vault.secrets AS s WHERE '
                                  's.name = ''cometchat_api_key'';'
                ELSE 'The file is read again as soon as it changes.' END
    WHEN code = 'PLAN_LIMIT' THEN '-- The plan of the CometChat app is used up: its dashboard has larger ones.'
    WHEN error LIKE '%name not found' AND NOT facts -> 'settings' ? 'cometchat.api_base_url'
         AND base_url !~ 'api-(us|eu|in)[.]' THEN cometchat.region_hint(facts)
    WHEN error LIKE '%name not found'
      THEN pg_catalog.format(E'\\! getent hosts %s\n-- this must print an address: see the server''s name '
             'servers (resolv.conf)', pg_catalog.substring(base_url, '//([^/:]*)'))
    WHEN error LIKE '%: proxy' THEN cometchat.setting_command(facts, 'cometchat.proxy', NULL)
           || ' -- if CometChat can be reached directly; else set it to http://host:port of a proxy that runs'
    WHEN error LIKE '%: tls' THEN '-- See the row TLS.'
    WHEN code IN ('NETWORK', 'TIMEOUT')
      THEN pg_catalog.format(E'\\! curl -sS -m 10 -o /dev/null %s\n-- this must succeed on the database '
             'server: open its firewall for https, or set cometchat.proxy', base_url)
    WHEN code = 'NOT_CONFIGURED' THEN '-- See the row configuration.'
    ELSE '-- See docs/error-codes.md.' END;
  RETURN NEXT;

  check_name := 'TLS';
  ok := COALESCE(error NOT LIKE '%: tls', true);
  detail := CASE
    WHEN NOT ok THEN 'the certificate of ' || pg_catalog.substring(base_url, '//([^/:]*)')
                     || ' cannot be verified, or TLS fails otherwise'
    WHEN base_url IS NULL THEN 'not configured'
    WHEN base_url LIKE 'http:%' THEN 'none: http to this machine'
    ELSE 'https, verified' END
    || CASE WHEN facts -> 'settings' ? 'cometchat.ca_file' THEN ' by cometchat.ca_file'
            WHEN base_url LIKE 'https:%' THEN ' by the bundled authorities' ELSE '' END;
  hint := CASE
    WHEN ok THEN NULL
    WHEN facts -> 'settings' ? 'cometchat.ca_file'
      THEN cometchat.setting_command(facts, 'cometchat.ca_file', NULL)
           || ' -- or put the authority that signs the certificate into that file'
    ELSE cometchat.setting_command(facts, 'cometchat.ca_file', '/etc/ssl/certs/ca-certificates.crt')
         || ' -- the system''s authorities: if a proxy of yours signs certificates, its own must be there'
    END;
  RETURN NEXT;

  check_name := 'clock';
  ok := COALESCE(pg_catalog.abs(ahead) <= 60, true);
  detail := CASE WHEN ahead IS NULL THEN 'CometChat''s clock was not seen yet'
                 WHEN ok THEN 'agrees with CometChat''s'
                 ELSE pg_catalog.format('%s s %s CometChat''s', pg_catalog.abs(ahead),
                                        CASE WHEN ahead > 0 THEN 'behind' ELSE 'ahead of' END) END;
  hint := CASE WHEN NOT ok THEN E'-- as root:\n\\! timedatectl set-ntp true' END;
  RETURN NEXT;
END
$function$;
COMMENT ON FUNCTION cometchat.health_answer(jsonb) IS
  'The rows of cometchat.health() about what CometChat answers: key, TLS, clock.';
