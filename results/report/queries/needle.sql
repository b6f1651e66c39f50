-- Answers found and needle keys seen by depth, all tasks with needles together, each needle weighing the same. lo, hi: Wilson's interval
-- with Newton's root, as in the view accuracy.
WITH c AS (
    SELECT model || char(31) || model_params AS model, suite, ranks,
           CASE sharding WHEN 'state'
                THEN 'allgather ' || ifnull((SELECT max(layout) FROM point WHERE method = 'dense' AND scheme = 'allgather'), 'zigzag')
                ELSE sharding || ' ' || layout END AS cell, decode, backend, dtype,
           seed, v.method <> 'dense' AS not_dense, method || char(31) || params AS method, length, depth,
           sum(n) FILTER (WHERE found IS NOT NULL) AS n, sum(n * found) AS k,
           sum(n * key_recall) / sum(n) FILTER (WHERE key_recall IS NOT NULL) AS key_recall,
           sum(n * mass_recall) / sum(n) FILTER (WHERE mass_recall IS NOT NULL) AS mass_recall, count(DISTINCT task) AS n_tasks,
           group_concat(DISTINCT task) AS tasks
      FROM (SELECT * FROM needle_recall ORDER BY task) AS v
     GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12),
r AS (
    SELECT c.*, (WITH RECURSIVE root(i, x) AS (
                     SELECT 0, (1 + k * (n - k) / n + 3.8414588206941236 / 4) / 2
                     UNION ALL
                     SELECT i + 1, (x + (k * (n - k) / n + 3.8414588206941236 / 4) / x) / 2 FROM root WHERE i < 32)
                 SELECT x FROM root WHERE i = 32) AS root_v
      FROM c)
SELECT model, suite, ranks, cell, decode, backend, dtype, seed, method, length, depth, n, k / n AS found,
       max(0.0, (k + 3.8414588206941236 / 2 - 1.9599639845400545 * root_v) / (n + 3.8414588206941236)) AS lo,
       min(1.0, (k + 3.8414588206941236 / 2 + 1.9599639845400545 * root_v) / (n + 3.8414588206941236)) AS hi,
       key_recall, mass_recall, n_tasks, tasks
  FROM r
 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, not_dense, 9, 10, 11;
