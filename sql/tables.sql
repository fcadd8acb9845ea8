-- SECURITY: whoever may create objects in public must not have them called by the superuser who
-- creates the extension: an operator for exactly our types, say, would be preferred to pg_catalog's.
SET LOCAL search_path = pg_catalog, pg_temp;

-- Whoever has such a table of their own has a server route, as a rule, and a recipe.
DO $block$
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_class AS c
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
             WHERE n.nspname = 'public' AND c.relname = 'cometchat_users') THEN
    RAISE duplicate_table USING MESSAGE = 'relation "public.cometchat_users" already exists',
      DETAIL = 'The extension brings a table of this name, and replaces none.',
      HINT = 'docs/migrate.sql of cometchat_ext moves it to another schema, creates the extension, and '
             'copies its rows and tokens; see docs/migrate.md.';
  END IF;
  IF EXISTS (SELECT FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'cometchat') THEN
    RAISE duplicate_schema USING MESSAGE = 'schema "cometchat" already exists',
      HINT = 'Rename it: ALTER SCHEMA cometchat RENAME TO cometchat_before_ext; see docs/migrate.md.';
  END IF;
END
$block$;

-- Tables: the public mapping, and the private state of every user's synchronisation.

CREATE SCHEMA cometchat;
COMMENT ON SCHEMA cometchat IS
  'CometChat for operators: queue, state and switches. Not for PostgREST.';

CREATE TABLE public.cometchat_users (
  id                   bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  user_id              uuid NOT NULL UNIQUE,
  cometchat_uid        text NOT NULL UNIQUE,
  cometchat_auth_token text,
  created_at           timestamptz DEFAULT now(),
  updated_at           timestamptz DEFAULT now()
);
COMMENT ON TABLE public.cometchat_users IS
  'One row for each user that is known to exist in CometChat, with the auth token to log in with.';
COMMENT ON COLUMN public.cometchat_users.user_id IS 'The user, auth.users.id on Supabase.';
COMMENT ON COLUMN public.cometchat_users.cometchat_uid IS
  'The user''s uid in CometChat: the user id as text, unless somebody mapped another.';
COMMENT ON COLUMN public.cometchat_users.cometchat_auth_token IS
  'The token for CometChat.login(); null until there is one and after it was revoked.';
COMMENT ON COLUMN public.cometchat_users.created_at IS 'When the mapping was made.';
COMMENT ON COLUMN public.cometchat_users.updated_at IS 'When uid or token last changed.';

CREATE TABLE cometchat.sync_state (
  user_id            uuid PRIMARY KEY,
  -- what is wanted, besides what auth.users says
  overrides          jsonb,
  name_argument      text,
  name_argument_base         text,
  email_argument     text,
  email_argument_base        text,
  -- what CometChat has
  app_id             text,
  cometchat_uid      text,
  sent_profile       text,
  sent_metadata      text,
  sent_fields          text[],
  deactivated        boolean NOT NULL DEFAULT false,
  revoke_pending     boolean NOT NULL DEFAULT false,
  unsettled_until    timestamptz DEFAULT '-infinity',
  requested          boolean NOT NULL DEFAULT false,
  -- the work between the two
  wanted_revision    bigint NOT NULL DEFAULT 0,
  synced_revision     bigint NOT NULL DEFAULT 0,
  next_attempt_at    timestamptz,
  attempts           integer NOT NULL DEFAULT 0,
  claim              bigint,
  claimed_at         timestamptz,
  failed_at          timestamptz,
  error_code         text,
  error_message      text
) WITH (fillfactor = 80);
COMMENT ON TABLE cometchat.sync_state IS
  'What CometChat should have and what it has, one row for each user that was ever asked for.';
COMMENT ON COLUMN cometchat.sync_state.overrides IS
  'Profile fields set with cometchat.enqueue(); they win over everything else.';
COMMENT ON COLUMN cometchat.sync_state.name_argument IS
  'The last display_name given to cometchat_ensure_user, cleaned.';
COMMENT ON COLUMN cometchat.sync_state.name_argument_base IS
  'The metadata''s name at that time: the argument holds until that one changes.';
COMMENT ON COLUMN cometchat.sync_state.email_argument IS
  'The last e-mail that a trusted caller gave to cometchat_ensure_user.';
COMMENT ON COLUMN cometchat.sync_state.email_argument_base IS
  'The e-mail of auth.users at that time: the argument holds until that one changes.';
COMMENT ON COLUMN cometchat.sync_state.app_id IS
  'The CometChat app that the following columns, and the stored token, belong to.';
COMMENT ON COLUMN cometchat.sync_state.cometchat_uid IS
  'The uid there; outlives the mapping, so that a deletion can still be told.';
COMMENT ON COLUMN cometchat.sync_state.sent_profile IS
  'Hash of the profile that CometChat is known to have; null or empty when that is not known.';
COMMENT ON COLUMN cometchat.sync_state.sent_metadata IS
  'Hash of our part of the metadata that CometChat is known to have.';
COMMENT ON COLUMN cometchat.sync_state.sent_fields IS
  'Optional fields that we have set there and must unset when they go (avatar, link).';
COMMENT ON COLUMN cometchat.sync_state.deactivated IS
  'Whether we deactivated the user there, or are about to (and may therefore reactivate).';
COMMENT ON COLUMN cometchat.sync_state.revoke_pending IS
  'Whether the user''s tokens must be flushed there before a new one is minted.';
COMMENT ON COLUMN cometchat.sync_state.unsettled_until IS
  'Null when what is stored is certain. Else a request may have had an effect of which no answer tells, '
  'and may have it until then: CometChat is asked. -infinity: never looked at; infinity: claimed.';
COMMENT ON COLUMN cometchat.sync_state.requested IS
  'Whether somebody asked for this user by name: then also anonymous and unconfirmed ones are synced.';
COMMENT ON COLUMN cometchat.sync_state.wanted_revision IS 'Goes up with every change that matters.';
COMMENT ON COLUMN cometchat.sync_state.synced_revision IS
  'The wanted_revision that CometChat has; work is pending while the two differ.';
COMMENT ON COLUMN cometchat.sync_state.next_attempt_at IS
  'When the user is due; null when nothing is to be done or the user is failed.';
COMMENT ON COLUMN cometchat.sync_state.attempts IS 'Failed attempts since the last success.';
COMMENT ON COLUMN cometchat.sync_state.claim IS 'Who has the user in flight; null when nobody has.';
COMMENT ON COLUMN cometchat.sync_state.claimed_at IS 'Since when.';
COMMENT ON COLUMN cometchat.sync_state.failed_at IS 'When the user was failed as not syncable.';
COMMENT ON COLUMN cometchat.sync_state.error_code IS
  'CometChat''s code of the last failure where it sent one, else ours: an errorCode of '
  'cometchat_ensure_user(), INVALID_DATA or INTERNAL.';
COMMENT ON COLUMN cometchat.sync_state.error_message IS
  'CometChat''s message of the last failure, shortened and cleaned, or what could not be read.';

-- pg_dump leaves out what belongs to an extension, unless told otherwise.
SELECT pg_catalog.pg_extension_config_dump('public.cometchat_users', '');
SELECT pg_catalog.pg_extension_config_dump('public.cometchat_users_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('cometchat.sync_state', '');
