-- Times of every point, device and phase in ms: median, p95 (nearest rank), extremes and interquartile range over repetitions.
-- Repetitions of ok samples of the newest runs, warm-ups left out; a repetition is the sum over layers where rows are by layer.
CREATE VIEW latency AS
WITH observed AS (
    SELECT s.point_id, s.is_anchor, coalesce(nullif(r.device, ''), r.cpu) AS device, r.oversubscribed, t.phase, t.ns
      FROM phase_time AS t
      JOIN latest_sample AS s ON s.sample_id = t.sample_id
      JOIN run AS r ON r.id = s.run_id
     WHERE s.status = 'ok' AND t.phase <> 'load'),
ranked AS (
    SELECT observed.*, row_number() OVER (PARTITION BY point_id, is_anchor, device, oversubscribed, phase ORDER BY ns) AS k,
           count(*) OVER (PARTITION BY point_id, is_anchor, device, oversubscribed, phase) AS n
      FROM observed),
q AS (
    SELECT point_id, is_anchor, device, oversubscribed, phase, n,
           avg(ns) FILTER (WHERE k IN ((n + 1) / 2, (n + 2) / 2)) AS median_ns,
           min(ns) FILTER (WHERE k = (95 * n + 99) / 100) AS p95_ns,
           min(ns) AS min_ns, max(ns) AS max_ns,
           min(ns) FILTER (WHERE k = (3 * n + 3) / 4) - min(ns) FILTER (WHERE k = (n + 3) / 4) AS iqr_ns
      FROM ranked
     GROUP BY point_id, is_anchor, device, oversubscribed, phase)
SELECT p.method, p.method_json AS params, p.model, p.task, p.length_tokens AS length, p.ranks, p.scheme AS sharding, p.backend,
       q.phase, q.n, q.median_ns / 1e6 AS median_ms, q.p95_ns / 1e6 AS p95_ms, q.min_ns / 1e6 AS min_ms,
       q.max_ns / 1e6 AS max_ms, q.iqr_ns / 1e6 AS iqr_ms, q.device, q.oversubscribed, q.is_anchor,
       p.suite, p.decode, p.layout, p.dtype, CASE WHEN p.seed >= 0 THEN p.seed ELSE printf('%u', p.seed) END AS seed,
       p.model_json AS model_params, p.task_json AS task_params, p.experiment, p.id AS point_id, p.hash AS point_hash
  FROM q
  JOIN point AS p ON p.id = q.point_id;
