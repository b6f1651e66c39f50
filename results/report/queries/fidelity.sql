-- What the selection reads and keeps. The operator alone: every input by itself; a model: mean over the tasks of a length.
SELECT model || char(31) || model_params AS model,
       CASE experiment WHEN 'attention' THEN task || char(31) || task_params ELSE suite || ', mean over tasks' END AS input, ranks,
       CASE sharding WHEN 'state'
            THEN 'allgather ' || ifnull((SELECT max(layout) FROM point WHERE method = 'dense' AND scheme = 'allgather'), 'zigzag')
            ELSE sharding || ' ' || layout END AS cell, decode, backend, dtype,
       seed, length, method || char(31) || params AS method, sharding || ' ' || layout AS sharding, count(*) AS n_tasks,
       sum(n_samples) AS n_samples, sum(n_fallback) AS n_fallback, avg(density) AS density, min(density) AS density_lo,
       max(density) AS density_hi, avg(tile_density) AS tile_density, avg(recall) AS recall, min(recall) AS recall_lo,
       max(recall) AS recall_hi, avg(oracle_gap) AS oracle_gap, avg(rel_l2) AS rel_l2, avg(floor) AS floor,
       avg(needle_block_recall) AS needle_keys, avg(flop_ratio) AS flop_ratio, avg(estimate_ratio) AS estimate_ratio
  FROM fidelity AS v
 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, v.method <> 'dense', 10, 11;
