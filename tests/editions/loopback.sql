-- Lets the hosted edition talk to the simulator on loopback. For tests; the file that users get has no such
-- way.
CREATE OR REPLACE FUNCTION cometchat.is_allowed_base_url(url text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE
AS $function$
BEGIN
  RETURN url ~ '^http://127\.0\.0\.1:[0-9]+(/[A-Za-z0-9._~-]+)*/*$';
END
$function$;
