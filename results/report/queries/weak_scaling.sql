-- Attention on several ranks beside one rank with as many tokens as each of them has, times per work. The operator alone: every
-- input by itself; a model: mean over the tasks of a length, each a pair of runs.
SELECT model || char(31) || model_params AS model,
       CASE experiment WHEN 'attention' THEN task || char(31) || task_params ELSE suite || ', mean over tasks' END AS input,
       decode, backend, dtype, seed, device, base_length, method || char(31) || params AS method,
       sharding || ' ' || layout AS sharding, ranks, length, avg(efficiency) AS efficiency, avg(strong_efficiency) AS strong,
       avg(median_ms) AS ms, avg(base_ms) AS base_ms, avg(work / nullif(base_work, 0)) AS work_x,
       group_concat(DISTINCT work_unit) AS work_unit, count(*) AS n_pairs, sum(n) AS n, sum(base_n) AS base_n,
       group_concat(DISTINCT base_sharding) AS base, avg(strong_base_ms) AS strong_base_ms, max(reason) AS reason
  FROM weak_scaling AS v
 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, v.method <> 'dense', 9, 10, 11;
