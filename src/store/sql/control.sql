-- The row of cometchat.control.
SELECT c.expects_auth_users, c.last_compared_at
FROM cometchat.control AS c
