-- Times of the same work on more ranks. The base of a point's time is the method's best on the fewest ranks that it ran on, under
-- whatever sharding: on one rank sharding plays no part, and a scheme that is slow there, too, would look as if it scaled. Then the
-- mean over tasks of what lies over it, a sharding at a time, the base first. Oversubscribed times are left out.
WITH t AS MATERIALIZED (
    SELECT l.*, sharding || ' ' || layout AS placed, min(ranks) OVER w AS base_ranks, first_value(median_ms) OVER w AS base_ms,
           first_value(min_ms) OVER w AS base_lo, first_value(p95_ms) OVER w AS base_hi, first_value(n) OVER w AS base_n,
           first_value(sharding || ' ' || layout) OVER w AS base_placed
      FROM latency AS l
     WHERE is_anchor = 0 AND oversubscribed = 0 AND phase IN ('attention', 'prefill')
    WINDOW w AS (PARTITION BY phase, experiment, model, model_params, suite, task, task_params, length, seed, decode, backend, dtype,
                              device, method, params
                 ORDER BY ranks, median_ms, point_id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)),
more AS (SELECT * FROM t WHERE ranks > base_ranks),
v AS (
    SELECT phase, experiment, model, model_params, suite, task, task_params, length, seed, decode, backend, dtype, device, method,
           params, placed, base_ranks, base_ms, base_placed, ranks, n, median_ms, min_ms, p95_ms
      FROM more
    UNION -- each base once in every sharding that is counted from it
    SELECT phase, experiment, model, model_params, suite, task, task_params, length, seed, decode, backend, dtype, device, method,
           params, placed, base_ranks, base_ms, base_placed, base_ranks, base_n, base_ms, base_lo, base_hi
      FROM more)
SELECT phase, model || char(31) || model_params AS model,
       CASE experiment WHEN 'attention' THEN task || char(31) || task_params ELSE suite || ', mean over tasks' END AS input,
       placed AS sharding, decode, backend, dtype, seed, device, length, base_ranks,
       method || char(31) || params AS method, ranks, count(*) AS n_tasks, sum(n) AS n, avg(median_ms) AS ms,
       avg(min_ms) AS ms_lo, avg(p95_ms) AS ms_hi, avg(base_ms / nullif(median_ms, 0)) AS speedup,
       avg(base_ms / nullif(p95_ms, 0)) AS speedup_lo, avg(base_ms / nullif(min_ms, 0)) AS speedup_hi,
       avg(base_ms / nullif(median_ms, 0)) * base_ranks / ranks AS efficiency,
       avg(base_ms) AS base_ms, group_concat(DISTINCT base_placed) || ' on ' || base_ranks AS base
  FROM v
 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, v.method <> 'dense', 12, 13;
