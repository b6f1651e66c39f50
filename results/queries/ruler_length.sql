-- RULER's figure of a length: the mean over its 13 tasks, NULL with a reason unless all 13 are there with equal numbers of samples.
--   n_tasks: [INTEGER] of RULER's 13 that have scores
--   n: [INTEGER] samples a task; NULL with reason
--   n_total: [INTEGER] samples of all tasks
--   score: [REAL, 0..1] mean over the 13 tasks; NULL with reason
--   lo: [REAL, 0..1] lower end of the 95 % interval
--   hi: [REAL, 0..1] upper end
--   interval_kind: [TEXT] stratified bootstrap
--   reason: [TEXT] why score or interval is NULL
--   n_failed: [INTEGER] of n_total
CREATE VIEW ruler_length AS
SELECT method, params, model, length, ranks, sharding, n_tasks, CASE WHEN n_tasks = 13 THEN n END AS n, n_total,
       CASE WHEN n_tasks = 13 THEN score END AS score, CASE WHEN n_tasks = 13 THEN lo END AS lo,
       CASE WHEN n_tasks = 13 THEN hi END AS hi, CASE WHEN n_tasks = 13 THEN half_width END AS half_width,
       CASE WHEN n_tasks = 13 THEN interval_kind END AS interval_kind,
       CASE WHEN n_tasks = 13 THEN reason ELSE n_tasks || ' of the 13 tasks have scores' END AS reason,
       n_failed, backend, decode, layout, dtype, seed, model_params, untrained, experiment, group_id
  FROM accuracy_mean
 WHERE suite = 'ruler';
