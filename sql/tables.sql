-- All tables: the public mapping, the sync state of each user, and what the worker needs to remember.

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
COMMENT ON COLUMN public.cometchat_users.user_id IS 'The user; on Supabase, auth.users.id.';
COMMENT ON COLUMN public.cometchat_users.cometchat_uid IS
  'The user''s uid in CometChat: the user id as text, unless the row was inserted with another uid.';
COMMENT ON COLUMN public.cometchat_users.cometchat_auth_token IS
  'The token for CometChat.login(); null before the first one and after a revocation.';
COMMENT ON COLUMN public.cometchat_users.created_at IS 'When the mapping was created.';
COMMENT ON COLUMN public.cometchat_users.updated_at IS 'When uid or token last changed.';

CREATE TABLE cometchat.sync_state (
  user_id             uuid PRIMARY KEY,
  -- desired state, in addition to auth.users
  overrides           jsonb,
  name_argument       text,
  name_argument_base  text,
  email_argument      text,
  email_argument_base text,
  -- remote state
  app_id              text,
  cometchat_uid       text,
  sent_profile        text,
  sent_metadata       text,
  sent_fields         text[],
  deactivated         boolean NOT NULL DEFAULT false,
  revoke_pending      boolean NOT NULL DEFAULT false,
  unsettled_until     timestamptz DEFAULT '-infinity',
  requested           boolean NOT NULL DEFAULT false,
  -- queue
  wanted_revision     bigint NOT NULL DEFAULT 0,
  synced_revision     bigint NOT NULL DEFAULT 0,
  next_attempt_at     timestamptz,
  attempts            integer NOT NULL DEFAULT 0,
  claim               bigint,
  claimed_at          timestamptz,
  failed_at           timestamptz,
  outcomes            bigint NOT NULL DEFAULT 0,
  error_code          text,
  error_message       text,
  -- added in 0.2.0
  backlog             boolean NOT NULL DEFAULT false,
  recent_attempts     jsonb
) WITH (
  fillfactor = 80,
  autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
  autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 1
);
CREATE INDEX sync_state_due ON cometchat.sync_state (next_attempt_at)
  WHERE next_attempt_at IS NOT NULL AND claim IS NULL AND NOT backlog;
CREATE INDEX sync_state_backlog ON cometchat.sync_state (next_attempt_at)
  WHERE next_attempt_at IS NOT NULL AND claim IS NULL AND backlog;
CREATE INDEX sync_state_claimed ON cometchat.sync_state (claim) WHERE claim IS NOT NULL;
CREATE INDEX sync_state_failed ON cometchat.sync_state (failed_at) WHERE failed_at IS NOT NULL;
COMMENT ON TABLE cometchat.sync_state IS
  'The desired state and the state in CometChat, one row for each user that was ever queued or asked for.';
COMMENT ON COLUMN cometchat.sync_state.overrides IS
  'Profile fields set with cometchat.enqueue(); they take precedence over all other sources.';
COMMENT ON COLUMN cometchat.sync_state.name_argument IS
  'The last display_name given to cometchat_ensure_user, cleaned.';
COMMENT ON COLUMN cometchat.sync_state.name_argument_base IS
  'The metadata''s name at that time: the argument holds until that name changes.';
COMMENT ON COLUMN cometchat.sync_state.email_argument IS
  'The last e-mail that a trusted caller gave to cometchat_ensure_user.';
COMMENT ON COLUMN cometchat.sync_state.email_argument_base IS
  'The e-mail of auth.users at that time: the argument holds until that e-mail changes.';
COMMENT ON COLUMN cometchat.sync_state.app_id IS
  'The CometChat app that the following columns, and the stored token, belong to.';
COMMENT ON COLUMN cometchat.sync_state.cometchat_uid IS
  'The uid in that app; kept after the mapping is deleted, so that CometChat can be told of the deletion.';
COMMENT ON COLUMN cometchat.sync_state.sent_profile IS
  'Hash of the profile that CometChat is known to have; null or empty when that is not known.';
COMMENT ON COLUMN cometchat.sync_state.sent_metadata IS
  'Hash of our part of the metadata that CometChat is known to have.';
COMMENT ON COLUMN cometchat.sync_state.sent_fields IS
  'Optional fields that were set in CometChat and must be unset when they are removed (avatar, link).';
COMMENT ON COLUMN cometchat.sync_state.deactivated IS
  'Whether the extension deactivated the user in CometChat, or is about to; it may then reactivate it.';
COMMENT ON COLUMN cometchat.sync_state.revoke_pending IS
  'Whether the user''s tokens must be flushed in CometChat before a new one is minted.';
COMMENT ON COLUMN cometchat.sync_state.unsettled_until IS
  'Null when the remote state is certain. Otherwise the effect of a request is unknown until this time, '
  'and CometChat is asked first. -infinity: never read; infinity: claimed.';
COMMENT ON COLUMN cometchat.sync_state.requested IS
  'Whether the user was asked for by id: anonymous and unconfirmed users are then synced too.';
COMMENT ON COLUMN cometchat.sync_state.wanted_revision IS
  'Incremented by each change that CometChat must have.';
COMMENT ON COLUMN cometchat.sync_state.synced_revision IS
  'The wanted_revision that CometChat has; work is pending while the two differ.';
COMMENT ON COLUMN cometchat.sync_state.next_attempt_at IS
  'When the user is due; null when nothing is to be done or the user has failed.';
COMMENT ON COLUMN cometchat.sync_state.attempts IS 'Failed attempts since the last success.';
COMMENT ON COLUMN cometchat.sync_state.claim IS
  'The worker or session that has the user in flight; null when none has.';
COMMENT ON COLUMN cometchat.sync_state.claimed_at IS 'When the user was claimed.';
COMMENT ON COLUMN cometchat.sync_state.failed_at IS
  'When the sync was given up; see cometchat.failed_users.';
COMMENT ON COLUMN cometchat.sync_state.outcomes IS
  'How many outcomes were written from the queue: a session''s call sees that one came while it was sending.';
COMMENT ON COLUMN cometchat.sync_state.error_code IS
  'CometChat''s code of the last failure where it sent one, otherwise an errorCode of '
  'cometchat_ensure_user(), INVALID_DATA or INTERNAL.';
COMMENT ON COLUMN cometchat.sync_state.error_message IS
  'CometChat''s message of the last failure, shortened and cleaned, or the value that could not be read.';
COMMENT ON COLUMN cometchat.sync_state.backlog IS
  'Whether what is pending is nobody''s recent action, but a backfill say: it waits behind people.';
COMMENT ON COLUMN cometchat.sync_state.recent_attempts IS
  'The last five attempts, newest first, each [Unix time, error code, HTTP status, milliseconds]; see '
  'cometchat.attempts.';

CREATE TABLE cometchat.control (
  only_row               boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  paused                 boolean NOT NULL DEFAULT false,
  paused_at              timestamptz,
  expects_auth_users     boolean NOT NULL DEFAULT false,
  last_compared_at       timestamptz,
  missed_deletions       bigint NOT NULL DEFAULT 0,
  process_queue_run_at   timestamptz,
  process_queue_result   text
);
COMMENT ON TABLE cometchat.control IS
  'One row: the operator''s switch, and what the worker and cometchat.health() need to remember.';
COMMENT ON COLUMN cometchat.control.only_row IS 'Always true: the table has one row.';
COMMENT ON COLUMN cometchat.control.paused IS
  'Set by cometchat.pause(), cleared by cometchat.resume().';
COMMENT ON COLUMN cometchat.control.paused_at IS 'When it was set.';
COMMENT ON COLUMN cometchat.control.expects_auth_users IS
  'Whether auth.users has existed: if it is missing later, no user counts as existing.';
COMMENT ON COLUMN cometchat.control.last_compared_at IS
  'When the worker last compared the whole sync state with auth.users.';
COMMENT ON COLUMN cometchat.control.missed_deletions IS
  'Deletions that this comparison found and the trigger had missed, when they were too many to send '
  'without cometchat.reconcile(true).';
COMMENT ON COLUMN cometchat.control.process_queue_run_at IS
  'When cometchat.process_queue() last ran.';
COMMENT ON COLUMN cometchat.control.process_queue_result IS
  'Its result: done, paused, canceled, or why it stopped sending; sending while it runs.';
INSERT INTO cometchat.control DEFAULT VALUES;

CREATE SEQUENCE cometchat.trigger_failures;
COMMENT ON SEQUENCE cometchat.trigger_failures IS
  'A counter: how often the trigger on auth.users could not queue a user.';

-- No constraint and no index, which could block the trigger.
CREATE TABLE cometchat.trigger_misses (
  user_id       uuid,
  cometchat_uid text
);
-- Without it Postgres refuses every DELETE while there is a publication FOR ALL TABLES.
ALTER TABLE cometchat.trigger_misses REPLICA IDENTITY FULL;
COMMENT ON TABLE cometchat.trigger_misses IS
  'Users that the trigger could not queue, because cometchat.sync_state was locked, for example. '
  'The worker and cometchat.backfill() queue them and delete the rows.';
COMMENT ON COLUMN cometchat.trigger_misses.user_id IS 'The user to queue.';
COMMENT ON COLUMN cometchat.trigger_misses.cometchat_uid IS
  'The uid of a deleted user, whose mapping is deleted too.';
