-- Points by status, a line a method and model.
SELECT model || char(31) || model_params AS model, experiment, method || char(31) || params AS method, count(*) AS n_points,
       total(status = 'ok') AS n_ok, total(status = 'partial') AS n_partial, total(status = 'failed') AS n_failed,
       total(status = 'unsupported') AS n_unsupported, total(status = 'no_fit') AS n_no_fit, total(status = 'missing') AS n_missing,
       sum(n) AS n_samples, sum(n_ok) AS n_samples_ok
  FROM coverage AS v
 GROUP BY 1, 2, 3
 ORDER BY 1, 2, v.method <> 'dense', 3;
