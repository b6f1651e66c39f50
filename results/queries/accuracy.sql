-- Score of every point in [0,1] with its 95 % interval: Wilson where the metric is 0 or 1, stored bootstrap where it is a fraction.
-- A failed sample counts with score 0 (n_failed of n). The square root in Wilson's interval is Newton's iteration, since stock
-- builds of SQLite may lack sqrt(): w.v = k (n - k) / n + z^2 / 4 is at least 0.96 and the start lies above the root.
--   n: [INTEGER] samples, failed ones too
--   score: [REAL, 0..1] mean; a failed sample counts 0
--   lo: [REAL, 0..1] lower end of the 95 % interval; NULL: not computed, or scores changed since
--   hi: [REAL, 0..1] upper end
--   interval_kind: [TEXT] wilson (metric 0 or 1) or bootstrap (stored)
--   n_failed: [INTEGER] of n
--   chance: expected score of guessing; NULL: unknown
CREATE VIEW accuracy AS
WITH w AS (
    SELECT a.*, k * (n - k) / n + 3.8414588206941236 / 4 AS v FROM interval_key AS a),
r AS (
    SELECT w.*, CASE WHEN is_binary THEN
               (WITH RECURSIVE root(i, x) AS (
                    SELECT 0, (1 + w.v) / 2
                    UNION ALL
                    SELECT i + 1, (x + w.v / x) / 2 FROM root WHERE i < 32)
                SELECT x FROM root WHERE i = 32) END AS root_v
      FROM w),
b AS (
    SELECT r.*, i.lo AS b_lo, i.hi AS b_hi
      FROM r
      LEFT JOIN interval AS i ON i.point_id = r.point_id AND i.metric = r.metric AND i.rows_key = r.rows_key),
c AS (
    SELECT b.*,
           CASE WHEN is_binary
                THEN max(0.0, (k + 3.8414588206941236 / 2 - 1.9599639845400545 * root_v) / (n + 3.8414588206941236))
                ELSE b_lo END AS lo,
           CASE WHEN is_binary
                THEN min(1.0, (k + 3.8414588206941236 / 2 + 1.9599639845400545 * root_v) / (n + 3.8414588206941236))
                ELSE b_hi END AS hi
      FROM b)
SELECT p.method, p.method_json AS params, p.model, p.task, p.length_tokens AS length, p.ranks, p.scheme AS sharding,
       c.n, c.score, c.lo, c.hi, (c.hi - c.lo) / 2 AS half_width,
       CASE WHEN c.is_binary THEN 'wilson' WHEN c.lo IS NOT NULL THEN 'bootstrap' END AS interval_kind,
       c.n_failed, p.chance, c.metric, p.suite, p.decode, p.layout, p.backend, p.dtype,
       CASE WHEN p.seed >= 0 THEN p.seed ELSE printf('%u', p.seed) END AS seed,
       1 - p.training_free AS untrained, p.model_json AS model_params, p.task_json AS task_params, p.experiment,
       p.id AS point_id, p.hash AS point_hash
  FROM c
  JOIN point AS p ON p.id = c.point_id;
