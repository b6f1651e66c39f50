-- Mean over the tasks of a set, each task weighing the same.
SELECT model || char(31) || model_params AS model, suite, ranks,
       CASE sharding WHEN 'state'
            THEN 'allgather ' || ifnull((SELECT max(layout) FROM point WHERE method = 'dense' AND scheme = 'allgather'), 'zigzag')
            ELSE sharding || ' ' || layout END AS cell, decode, backend, dtype,
       seed, length, method || char(31) || params AS method, sharding || ' ' || layout AS sharding, n_tasks, n, n_total, score, lo,
       hi, interval_kind, chance, n_failed, untrained, reason
  FROM accuracy_mean AS v
 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, v.method <> 'dense', 10, 11, group_id;
