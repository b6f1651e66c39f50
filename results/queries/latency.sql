-- Times of every point, device and phase in ms: median, p95 (nearest rank), extremes and interquartile range over repetitions.
-- Repetitions of ok samples of the newest runs, warm-ups left out; a repetition is the sum over layers where rows are by layer.
--   phase: estimate, select, permute, compute, communicate, attention (the operator, made of those five), prefill (to the first token), decode_token
--   n: [INTEGER] repetitions, of all samples together
--   median_ms: [REAL, ms] over repetitions
--   p95_ms: [REAL, ms] 95th percentile, nearest rank
--   min_ms: [REAL, ms] fastest
--   max_ms: [REAL, ms] slowest
--   iqr_ms: [REAL, ms] third quartile - first
--   device: [TEXT] accelerator, or processor on the CPU
--   oversubscribed: 1: ranks x threads > cores on some host
--   is_anchor: [INTEGER] 1: dense, timed only so that others have a time beside them
CREATE VIEW latency AS
WITH machine AS MATERIALIZED ( -- runs on equal devices, flagged or not, as one number
    SELECT id AS run_id, oversubscribed, coalesce(nullif(device, ''), cpu) AS device,
           min(id) OVER (PARTITION BY coalesce(nullif(device, ''), cpu), oversubscribed) AS machine
      FROM run),
counted AS MATERIALIZED (
    SELECT s.sample_id, 2 * s.point_id + s.is_anchor AS cell, m.machine
      FROM latest_sample AS s
      JOIN machine AS m ON m.run_id = s.run_id
     WHERE s.status = 'ok'),
ranked AS (
    SELECT c.cell, c.machine, t.phase, t.ns, row_number() OVER w AS k, count(*) OVER w AS n
      FROM phase_time AS t
      JOIN counted AS c ON c.sample_id = t.sample_id
     WHERE t.phase <> 'load'
    WINDOW w AS (PARTITION BY c.cell, c.machine, t.phase ORDER BY t.ns
                 ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)),
q AS ( -- only the ranks that some figure is made of; a window, not GROUP BY, lets "WHERE phase = ..." reach the raw rows
    SELECT cell / 2 AS point_id, cell % 2 AS is_anchor, machine, phase, n, k,
           avg(ns) FILTER (WHERE k IN ((n + 1) / 2, (n + 2) / 2)) OVER g AS median_ns,
           min(ns) FILTER (WHERE k = (95 * n + 99) / 100) OVER g AS p95_ns,
           min(ns) OVER g AS min_ns, max(ns) OVER g AS max_ns,
           min(ns) FILTER (WHERE k = (3 * n + 3) / 4) OVER g - min(ns) FILTER (WHERE k = (n + 3) / 4) OVER g AS iqr_ns
      FROM ranked
     WHERE k IN (1, n, (n + 1) / 2, (n + 2) / 2, (95 * n + 99) / 100, (3 * n + 3) / 4, (n + 3) / 4)
    WINDOW g AS (PARTITION BY cell, machine, phase))
SELECT p.method, p.method_json AS params, p.model, p.task, p.length_tokens AS length, p.ranks, p.scheme AS sharding, p.backend,
       q.phase, q.n, q.median_ns / 1e6 AS median_ms, q.p95_ns / 1e6 AS p95_ms, q.min_ns / 1e6 AS min_ms,
       q.max_ns / 1e6 AS max_ms, q.iqr_ns / 1e6 AS iqr_ms, m.device, m.oversubscribed, q.is_anchor,
       p.suite, p.decode, p.layout, p.dtype, CASE WHEN p.seed >= 0 THEN p.seed ELSE printf('%u', p.seed) END AS seed,
       p.model_json AS model_params, p.task_json AS task_params, p.experiment, p.id AS point_id, p.hash AS point_hash
  FROM q
  JOIN machine AS m ON m.run_id = q.machine
  JOIN point AS p ON p.id = q.point_id
 WHERE q.k = 1;
