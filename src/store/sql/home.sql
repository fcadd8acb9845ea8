-- Whether the database knows where it lives, and whether that is here.
SELECT EXISTS (SELECT FROM cometchat.home) AS has_home, cometchat.is_copy() AS is_copy
