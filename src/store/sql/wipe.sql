-- Wipes what is a deleted user's own: overrides, chosen name, e-mail address, and an error that may quote
-- them. cometchat.on_auth_user_after_delete() wipes the same columns; a test compares the two.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS user_ids
)
UPDATE cometchat.sync_state AS s
SET overrides = NULL, name_argument = NULL, name_argument_base = NULL,
    email_argument = NULL, email_argument_base = NULL, error_message = NULL
FROM input AS i
WHERE s.user_id = ANY (i.user_ids)
  -- Most have none: no new version of their rows.
  AND num_nonnulls(s.overrides, s.name_argument, s.name_argument_base, s.email_argument,
                   s.email_argument_base, s.error_message) > 0
