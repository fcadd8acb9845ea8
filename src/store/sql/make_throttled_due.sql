-- Users that a 429 put off are due now; cometchat.resume() does the same.
SELECT cometchat.make_throttled_due()
