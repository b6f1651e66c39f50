-- What every point loses or gains beside dense on the same inputs (view pair_key says which dense), per metric: mean paired
-- difference with its 95 % interval, test, verdict; reason where there is none. Figures are stored (table comparison) and NULL when
-- scores changed since. p_holm: corrected over n_tests, all tests of the family (every method and task of one model, suite, length,
-- seed and machine axes); NULL while one of them is out of date.
--   n: pairs: inputs scored at both points
--   difference: [score] mean of point - dense: a loss is negative; NULL with reason
--   lo: [score] lower end of the 95 % interval of difference
--   hi: [score] upper end
--   test: mcnemar (scores 0 or 1) or paired_bootstrap
--   p: of the test, two-sided
--   p_holm: [REAL] corrected over n_tests; NULL while one of them is out of date
--   n_tests: [INTEGER] tests of the family
--   verdict: [TEXT] gain, non-inferior, loss, undecided; NULL with reason
--   reason: [TEXT] why there is no comparison
--   margin: [score] non-inferiority margin
--   non_inferior: 1: lo > -margin
--   resolution: [score] half width that 0/1 scores have at this discordance
--   b: pairs in which dense scores higher
--   c: pairs in which the point scores higher
--   n_unpaired: inputs that one of both has alone
--   n_differ: row numbers that stand at both with other content
--   base_id: dense point compared with; NULL: there is none
--   family: [INTEGER] tests that Holm corrects together: all methods and tasks of one model, suite, length and machine axes
CREATE VIEW losses AS
WITH k AS MATERIALIZED (
    SELECT y.*, c.n_tasks, c.n, c.n_unpaired, c.n_differ, c.b, c.c, c.kind, c.reason, c.difference, c.lo, c.hi, c.p, c.p_holm,
           c.margin, c.non_inferior, c.resolution,
           CASE WHEN y.base_id IS NULL THEN 0 ELSE c.point_id IS NULL END AS is_stale
      FROM pair_key AS y
      LEFT JOIN comparison AS c ON c.point_id = y.point_id AND c.scope = 'task' AND c.metric = y.metric
                               AND c.rows_key = y.rows_key),
f AS (
    SELECT k.*, count(p) OVER family AS n_tests, CASE WHEN max(is_stale) OVER family = 0 THEN p_holm END AS holm
      FROM k
    WINDOW family AS (PARTITION BY family))
SELECT p.method, p.method_json AS params, p.model, p.task, p.length_tokens AS length, p.ranks, p.scheme AS sharding,
       f.n, f.difference, f.lo, f.hi, (f.hi - f.lo) / 2 AS half_width, f.kind AS test, f.p, f.holm AS p_holm, f.n_tests,
       CASE WHEN f.kind IS NULL THEN NULL
            WHEN f.holm < 0.05 AND f.difference > 0 THEN 'gain'
            WHEN f.non_inferior THEN 'non-inferior'
            WHEN f.holm < 0.05 THEN 'loss'
            ELSE 'undecided' END AS verdict,
       CASE WHEN f.base_id IS NULL THEN 'no dense scores of the same cell'
            WHEN f.is_stale THEN 'scores changed since it was computed'
            ELSE f.reason END AS reason,
       f.margin, f.non_inferior, f.resolution, f.b, f.c, f.n_unpaired, f.n_differ, f.metric, p.backend,
       p.suite, p.decode, p.layout, p.dtype, CASE WHEN p.seed >= 0 THEN p.seed ELSE printf('%u', p.seed) END AS seed,
       p.model_json AS model_params, p.task_json AS task_params, p.experiment, p.id AS point_id, p.hash AS point_hash, f.base_id, f.family
  FROM f
  JOIN point AS p ON p.id = f.point_id;
