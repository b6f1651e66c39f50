-- The same as losses for the mean over the tasks of a set: mean over tasks of the mean paired differences. Family of p_holm: every
-- method of one model, suite, length, seed and machine axes.
--   n_tasks: [INTEGER] tasks of the mean
--   n: pairs of all tasks
--   difference: [score] mean over tasks of point - dense: a loss is negative; NULL with reason
--   lo: [score] lower end of the 95 % interval of difference
--   hi: [score] upper end
--   test: paired_bootstrap, stratified by task, or mcnemar (one task of scores 0 or 1)
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
--   family: [INTEGER] tests that Holm corrects together: all methods of one model, suite, length and machine axes
CREATE VIEW losses_mean AS
WITH k AS MATERIALIZED (
    SELECT q.group_id, q.set_id, q.n_tasks, q.reason AS no_mean, y.n_parts, y.n_based, c.n, c.n_unpaired, c.n_differ, c.b, c.c,
           c.kind, c.reason, c.difference, c.lo, c.hi, c.p, c.p_holm, c.margin, c.non_inferior, c.resolution,
           CASE WHEN q.reason IS NOT NULL OR y.n_based < y.n_parts THEN 0 ELSE c.point_id IS NULL END AS is_stale
      FROM mean_pair_key AS y
      JOIN mean_key AS q ON q.group_id = y.group_id
      LEFT JOIN comparison AS c ON c.point_id = q.group_id AND c.scope = 'mean' AND c.rows_key = y.rows_key
                               AND q.reason IS NULL AND y.n_based = y.n_parts),
f AS (
    SELECT k.*, count(p) OVER family AS n_tests, CASE WHEN max(is_stale) OVER family = 0 THEN p_holm END AS holm
      FROM k
    WINDOW family AS (PARTITION BY set_id))
SELECT p.method, p.method_json AS params, p.model, p.suite, p.length_tokens AS length, p.ranks, p.scheme AS sharding, f.n_tasks,
       f.n, f.difference, f.lo, f.hi, (f.hi - f.lo) / 2 AS half_width, f.kind AS test, f.p, f.holm AS p_holm, f.n_tests,
       CASE WHEN f.kind IS NULL THEN NULL
            WHEN f.holm < 0.05 AND f.difference > 0 THEN 'gain'
            WHEN f.non_inferior THEN 'non-inferior'
            WHEN f.holm < 0.05 THEN 'loss'
            ELSE 'undecided' END AS verdict,
       CASE WHEN f.no_mean IS NOT NULL THEN f.no_mean
            WHEN f.n_based < f.n_parts THEN 'dense has scores of ' || f.n_based || ' of ' || f.n_parts || ' tasks'
            WHEN f.is_stale THEN 'scores changed since it was computed'
            ELSE f.reason END AS reason,
       f.margin, f.non_inferior, f.resolution, f.b, f.c, f.n_unpaired, f.n_differ, p.backend, p.decode, p.layout, p.dtype,
       CASE WHEN p.seed >= 0 THEN p.seed ELSE printf('%u', p.seed) END AS seed, p.model_json AS model_params, p.experiment,
       f.group_id, f.set_id AS family
  FROM f
  JOIN point AS p ON p.id = f.group_id;
