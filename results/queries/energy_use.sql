-- Energy of the devices over the timed repetitions, where the driver tells it and they lasted long enough to read the counter.
-- joules: of one repetition, mean over all of them; above_idle_joules: less what the idle device would have used in that time.
-- error: the counter's step twice, as a share of the duration. Newest runs; warm-ups left out.
--   phase: prefill or decode
--   n: [INTEGER] repetitions
--   joules: [REAL, J] of one repetition, mean
--   above_idle_joules: [REAL, J] less what the idle device uses in that time
--   watts: [REAL, W] mean over the repetitions
--   idle_watts: [REAL, W] of the same device with nothing to do, before the run
--   error: [REAL] two steps of the counter / duration, the largest
--   device: accelerator
CREATE VIEW energy_use AS
SELECT p.method, p.method_json AS params, p.model, p.task, p.length_tokens AS length, p.ranks, p.scheme AS sharding, p.backend,
       e.phase, count(*) AS n_samples, sum(e.repetitions) AS n,
       sum(e.millijoules) / 1e3 / sum(e.repetitions) AS joules,
       sum(e.millijoules - e.idle_mw * (e.duration_ns / 1e9)) / 1e3 / sum(e.repetitions) AS above_idle_joules,
       sum(e.millijoules) / (sum(e.duration_ns) / 1e6) AS watts, avg(e.idle_mw) / 1e3 AS idle_watts,
       max(2.0 * e.step_ns / e.duration_ns) AS error, r.device, p.suite, p.decode, p.layout, p.dtype,
       CASE WHEN p.seed >= 0 THEN p.seed ELSE printf('%u', p.seed) END AS seed, p.model_json AS model_params,
       p.task_json AS task_params, p.experiment, p.id AS point_id, p.hash AS point_hash
  FROM latest_sample AS s
  JOIN energy AS e ON e.sample_id = s.sample_id
  JOIN run AS r ON r.id = s.run_id
  JOIN point AS p ON p.id = s.point_id
 WHERE s.status = 'ok' AND e.repetitions IS NOT NULL
 GROUP BY p.id, r.device, e.phase;
