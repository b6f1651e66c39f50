-- What the machine of each run can do at most, all ranks together.
SELECT r.started_utc AS started, substr(r.uuid, 1, 8) AS run, coalesce(nullif(r.device, ''), r.cpu) AS device, r.ranks, c.kind,
       c.dtype, c.flops_per_s, c.bytes_per_s
  FROM ceiling AS c
  JOIN run AS r ON r.id = c.run_id
 ORDER BY r.started_utc, r.uuid, c.kind, c.dtype;
