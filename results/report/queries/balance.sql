-- How evenly a prefill's work lay on several ranks. The operator alone: every input by itself; a model: mean over the tasks of a length.
SELECT model || char(31) || model_params AS model,
       CASE experiment WHEN 'attention' THEN task || char(31) || task_params ELSE suite || ', mean over tasks' END AS input, ranks,
       CASE sharding WHEN 'state'
            THEN 'allgather ' || ifnull((SELECT max(layout) FROM point WHERE method = 'dense' AND scheme = 'allgather'), 'zigzag')
            ELSE sharding || ' ' || layout END AS cell, decode, backend, dtype,
       seed, length, method || char(31) || params AS method, sharding || ' ' || layout AS sharding, avg(imbalance) AS imbalance,
       avg(step_imbalance) AS step_imbalance, avg(lpt_imbalance) AS lpt_imbalance, avg(phi) AS phi, avg(fetched) AS fetched,
       sum(n_samples) AS n_samples, count(*) AS n_tasks
  FROM balance AS v
 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, v.method <> 'dense', 10, 11;
