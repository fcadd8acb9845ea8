-- The last steps of CREATE EXTENSION; they need the rights that were granted before.

-- The schema public may not be open to all roles, and the foreign key is created as its table's owner.
SELECT cometchat.grant_usage_on_public();
SELECT cometchat.add_foreign_key();
-- The launcher starts a worker for this database at commit.
SELECT cometchat.start_worker();
