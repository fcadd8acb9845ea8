-- The command that adds the foreign key from cometchat_users to auth.users.
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS our_role
)
SELECT format('ALTER TABLE public.cometchat_users ADD CONSTRAINT cometchat_users_user_id_fkey '
              'FOREIGN KEY (user_id) REFERENCES auth.users (id) ON DELETE CASCADE%s',
              -- Postgres checks the rows that are there with one query where the table's owner may read
              -- both tables, and else, as we want it, row by row with the rights of the owner of auth.users.
              CASE WHEN COALESCE(has_any_column_privilege(i.our_role, to_regclass('auth.users'),
                                                          'SELECT'), true)
                   THEN ' NOT VALID' ELSE '' END) AS command
FROM input AS i
