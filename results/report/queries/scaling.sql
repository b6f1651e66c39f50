-- Times of the same work on more ranks: the time on the fewest ranks that it ran on over the time on more, a point at a time, then the
-- mean over tasks. Oversubscribed times are left out.
WITH t AS MATERIALIZED (
    SELECT l.*, min(ranks) OVER w AS base_ranks, max(ranks) OVER w AS most_ranks, first_value(median_ms) OVER w AS base_ms
      FROM latency AS l
     WHERE is_anchor = 0 AND oversubscribed = 0 AND phase IN ('attention', 'prefill')
    WINDOW w AS (PARTITION BY phase, experiment, model, model_params, suite, task, task_params, length, seed, sharding, layout, decode,
                              backend, dtype, device, method, params
                 ORDER BY ranks ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING))
SELECT phase, model || char(31) || model_params AS model,
       CASE experiment WHEN 'attention' THEN task || char(31) || task_params ELSE suite || ', mean over tasks' END AS input,
       CASE sharding WHEN 'state'
            THEN 'allgather ' || ifnull((SELECT max(layout) FROM point WHERE method = 'dense' AND scheme = 'allgather'), 'zigzag')
            ELSE sharding || ' ' || layout END AS cell, decode, backend, dtype,
       seed, device, length, base_ranks, method || char(31) || params AS method, sharding || ' ' || layout AS sharding, ranks,
       count(*) AS n_tasks, sum(n) AS n, avg(median_ms) AS ms, avg(min_ms) AS ms_lo, avg(p95_ms) AS ms_hi,
       avg(base_ms / nullif(median_ms, 0)) AS speedup, avg(base_ms / nullif(p95_ms, 0)) AS speedup_lo,
       avg(base_ms / nullif(min_ms, 0)) AS speedup_hi, avg(base_ms / nullif(median_ms, 0)) * base_ranks / ranks AS efficiency
  FROM t AS v
 WHERE most_ranks > base_ranks
 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, v.method <> 'dense', 12, 13, 14;
