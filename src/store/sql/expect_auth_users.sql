-- Remembers that there is an auth.users: without it no user counts as existing from now on.
UPDATE cometchat.control AS c SET expects_auth_users = true
WHERE c.only_row AND NOT c.expects_auth_users
