-- Answers found and needle keys seen by depth, all tasks with needles together, each needle weighing the same.
SELECT model || char(31) || model_params AS model, suite, ranks,
       CASE sharding WHEN 'state'
            THEN 'allgather ' || ifnull((SELECT max(layout) FROM point WHERE method = 'dense' AND scheme = 'allgather'), 'zigzag')
            ELSE sharding || ' ' || layout END AS cell, decode, backend, dtype,
       seed, method || char(31) || params AS method, length, depth, sum(n) AS n, sum(n * found) / sum(n) AS found,
       sum(n * key_recall) / sum(n) FILTER (WHERE key_recall IS NOT NULL) AS key_recall,
       sum(n * mass_recall) / sum(n) FILTER (WHERE mass_recall IS NOT NULL) AS mass_recall, count(DISTINCT task) AS n_tasks,
       group_concat(DISTINCT task) AS tasks
  FROM (SELECT * FROM needle_recall ORDER BY task) AS v
 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, v.method <> 'dense', 9, 10, 11;
