-- What a rank of several sends, receives and waits for: of one prefill (the operator alone: one attention), its last repetition, and
-- of the decoding of one answer. Bytes and calls of the rank with most, mean over samples and tasks; waits with the least and the most
-- of a sample. whole_ms: the time of the same repetition, so that the share of it spent waiting compares like with like.
WITH c AS MATERIALIZED (
    SELECT m.*, p.*, s.sample_id AS sample, m.phase AS part, r.comm AS communicator, coalesce(nullif(r.device, ''), r.cpu) AS device,
           r.oversubscribed
      FROM latest_sample AS s
      JOIN comm AS m ON m.sample_id = s.sample_id
      JOIN point AS p ON p.id = s.point_id
      JOIN run AS r ON r.id = s.run_id
     WHERE s.status = 'ok' AND s.is_anchor = 0 AND p.ranks > 1),
t AS MATERIALIZED (
    SELECT c.sample, c.part,
           CASE c.part WHEN 'decode' THEN total(t.ns) ELSE max(t.ns) FILTER (WHERE t.repetition = l.repetition) END AS ns
      FROM c
      JOIN phase_time AS t ON t.sample_id = c.sample
       AND t.phase = CASE WHEN c.part = 'decode' THEN 'decode_token' WHEN c.experiment = 'attention' THEN 'attention' ELSE 'prefill' END
      JOIN (SELECT sample_id, phase, max(repetition) AS repetition FROM timing WHERE NOT is_warmup GROUP BY 1, 2) AS l
        ON l.sample_id = t.sample_id AND l.phase = t.phase
     GROUP BY 1, 2)
SELECT CASE WHEN c.part = 'decode' THEN 'decoding an answer' WHEN c.experiment = 'attention' THEN 'attention' ELSE 'prefill' END AS part,
       model || char(31) || model_json AS model,
       CASE experiment WHEN 'attention' THEN task || char(31) || task_json ELSE suite || ', mean over tasks' END AS input, ranks,
       CASE scheme WHEN 'state'
            THEN 'allgather ' || ifnull((SELECT max(layout) FROM point WHERE method = 'dense' AND scheme = 'allgather'), 'zigzag')
            ELSE scheme || ' ' || layout END AS cell, decode, backend, dtype,
       CASE WHEN seed >= 0 THEN seed ELSE printf('%u', seed) END AS seed, device, oversubscribed, communicator,
       length_tokens AS length, method || char(31) || method_json AS method, scheme || ' ' || layout AS sharding,
       avg(received_bytes) AS received, avg(sent_bytes) AS sent, avg(calls) AS calls, avg(exposed_ns) / 1e6 AS exposed_ms,
       min(exposed_ns) / 1e6 AS exposed_lo, max(exposed_ns) / 1e6 AS exposed_hi, avg(t.ns) / 1e6 AS whole_ms,
       avg(exposed_ns) FILTER (WHERE t.ns > 0) / avg(nullif(t.ns, 0)) AS exposed_share, count(*) AS n_samples,
       count(DISTINCT task || char(31) || task_json) AS n_tasks
  FROM c
  LEFT JOIN t ON t.sample = c.sample AND t.part = c.part
 GROUP BY c.part, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
 ORDER BY c.part DESC, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, method <> 'dense', 14, 15;
