-- Depth x length x method: of the needles that stand at a depth (tenths of the context: 0.3 is [0.3, 0.4)), how many answers were
-- found, what share of their keys the question rows see in the selection (mean over layers), and what share of the attention mass
-- that dense attention gives them there. A failed sample finds nothing; samples where the method fell back to dense are left out
-- of key_recall and mass_recall. Where a metric tells no hits by reference (a needle's key phrase), a score of 1 has found all of
-- an input's needles and one of 0 none; other scores leave found open. lo and hi are Wilson's (the root: accuracy): needles of one input
-- count as so many.
--   depth: [REAL, 0..0.9] tenth of the context: 0.3 is [0.3, 0.4)
--   n: [INTEGER] needles
--   found: [REAL, 0..1] share of answers that have them; NULL: neither hits nor scores of 0 or 1
--   key_recall: [REAL, 0..1] share of their keys that the question rows see, mean over layers
--   mass_recall: [REAL, 0..1] dense attention mass on them that is kept
--   mass: [REAL] dense attention mass on them
--   n_samples: [INTEGER] ok and failed samples
--   lo: [REAL, 0..1] lower end of the 95 % interval of found
--   hi: [REAL, 0..1] upper end
CREATE VIEW needle_recall AS
WITH placed AS (
    SELECT s.sample_id, s.point_id, s.status, s.fallback, p.span_no,
           min(CAST(p.depth * 10 AS INTEGER), 9) AS tenth,
           CASE WHEN s.status = 'failed' THEN 0
                WHEN h.hit IS NOT NULL THEN h.hit
                WHEN EXISTS (SELECT 1 FROM hit AS o WHERE o.sample_id = s.sample_id) THEN 0
                ELSE (SELECT max(c.value) FROM score AS c WHERE c.sample_id = s.sample_id AND c.is_binary) END AS hit
      FROM latest_sample AS s
      JOIN span AS p ON p.input_id = s.input_id
      LEFT JOIN hit AS h ON h.sample_id = s.sample_id AND h.ref_no = p.ref_no
     WHERE s.is_anchor = 0 AND s.status IN ('ok', 'failed') AND p.kind = 'needle'),
found AS (
    SELECT point_id, tenth, count(*) AS n, count(DISTINCT sample_id) AS n_samples, avg(hit) AS found,
           count(hit) AS n_told, 1.0 * sum(hit) AS k
      FROM placed
     GROUP BY point_id, tenth),
spread AS (
    SELECT f.*, (WITH RECURSIVE root(i, x) AS (
                     SELECT 0, (1 + k * (n_told - k) / n_told + 3.8414588206941236 / 4) / 2
                     UNION ALL
                     SELECT i + 1, (x + (k * (n_told - k) / n_told + 3.8414588206941236 / 4) / x) / 2 FROM root WHERE i < 32)
                 SELECT x FROM root WHERE i = 32) AS root_v
      FROM found AS f),
seen AS (
    SELECT p.point_id, p.tenth, avg(n.key_recall) AS key_recall, avg(n.mass) AS mass,
           sum(n.mass_kept) / nullif(sum(n.mass), 0) AS mass_recall
      FROM placed AS p
      JOIN needle AS n ON n.sample_id = p.sample_id AND n.span_no = p.span_no
     WHERE p.fallback = 0
     GROUP BY p.point_id, p.tenth)
SELECT q.method, q.method_json AS params, q.model, q.task, q.length_tokens AS length, q.ranks, q.scheme AS sharding,
       f.tenth / 10.0 AS depth, f.n, f.found, s.key_recall, s.mass_recall, s.mass, f.n_samples, q.backend,
       q.suite, q.decode, q.layout, q.dtype, CASE WHEN q.seed >= 0 THEN q.seed ELSE printf('%u', q.seed) END AS seed,
       q.model_json AS model_params, q.task_json AS task_params, q.experiment, q.id AS point_id, q.hash AS point_hash,
       max(0.0, (f.k + 3.8414588206941236 / 2 - 1.9599639845400545 * f.root_v) / (f.n_told + 3.8414588206941236)) AS lo,
       min(1.0, (f.k + 3.8414588206941236 / 2 + 1.9599639845400545 * f.root_v) / (f.n_told + 3.8414588206941236)) AS hi
  FROM spread AS f
  JOIN point AS q ON q.id = f.point_id
  LEFT JOIN seen AS s ON s.point_id = f.point_id AND s.tenth IS f.tenth;
