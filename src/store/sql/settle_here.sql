-- Makes this database the one that sends.
SELECT cometchat.settle_here()
