-- Energy of one repetition of the timed phase. The operator alone: every input by itself; a model: mean over the tasks of a length,
-- *_lo and *_hi the least and the most of a task.
SELECT phase AS part, model || char(31) || model_params AS model,
       CASE experiment WHEN 'attention' THEN task || char(31) || task_params ELSE suite || ', mean over tasks' END AS input, ranks,
       CASE sharding WHEN 'state'
            THEN 'allgather ' || ifnull((SELECT max(layout) FROM point WHERE method = 'dense' AND scheme = 'allgather'), 'zigzag')
            ELSE sharding || ' ' || layout END AS cell, decode, backend, dtype,
       seed, device, length, method || char(31) || params AS method, sharding || ' ' || layout AS sharding, avg(joules) AS joules,
       min(joules) AS joules_lo, max(joules) AS joules_hi, avg(above_idle_joules) AS above_idle_joules, avg(watts) AS watts,
       avg(idle_watts) AS idle_watts, 1000.0 * avg(joules) / nullif(length, 0) AS mj_per_token, max(error) AS error, sum(n) AS n,
       sum(n_samples) AS n_samples, count(*) AS n_tasks
  FROM energy_use AS v
 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
 ORDER BY 1 DESC, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, v.method <> 'dense', 12, 13;
