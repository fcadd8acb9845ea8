-- Statements for the hints of cometchat.health(): how a setting is changed where it is set.

CREATE FUNCTION cometchat.setting_command(facts jsonb, name text, value text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
DECLARE
  -- where the session has it from
  place text := facts #>> ARRAY['settings', setting_command.name, 'source'];
  assignment text := CASE WHEN value IS NULL THEN 'RESET ' || setting_command.name
                          ELSE pg_catalog.format('SET %s = %L', setting_command.name, value) END;
BEGIN
  RETURN CASE
    WHEN place = 'session' THEN assignment || ';'
    WHEN place = 'user' THEN pg_catalog.format('ALTER ROLE %I %s;', SESSION_USER, assignment)
    WHEN place = 'database user' THEN pg_catalog.format('ALTER ROLE %I IN DATABASE %I %s;',
      SESSION_USER, pg_catalog.current_database(), assignment)
    WHEN place = 'configuration file' THEN
      pg_catalog.format('ALTER SYSTEM %s; SELECT pg_reload_conf();', assignment)
    ELSE pg_catalog.format('ALTER DATABASE %I %s;', pg_catalog.current_database(), assignment) END;
END
$function$;
COMMENT ON FUNCTION cometchat.setting_command(jsonb, text, text) IS
  'The statement that sets, or with null resets, a setting where the session has it from.';

-- Also where other roles have it from.
CREATE FUNCTION cometchat.reset_commands(name text, value text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $function$
  SELECT pg_catalog.string_agg(CASE
           WHEN s.setrole = 0 THEN pg_catalog.format('ALTER DATABASE %I RESET %s;', d.datname, reset_commands.name)
           WHEN s.setdatabase = 0 THEN pg_catalog.format('ALTER ROLE %I RESET %s;', r.rolname, reset_commands.name)
           ELSE pg_catalog.format('ALTER ROLE %I IN DATABASE %I RESET %s;', r.rolname, d.datname,
                                       reset_commands.name)
         END, ' ' ORDER BY s.setrole, s.setdatabase)
  FROM pg_catalog.pg_db_role_setting AS s
  LEFT JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase
  LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
  WHERE (s.setdatabase = 0 OR d.datname = pg_catalog.current_database())
    AND EXISTS (SELECT FROM pg_catalog.unnest(s.setconfig) AS c(setting)
                WHERE c.setting ~* ('^' || reset_commands.name || '=(' || reset_commands.value || ')$'))
$function$;
COMMENT ON FUNCTION cometchat.reset_commands(text, text) IS
  'The statements that take back a setting of the database or a role whose value matches; null if none does.';
