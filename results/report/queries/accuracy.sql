-- Score of every point and metric.
SELECT model || char(31) || model_params AS model, suite, task || char(31) || task_params AS task, metric, ranks,
       CASE sharding WHEN 'state'
            THEN 'allgather ' || ifnull((SELECT max(layout) FROM point WHERE method = 'dense' AND scheme = 'allgather'), 'zigzag')
            ELSE sharding || ' ' || layout END AS cell, decode, backend, dtype,
       seed, length, method || char(31) || params AS method, sharding || ' ' || layout AS sharding, n, score, lo, hi, interval_kind,
       chance, n_failed, untrained
  FROM accuracy AS v
 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, v.method <> 'dense', 12, 13, point_id;
