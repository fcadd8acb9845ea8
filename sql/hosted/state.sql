-- What the native edition keeps in shared memory: why nothing is sent now, and each caller's budget.

CREATE TABLE cometchat.sending (
  only_row         boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  not_before       timestamptz,
  not_before_asked integer,
  queue_not_before timestamptz,
  paused_code      text,
  probe_at         timestamptz,
  probes           integer NOT NULL DEFAULT 0,
  suspect          uuid
);
COMMENT ON TABLE cometchat.sending IS 'One row: what keeps everybody from sending, as the last answers said.';
COMMENT ON COLUMN cometchat.sending.only_row IS 'Always true: the table has one row.';
COMMENT ON COLUMN cometchat.sending.not_before IS 'CometChat answered 429: nothing is sent before this.';
COMMENT ON COLUMN cometchat.sending.not_before_asked IS 'The seconds that CometChat asked for.';
COMMENT ON COLUMN cometchat.sending.queue_not_before IS
  'The announced limit is nearly used up: the queue leaves the rest to people until then.';
COMMENT ON COLUMN cometchat.sending.paused_code IS
  'Why CometChat refuses all requests; one at a time probes whether it still does.';
COMMENT ON COLUMN cometchat.sending.probe_at IS 'When the next probe may be sent.';
COMMENT ON COLUMN cometchat.sending.probes IS 'How many probes have failed.';
COMMENT ON COLUMN cometchat.sending.suspect IS
  'Whose request failed as if all users were concerned; the next user''s decides.';
INSERT INTO cometchat.sending DEFAULT VALUES;

-- Not logged: after a crash every budget is whole again.
CREATE UNLOGGED TABLE cometchat.user_budgets (
  user_id    uuid,
  revocation boolean,
  whole_at   timestamptz NOT NULL,
  PRIMARY KEY (user_id, revocation)
);
COMMENT ON TABLE cometchat.user_budgets IS 'When the budget of requests of each untrusted caller is whole again.';
COMMENT ON COLUMN cometchat.user_budgets.user_id IS 'The caller.';
COMMENT ON COLUMN cometchat.user_budgets.revocation IS 'For ending all sessions; that budget is one of its own.';
COMMENT ON COLUMN cometchat.user_budgets.whole_at IS 'The moment of the generic cell rate algorithm.';

-- Written anew by each run. Roles by name: in a server into which this is restored, their numbers are others'.
DROP TABLE IF EXISTS cometchat.shipped_privileges;
DROP FUNCTION IF EXISTS cometchat.privileges_now(); -- whose type may be another in an older installation
CREATE TABLE cometchat.shipped_privileges (
  kind      text,
  name      text,
  grantee   text,
  privilege text,
  PRIMARY KEY (kind, name, grantee, privilege)
);
COMMENT ON TABLE cometchat.shipped_privileges IS
  'The privileges that the last run of the file left, for the row grants of cometchat.health().';
COMMENT ON COLUMN cometchat.shipped_privileges.kind IS 'ROUTINE, TABLE, SEQUENCE or SCHEMA.';
COMMENT ON COLUMN cometchat.shipped_privileges.name IS 'The object.';
COMMENT ON COLUMN cometchat.shipped_privileges.grantee IS 'The role, or PUBLIC.';
COMMENT ON COLUMN cometchat.shipped_privileges.privilege IS 'What it may do.';

-- Not logged: after a crash the claim is stale, and the user is read again.
CREATE UNLOGGED TABLE cometchat.claimed_work (
  claim bigint PRIMARY KEY,
  work  jsonb NOT NULL
);
COMMENT ON TABLE cometchat.claimed_work IS
  'What was read of a user when a session claimed them, until that session has sent it.';
COMMENT ON COLUMN cometchat.claimed_work.claim IS 'The session''s claim.';
COMMENT ON COLUMN cometchat.claimed_work.work IS 'The user''s work.';
