-- Medians of the phases. The operator alone: every input by itself; a model: mean over the tasks of a length.
SELECT model || char(31) || model_params AS model,
       CASE experiment WHEN 'attention' THEN task || char(31) || task_params ELSE suite || ', mean over tasks' END AS input, ranks,
       CASE sharding WHEN 'state'
            THEN 'allgather ' || ifnull((SELECT max(layout) FROM point WHERE method = 'dense' AND scheme = 'allgather'), 'zigzag')
            ELSE sharding || ' ' || layout END AS cell, decode, backend, dtype,
       seed, device, oversubscribed, length, method || char(31) || params AS method, sharding || ' ' || layout AS sharding,
       count(DISTINCT point_id) AS n_tasks, sum(n) FILTER (WHERE phase = 'attention') AS n,
       avg(median_ms) FILTER (WHERE phase = 'estimate') AS estimate, avg(median_ms) FILTER (WHERE phase = 'select') AS "select",
       avg(median_ms) FILTER (WHERE phase = 'permute') AS permute, avg(median_ms) FILTER (WHERE phase = 'compute') AS compute,
       avg(median_ms) FILTER (WHERE phase = 'communicate') AS communicate,
       avg(median_ms) FILTER (WHERE phase = 'attention') AS attention, avg(iqr_ms) FILTER (WHERE phase = 'attention') AS attention_iqr,
       avg(min_ms) FILTER (WHERE phase = 'attention') AS attention_lo, avg(p95_ms) FILTER (WHERE phase = 'attention') AS attention_hi,
       avg(median_ms) FILTER (WHERE phase = 'prefill') AS prefill, avg(iqr_ms) FILTER (WHERE phase = 'prefill') AS prefill_iqr,
       avg(median_ms) FILTER (WHERE phase = 'decode_token') AS decode_token,
       avg(iqr_ms) FILTER (WHERE phase = 'decode_token') AS decode_token_iqr
  FROM latency AS v
 WHERE is_anchor = 0
 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, v.method <> 'dense', 12, 13;
