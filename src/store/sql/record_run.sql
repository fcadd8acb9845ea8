-- Remembers how far process_queue() has come, for health().
WITH input AS NOT MATERIALIZED (
  SELECT $1 AS result
)
UPDATE cometchat.control AS c SET process_queue_run_at = now(), process_queue_result = i.result
FROM input AS i WHERE c.only_row
