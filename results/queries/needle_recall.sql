-- Depth x length x method: of the needles that stand at a depth (tenths of the context: 0.3 is [0.3, 0.4)), how many answers were
-- found, what share of their keys the question rows see in the selection (mean over layers), and what share of the attention mass
-- that dense attention gives them there. A failed sample finds nothing; samples where the method fell back to dense are left out
-- of key_recall and mass_recall.
--   depth: [REAL, 0..0.9] tenth of the context: 0.3 is [0.3, 0.4)
--   n: [INTEGER] needles
--   found: [REAL, 0..1] share of answers that have them
--   key_recall: [REAL, 0..1] share of their keys that the question rows see, mean over layers
--   mass_recall: [REAL, 0..1] dense attention mass on them that is kept
--   mass: [REAL] dense attention mass on them
--   n_samples: [INTEGER] ok and failed samples
CREATE VIEW needle_recall AS
WITH placed AS (
    SELECT s.sample_id, s.point_id, s.status, s.fallback, p.span_no,
           min(CAST(p.depth * 10 AS INTEGER), 9) AS tenth,
           coalesce(h.hit, 0) AS hit
      FROM latest_sample AS s
      JOIN span AS p ON p.input_id = s.input_id
      LEFT JOIN hit AS h ON h.sample_id = s.sample_id AND h.ref_no = p.ref_no
     WHERE s.is_anchor = 0 AND s.status IN ('ok', 'failed') AND p.kind = 'needle'),
found AS (
    SELECT point_id, tenth, count(*) AS n, count(DISTINCT sample_id) AS n_samples, avg(hit) AS found
      FROM placed
     GROUP BY point_id, tenth),
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
       q.model_json AS model_params, q.task_json AS task_params, q.experiment, q.id AS point_id, q.hash AS point_hash
  FROM found AS f
  JOIN point AS q ON q.id = f.point_id
  LEFT JOIN seen AS s ON s.point_id = f.point_id AND s.tenth IS f.tenth;
