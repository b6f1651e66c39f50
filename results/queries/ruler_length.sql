-- RULER's figure of a length: the mean over its 13 tasks, NULL with a reason unless all 13 are there with equal numbers of samples.
CREATE VIEW ruler_length AS
SELECT method, params, model, length, ranks, sharding, n_tasks, CASE WHEN n_tasks = 13 THEN n END AS n, n_total,
       CASE WHEN n_tasks = 13 THEN score END AS score, CASE WHEN n_tasks = 13 THEN lo END AS lo,
       CASE WHEN n_tasks = 13 THEN hi END AS hi, CASE WHEN n_tasks = 13 THEN half_width END AS half_width,
       CASE WHEN n_tasks = 13 THEN interval_kind END AS interval_kind,
       CASE WHEN n_tasks = 13 THEN reason ELSE n_tasks || ' of the 13 tasks have scores' END AS reason,
       n_failed, backend, decode, layout, dtype, seed, model_params, untrained, experiment, group_id
  FROM accuracy_mean
 WHERE suite = 'ruler';
