-- What is there of every point that was asked for: samples by status, and why some are not ok.
-- A point that only ever was an anchor is left out. status: ok (all), partial (some ok), failed, unsupported, no_fit, missing (no sample yet).
--   status: [TEXT] ok (all), partial (some), failed, unsupported, no_fit, missing (no sample yet)
--   n: [INTEGER] samples
--   n_ok: [INTEGER] of n
--   n_failed: [INTEGER] of n
--   n_unsupported: [INTEGER] of n: the method cannot
--   n_no_fit: [INTEGER] of n: not enough memory
--   reason: [TEXT] of one that is not ok, a failed one first
CREATE VIEW coverage AS
WITH counted AS ( -- an error stands exactly where status is not ok
    SELECT point_id, count(*) AS n, count(error) AS n_bad
      FROM latest_sample
     WHERE is_anchor = 0
     GROUP BY point_id),
bad AS (
    SELECT point_id, sum(status = 'failed') AS n_failed, sum(status = 'unsupported') AS n_unsupported, sum(status = 'no_fit') AS n_no_fit,
           coalesce(max(error) FILTER (WHERE status = 'failed'), max(error)) AS reason
      FROM latest_sample
     WHERE is_anchor = 0 AND status <> 'ok'
     GROUP BY point_id),
c AS (
    SELECT p.id AS point_id, coalesce(g.n, 0) AS n, coalesce(g.n - g.n_bad, 0) AS n_ok, coalesce(b.n_failed, 0) AS n_failed,
           coalesce(b.n_unsupported, 0) AS n_unsupported, coalesce(b.n_no_fit, 0) AS n_no_fit, b.reason
      FROM point AS p
      LEFT JOIN counted AS g ON g.point_id = p.id
      LEFT JOIN bad AS b ON b.point_id = p.id)
SELECT p.method, p.method_json AS params, p.model, p.task, p.length_tokens AS length, p.ranks, p.scheme AS sharding,
       CASE WHEN c.n = 0 THEN 'missing'
            WHEN c.n_ok = c.n THEN 'ok'
            WHEN c.n_ok > 0 THEN 'partial'
            WHEN c.n_failed > 0 THEN 'failed'
            WHEN c.n_no_fit > 0 THEN 'no_fit'
            ELSE 'unsupported' END AS status,
       c.n, c.n_ok, c.n_failed, c.n_unsupported, c.n_no_fit, c.reason, p.backend,
       p.suite, p.decode, p.layout, p.dtype, CASE WHEN p.seed >= 0 THEN p.seed ELSE printf('%u', p.seed) END AS seed,
       p.model_json AS model_params, p.task_json AS task_params, p.experiment, p.id AS point_id, p.hash AS point_hash
  FROM c
  JOIN point AS p ON p.id = c.point_id
 WHERE c.n > 0 OR NOT EXISTS (SELECT 1 FROM sample AS a WHERE a.point_id = p.id);
