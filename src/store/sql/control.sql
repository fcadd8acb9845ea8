-- The row of cometchat.control, and where the database lives.
SELECT c.paused OR cometchat.is_copy() AS paused, c.expects_auth_users, c.last_compared_at,
       EXISTS (SELECT FROM cometchat.home) AS has_home
FROM cometchat.control AS c
