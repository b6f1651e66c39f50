-- In front of speedup.sql and break_even.sql. The operator alone: every input by itself, for two distributions have no common time.
-- A model: mean over the tasks of a length, *_lo and *_hi the least and the most of a task.
WITH speed AS (
    SELECT model || char(31) || model_params AS model,
           CASE experiment WHEN 'attention' THEN task || char(31) || task_params ELSE suite || ', mean over tasks' END AS input, ranks,
           CASE sharding WHEN 'state'
                THEN 'allgather ' || ifnull((SELECT max(layout) FROM point WHERE method = 'dense' AND scheme = 'allgather'), 'zigzag')
                ELSE sharding || ' ' || layout END AS cell, decode, backend,
           dtype, seed, length, method || char(31) || params AS method, sharding || ' ' || layout AS sharding,
           method = 'dense' AS is_dense, count(*) AS n_tasks, sum(n) AS n, sum(n_samples) AS n_samples, sum(n_fallback) AS n_fallback,
           avg(attention_x) AS attention_x, min(attention_x) AS attention_lo, max(attention_x) AS attention_hi,
           avg(prefill_x) AS prefill_x, min(prefill_x) AS prefill_lo, max(prefill_x) AS prefill_hi, avg(compute_x) AS compute_x,
           avg(ideal_speedup) AS ideal_speedup, avg(density) AS density, avg(recall) AS recall, avg(dense_mfu) AS dense_mfu,
           group_concat(DISTINCT dense_impl) AS dense_impl, avg(attention_norm_x) AS attention_norm_x, avg(mfu) AS mfu,
           avg(achieved_tflops) AS achieved_tflops, group_concat(DISTINCT reason) AS reason, min(point_id) AS place
      FROM (SELECT * FROM speedup ORDER BY dense_impl, reason)
     GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
