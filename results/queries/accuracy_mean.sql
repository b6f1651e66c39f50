-- Mean score over the tasks of a set, each task weighing the same, with the interval of the stratified bootstrap. The set is every
-- task that any method has scores of under the same model, suite, length, seed and machine axes: a mean over fewer, or over
-- unequal numbers of samples, is NULL and reason says so.
--   n_tasks: [INTEGER] tasks that have scores
--   n: [INTEGER] samples a task; NULL with reason
--   n_total: [INTEGER] samples of all tasks
--   score: [REAL, 0..1] mean over tasks, each weighing the same; NULL with reason
--   lo: lower end of the 95 % interval
--   hi: upper end
--   interval_kind: [TEXT] stratified bootstrap
--   reason: [TEXT] why score or interval is NULL
--   n_failed: [INTEGER] of n_total
--   chance: [REAL] mean over tasks; NULL: unknown of one
--   n_set: [INTEGER] tasks there should be
CREATE VIEW accuracy_mean AS
SELECT p.method, p.method_json AS params, p.model, p.suite, p.length_tokens AS length, p.ranks, p.scheme AS sharding,
       k.n_tasks, CASE WHEN k.reason IS NULL THEN k.n END AS n, k.n_total,
       CASE WHEN k.reason IS NULL THEN k.score END AS score, -- equal numbers: the mean of all is the mean of the tasks' means
       i.lo, i.hi, (i.hi - i.lo) / 2 AS half_width,
       CASE WHEN i.lo IS NOT NULL THEN 'stratified bootstrap' END AS interval_kind,
       coalesce(k.reason, CASE WHEN i.lo IS NULL THEN 'scores changed since the interval was computed' END) AS reason,
       k.n_failed, CASE WHEN k.reason IS NULL THEN k.chance END AS chance, k.n_set, p.backend, p.decode, p.layout, p.dtype,
       CASE WHEN p.seed >= 0 THEN p.seed ELSE printf('%u', p.seed) END AS seed, p.model_json AS model_params,
       1 - p.training_free AS untrained, p.experiment, k.group_id
  FROM mean_key AS k
  JOIN point AS p ON p.id = k.group_id
  LEFT JOIN mean_interval AS i ON i.point_id = k.group_id AND i.rows_key = k.rows_key AND k.reason IS NULL;
