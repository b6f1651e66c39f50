-- Attention on R ranks beside the same on one rank with an R-th of the tokens: as many tokens a rank. A causal method that keeps a
-- share of the pairs has more to do per rank then, so times are compared per work: efficiency = base_ms x (work / base_work) / ranks
-- / median_ms. base_ms is the method's best time on one rank at length / ranks tokens, in whatever sharding and layout (there they play no part),
-- with all else equal: method, params, model, task, seed, decode, backend, dtype, device. work: query-key pairs that the selection
-- keeps, over heads and layers, as counted from the index, mean over samples; of methods without an index (linear) the tokens, so
-- that the quotient is `ranks`. Where no such run on one rank was timed there is no row. Oversubscribed times are left out; of a
-- model attention alone, since its other work grows with tokens.
--   n: [INTEGER] repetitions, of all samples together
--   median_ms: [REAL, ms] over repetitions, phase attention
--   base_length: [INTEGER, tokens] length / ranks
--   base_n: [INTEGER] repetitions on one rank
--   base_ms: [REAL, ms] median on one rank at base_length tokens
--   work_unit: [TEXT] pairs, or tokens of a method without an index; NULL with reason
--   work: [REAL] of one sample
--   base_work: [REAL] the same of the run on one rank
--   ideal_ms: [REAL, ms] base_ms x (work / base_work) / ranks
--   efficiency: [REAL] ideal_ms / median_ms; NULL with reason
--   strong_base_ms: [REAL, ms] the best on one rank at the full length; NULL: none was timed
--   strong_efficiency: [REAL] strong_base_ms / ranks / median_ms
--   reason: [TEXT] why efficiency is NULL
--   device: [TEXT] accelerator, or processor on the CPU
--   base_sharding: [TEXT] of the run on one rank, with its layout
CREATE VIEW weak_scaling AS
WITH cell AS (
    SELECT id, ranks, length_tokens, experiment, model, model_json, suite, task, task_json, seed, method, method_json, decode,
           backend, dtype
      FROM point),
pair AS MATERIALIZED ( -- from points alone: both baselines of each that has several ranks
    SELECT m.id AS point_id, o.id AS base_id, o.length_tokens = m.length_tokens AS is_strong
      FROM cell AS m
      JOIN cell AS o USING (experiment, model, model_json, suite, task, task_json, seed, method, method_json, decode, backend, dtype)
     WHERE m.ranks > 1 AND o.ranks = 1
       AND (o.length_tokens * m.ranks = m.length_tokens OR o.length_tokens = m.length_tokens)),
timed AS MATERIALIZED (
    SELECT point_id, device, n, median_ms, sharding || ' ' || layout AS placed
      FROM latency
     WHERE phase = 'attention' AND is_anchor = 0 AND oversubscribed = 0),
based AS (
    SELECT p.point_id, p.is_strong, m.device, m.n, m.median_ms, p.base_id, o.n AS base_n, o.median_ms AS base_ms, o.placed,
           row_number() OVER (PARTITION BY p.point_id, m.device, p.is_strong ORDER BY o.median_ms, p.base_id) AS k
      FROM pair AS p
      JOIN timed AS m ON m.point_id = p.point_id
      JOIN timed AS o ON o.point_id = p.base_id AND o.device = m.device),
best AS MATERIALIZED (
    SELECT * FROM based WHERE k = 1),
of_sample AS (
    SELECT s.point_id, count(*) AS n_layers, count(q.rho_num) AS n_index, sum(q.rho_num) AS pairs
      FROM latest_sample AS s
      JOIN quality AS q ON q.sample_id = s.sample_id AND q.head_key = -1
     WHERE s.is_anchor = 0 AND s.status = 'ok'
     GROUP BY s.sample_id),
worked AS MATERIALIZED ( -- layers with and without an index have no common unit
    SELECT o.point_id, CASE sum(o.n_index) WHEN sum(o.n_layers) THEN 'pairs' WHEN 0 THEN 'tokens' END AS unit,
           CASE sum(o.n_index) WHEN sum(o.n_layers) THEN avg(o.pairs) WHEN 0 THEN 1.0 * p.length_tokens END AS work
      FROM of_sample AS o
      JOIN point AS p ON p.id = o.point_id
     GROUP BY o.point_id),
ideal AS (
    SELECT b.*, w.unit, w.work, v.work AS base_work, b.base_ms * (w.work / nullif(v.work, 0)) / p.ranks AS ideal_ms
      FROM best AS b
      JOIN point AS p ON p.id = b.point_id
      LEFT JOIN worked AS w ON w.point_id = b.point_id
      LEFT JOIN worked AS v ON v.point_id = b.base_id AND v.unit = w.unit
     WHERE b.is_strong = 0)
SELECT p.method, p.method_json AS params, p.model, p.task, p.length_tokens AS length, p.ranks, p.scheme AS sharding, p.backend,
       i.n, i.median_ms, p.length_tokens / p.ranks AS base_length, i.base_n, i.base_ms, i.unit AS work_unit, i.work, i.base_work,
       i.ideal_ms, i.ideal_ms / nullif(i.median_ms, 0) AS efficiency, s.base_ms AS strong_base_ms,
       s.base_ms / p.ranks / nullif(i.median_ms, 0) AS strong_efficiency,
       CASE WHEN i.ideal_ms IS NULL THEN 'the work of one of the runs is not known: no counts of its index, or not in the unit of the other'
            END AS reason,
       i.device, i.placed AS base_sharding, p.suite, p.decode, p.layout, p.dtype,
       CASE WHEN p.seed >= 0 THEN p.seed ELSE printf('%u', p.seed) END AS seed, p.model_json AS model_params,
       p.task_json AS task_params, p.experiment, p.id AS point_id, p.hash AS point_hash
  FROM ideal AS i
  JOIN point AS p ON p.id = i.point_id
  LEFT JOIN best AS s ON s.point_id = i.point_id AND s.device = i.device AND s.is_strong = 1;
