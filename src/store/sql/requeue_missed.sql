-- Queues the users that the trigger could not queue.
SELECT cometchat.requeue_missed() AS queued
