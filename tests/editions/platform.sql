-- What supabase.com's dashboard does with a click, before the hosted edition's file is run. As a superuser.
CREATE EXTENSION http WITH SCHEMA extensions;
CREATE EXTENSION pg_cron;
GRANT USAGE ON SCHEMA cron TO postgres;
GRANT SELECT, DELETE ON ALL TABLES IN SCHEMA cron TO postgres;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA cron TO postgres;
