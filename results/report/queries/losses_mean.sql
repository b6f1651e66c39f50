-- Difference to dense on the same inputs, mean over tasks.
SELECT model || char(31) || model_params AS model, suite, ranks,
       CASE sharding WHEN 'state'
            THEN 'allgather ' || ifnull((SELECT max(layout) FROM point WHERE method = 'dense' AND scheme = 'allgather'), 'zigzag')
            ELSE sharding || ' ' || layout END AS cell, decode, backend, dtype,
       seed, length, method || char(31) || params AS method, sharding || ' ' || layout AS sharding, n_tasks, n, difference, lo, hi,
       test, p, p_holm, n_tests, verdict, resolution, n_unpaired, reason
  FROM losses_mean AS v
 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, v.method <> 'dense', 10, 11, group_id;
