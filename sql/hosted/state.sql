-- What the native edition keeps in shared memory: when sending is refused, and each caller's budget.

ALTER TABLE cometchat.control
  ADD COLUMN IF NOT EXISTS not_before  timestamptz,
  ADD COLUMN IF NOT EXISTS paused_code text,
  ADD COLUMN IF NOT EXISTS probe_at    timestamptz,
  ADD COLUMN IF NOT EXISTS probes      integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN cometchat.control.not_before IS 'CometChat answered 429: nothing is sent before this.';
COMMENT ON COLUMN cometchat.control.paused_code IS
  'Why CometChat refuses all requests; one at a time probes whether it still does.';
COMMENT ON COLUMN cometchat.control.probe_at IS 'When the next probe may be sent.';
COMMENT ON COLUMN cometchat.control.probes IS 'How many probes have failed.';

CREATE UNLOGGED TABLE cometchat.user_budgets (
  user_id  uuid PRIMARY KEY,
  whole_at timestamptz NOT NULL
);
COMMENT ON TABLE cometchat.user_budgets IS 'When each untrusted caller''s budget of requests is whole again.';
COMMENT ON COLUMN cometchat.user_budgets.user_id IS 'The caller.';
COMMENT ON COLUMN cometchat.user_budgets.whole_at IS 'The moment of the generic cell rate algorithm.';
