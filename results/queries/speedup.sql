-- How much faster than dense every point is (attention_x, prefill_x), with its density and recall; reason where there is no ratio.
-- A time is paired only with the fastest dense time of the same run and cell: same model, task, length, seed, sharding, decode,
-- ranks, backend, dtype, in whatever layout dense is fastest (dense_layout); a time of sharding state, which dense cannot have, with
-- dense under allgather.
-- Ratios of medians, averaged over runs by repetitions. Oversubscribed runs are left out; samples where the method fell back to
-- dense stay in the times and are left out of density, recall and flop_ratio.
-- dense_impl: the kernel that ran dense, where the sample tells it. dense_mfu, mfu: shares of the run's measured ceiling. attention_norm_x: attention_x as if dense ran at 60 % of it.
-- anchored_x: median over repetitions of dense / method, dense being the mean of the runs right before and after (timing: anchor).
--   attention_x: [REAL, dense / method] of the operator's median time
--   prefill_x: [REAL, dense / method] of the median time to the first token
--   density: [REAL, 0..1] query-key pairs attended / visible
--   recall: [REAL, 0..1] attention mass kept, mean over layers and samples
--   dense_impl: [TEXT] kernel that ran dense
--   dense_mfu: [REAL, 0..1] dense's share of the run's measured ceiling
--   reason: [TEXT] why a ratio is NULL
--   n: [INTEGER] repetitions of the method
--   dense_n: [INTEGER] repetitions of dense
--   flop_ratio: [REAL, method / dense] FLOP, estimate included
--   ideal_speedup: [REAL] 1 / flop_ratio
--   compute_x: [REAL, dense / method] dense's operator / the method's phase compute
--   attention_norm_x: [REAL] attention_x as if dense ran at 60 % of the ceiling
--   achieved_tflops: [REAL, TFLOP/s] FLOP as run / time of the operator
--   equiv_tflops: [REAL, TFLOP/s] dense's FLOP / time of the operator
--   mfu: [REAL, 0..1] achieved / ceiling
--   kernel_efficiency: [REAL, method / dense] FLOP/s of phase compute / those of dense's operator
--   anchored_x: [REAL, dense / method] median over repetitions, dense run right before and after each
--   anchored_n: [INTEGER] repetitions that have such
--   anchor_impl: [TEXT] kernel that ran that dense
--   dense_layout: [TEXT] layout of the dense that attention_x and prefill_x are over; of several runs that differ, each once
CREATE VIEW speedup AS
WITH asked AS MATERIALIZED (
    SELECT s.sample_id, s.point_id, s.run_id, s.fallback, r.oversubscribed
      FROM latest_sample AS s
      JOIN run AS r ON r.id = s.run_id
     WHERE s.is_anchor = 0 AND s.status = 'ok'),
observed AS MATERIALIZED (
    SELECT sample_id, phase, ns FROM phase_time WHERE phase IN ('attention', 'prefill', 'compute')),
timed AS ( -- the method's side: samples that count; the dense side: every ok dense sample of the run, anchors too.
    -- CROSS JOIN and IN keep the order: from a time to its sample by number, whatever the planner expects
    SELECT 0 AS is_dense, s.run_id, s.point_id, t.phase, t.ns
      FROM observed AS t
      CROSS JOIN sample AS s ON s.id = t.sample_id
     WHERE t.sample_id IN (SELECT sample_id FROM asked WHERE oversubscribed = 0)
    UNION ALL
    SELECT 1, s.run_id, s.point_id, t.phase, t.ns
      FROM observed AS t
      CROSS JOIN sample AS s ON s.id = t.sample_id
      CROSS JOIN point AS p ON p.id = s.point_id
      CROSS JOIN run AS r ON r.id = s.run_id
     WHERE p.method = 'dense' AND s.status = 'ok' AND r.oversubscribed = 0),
ranked AS (
    SELECT timed.*, row_number() OVER w AS k, count(*) OVER w AS n
      FROM timed
    WINDOW w AS (PARTITION BY is_dense, run_id, point_id, phase ORDER BY ns
                 ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)),
median AS (
    SELECT is_dense, run_id, point_id, phase, n, avg(ns) AS ns
      FROM ranked
     WHERE k IN ((n + 1) / 2, (n + 2) / 2)
     GROUP BY is_dense, run_id, point_id, phase),
run_time AS MATERIALIZED (
    SELECT is_dense, run_id, point_id,
           max(ns) FILTER (WHERE phase = 'attention') AS attention_ns, max(n) FILTER (WHERE phase = 'attention') AS attention_n,
           max(ns) FILTER (WHERE phase = 'prefill') AS prefill_ns, max(n) FILTER (WHERE phase = 'prefill') AS prefill_n,
           max(ns) FILTER (WHERE phase = 'compute') AS compute_ns
      FROM median
     GROUP BY is_dense, run_id, point_id),
paired AS (
    SELECT m.run_id, m.point_id, m.attention_ns, m.attention_n, m.prefill_ns, m.prefill_n, m.compute_ns,
           d.point_id AS dense_id, d.attention_ns AS dense_attention_ns, d.prefill_ns AS dense_prefill_ns,
           coalesce(d.attention_n, d.prefill_n) AS dense_n,
           row_number() OVER (PARTITION BY m.run_id, m.point_id
                              ORDER BY coalesce(d.attention_ns, d.prefill_ns), d.point_id) AS place
      FROM run_time AS m
      JOIN point AS p ON p.id = m.point_id
      JOIN run_time AS d ON d.is_dense = 1 AND d.run_id = m.run_id
      JOIN point AS q ON q.id = d.point_id
     WHERE m.is_dense = 0
       AND (q.experiment, q.model, q.model_json, q.suite, q.task, q.task_json, q.length_tokens, q.seed)
         = (p.experiment, p.model, p.model_json, p.suite, p.task, p.task_json, p.length_tokens, p.seed)
       AND (q.decode, q.ranks, q.backend, q.dtype) = (p.decode, p.ranks, p.backend, p.dtype)
       AND q.scheme = CASE p.scheme WHEN 'state' THEN 'allgather' ELSE p.scheme END),
best AS MATERIALIZED (SELECT * FROM paired WHERE place = 1),
dense_point AS ( -- out of canonical JSON by hand: a build that distrusts schemas refuses JSON functions in views
    SELECT id, CASE WHEN instr(method_json, '"impl":"') > 0
                    THEN substr(method_json, instr(method_json, '"impl":"') + 8,
                                instr(substr(method_json, instr(method_json, '"impl":"') + 8), '"') - 1)
                    ELSE 'native' END AS impl, layout
      FROM point WHERE method = 'dense'),
dense_kernel AS ( -- what ran; impl is what was asked for
    SELECT s.run_id, s.point_id, max(s.kernel) AS kernel
      FROM sample AS s
     WHERE (s.run_id, s.point_id) IN (SELECT run_id, dense_id FROM best)
     GROUP BY s.run_id, s.point_id),
flops_of_sample AS ( -- [quality_metrics B4], all layers
    SELECT s.id AS sample_id, s.run_id, s.point_id, sum(q.f_exec) AS f_exec, sum(q.f_est) AS f_est, sum(q.f_dense) AS f_dense
      FROM sample AS s
      JOIN quality AS q ON q.sample_id = s.id AND q.head_key = -1
     WHERE s.status = 'ok'
       AND (s.id IN (SELECT sample_id FROM asked)
            OR (s.run_id, s.point_id) IN (SELECT run_id, dense_id FROM best))
     GROUP BY s.id),
flops AS MATERIALIZED (
    SELECT run_id, point_id, avg(f_exec) AS f_exec, avg(f_exec + f_est) AS f_run, avg(f_dense) AS f_dense
      FROM flops_of_sample
     GROUP BY run_id, point_id),
rated AS ( -- FLOP per second of each run; fallback samples are in the times, so they are in the FLOP
    SELECT b.*, q.dtype, q.backend, c.flops_per_s AS ceiling,
           1e9 * w.f_run / nullif(b.attention_ns, 0) AS achieved, 1e9 * w.f_dense / nullif(b.attention_ns, 0) AS equivalent,
           1e9 * w.f_exec / nullif(b.compute_ns, 0) AS core, 1e9 * d.f_exec / nullif(b.dense_attention_ns, 0) AS dense_core,
           1e9 * d.f_dense / nullif(b.dense_attention_ns, 0) AS dense_rate
      FROM best AS b
      JOIN point AS q ON q.id = b.point_id
      LEFT JOIN flops AS w ON w.run_id = b.run_id AND w.point_id = b.point_id
      LEFT JOIN flops AS d ON d.run_id = b.run_id AND d.point_id = b.dense_id
      LEFT JOIN ceiling AS c ON c.run_id = b.run_id AND c.kind = 'matmul' -- CPU kernels widen bf16 and multiply in fp32
                            AND c.dtype = CASE q.backend WHEN 'cpu' THEN 'f32' ELSE q.dtype END),
ratio AS (
    SELECT b.point_id,
           sum(attention_n * dense_attention_ns / nullif(attention_ns, 0))
               / sum(attention_n) FILTER (WHERE dense_attention_ns / nullif(attention_ns, 0) IS NOT NULL) AS attention_x,
           sum(prefill_n * dense_prefill_ns / nullif(prefill_ns, 0))
               / sum(prefill_n) FILTER (WHERE dense_prefill_ns / nullif(prefill_ns, 0) IS NOT NULL) AS prefill_x,
           sum(attention_n * dense_attention_ns / nullif(compute_ns, 0))
               / sum(attention_n) FILTER (WHERE dense_attention_ns / nullif(compute_ns, 0) IS NOT NULL) AS compute_x,
           sum(attention_n * dense_attention_ns / nullif(attention_ns, 0) * (dense_rate / ceiling) / 0.60)
               / sum(attention_n) FILTER (WHERE dense_attention_ns / nullif(attention_ns, 0) * (dense_rate / ceiling) IS NOT NULL)
               AS attention_norm_x,
           sum(dense_n) AS dense_n, count(DISTINCT b.run_id) AS n_runs,
           group_concat(DISTINCT coalesce(k.kernel, d.impl)) AS dense_impl, group_concat(DISTINCT d.layout) AS dense_layout,
           avg(dense_rate / ceiling) AS dense_mfu,
           avg(achieved) / 1e12 AS achieved_tflops, avg(equivalent) / 1e12 AS equiv_tflops, avg(achieved / ceiling) AS mfu,
           avg(core / dense_core) AS kernel_efficiency
      FROM rated AS b
      JOIN dense_point AS d ON d.id = b.dense_id
      LEFT JOIN dense_kernel AS k ON k.run_id = b.run_id AND k.point_id = b.dense_id
     GROUP BY b.point_id),
repetitions AS (
    SELECT point_id, sum(coalesce(attention_n, prefill_n)) AS n FROM run_time WHERE is_dense = 0 GROUP BY point_id),
kept AS (
    SELECT a.point_id, CAST(sum(q.rho_num) AS REAL) / sum(q.rho_den) AS density, avg(q.recall_mean) AS recall,
           CAST(sum(q.f_exec + q.f_est) AS REAL) / sum(q.f_dense) AS flop_ratio
      FROM asked AS a
      JOIN quality AS q ON q.sample_id = a.sample_id
     WHERE a.fallback = 0 AND q.head_key = -1
     GROUP BY a.point_id),
anchor AS ( -- a repetition's time as phase_time has it, looked up by key: few samples have anchors
    SELECT n.sample_id, n.before_ns, n.after_ns, n.kernel,
           (SELECT coalesce(max(t.ns) FILTER (WHERE t.layer_key = -1), sum(t.ns))
              FROM timing AS t
             WHERE t.sample_id = n.sample_id AND t.phase = 'attention' AND t.is_warmup = 0 AND t.repetition = n.repetition) AS ns
      FROM anchor_timing AS n),
anchored AS ( -- one repetition beside the dense times right before and after it
    SELECT a.point_id, (n.before_ns + n.after_ns) / 2.0 / n.ns AS x, n.kernel,
           row_number() OVER w AS k, count(*) OVER w AS n
      FROM anchor AS n
      CROSS JOIN asked AS a ON a.sample_id = n.sample_id -- in this order, whatever the planner expects
     WHERE a.oversubscribed = 0 AND n.ns > 0
    WINDOW w AS (PARTITION BY a.point_id ORDER BY (n.before_ns + n.after_ns) / 2.0 / n.ns
                 ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)),
anchored_cell AS (
    SELECT point_id, avg(x) FILTER (WHERE k IN ((n + 1) / 2, (n + 2) / 2)) AS x, max(n) AS n,
           group_concat(DISTINCT kernel) AS kernel
      FROM anchored
     GROUP BY point_id),
cell AS (
    SELECT point_id, count(*) AS n_samples, sum(fallback) AS n_fallback, min(oversubscribed) AS all_oversubscribed
      FROM asked
     GROUP BY point_id)
SELECT p.method, p.method_json AS params, p.length_tokens AS length, p.ranks, p.backend, x.attention_x, x.prefill_x,
       k.density, k.recall, x.dense_impl, x.dense_mfu,
       CASE WHEN x.attention_x IS NOT NULL OR x.prefill_x IS NOT NULL THEN NULL
            WHEN c.all_oversubscribed THEN 'oversubscribed: ranks x threads exceed the cores'
            WHEN t.n IS NULL THEN 'no timed repetition'
            ELSE 'no dense time of the same run and cell' END AS reason,
       p.model, p.task, p.scheme AS sharding, p.layout, p.decode, coalesce(t.n, 0) AS n, x.dense_n, c.n_samples, c.n_fallback,
       p.suite, p.dtype, CASE WHEN p.seed >= 0 THEN p.seed ELSE printf('%u', p.seed) END AS seed,
       p.model_json AS model_params, p.task_json AS task_params, p.experiment, p.id AS point_id, p.hash AS point_hash,
       k.flop_ratio, 1 / nullif(k.flop_ratio, 0) AS ideal_speedup, x.compute_x, x.attention_norm_x, x.achieved_tflops,
       x.equiv_tflops, x.mfu, x.kernel_efficiency, y.x AS anchored_x, coalesce(y.n, 0) AS anchored_n, y.kernel AS anchor_impl,
       x.dense_layout
  FROM cell AS c
  JOIN point AS p ON p.id = c.point_id
  LEFT JOIN ratio AS x ON x.point_id = c.point_id
  LEFT JOIN anchored_cell AS y ON y.point_id = c.point_id
  LEFT JOIN repetitions AS t ON t.point_id = c.point_id
  LEFT JOIN kept AS k ON k.point_id = c.point_id;
