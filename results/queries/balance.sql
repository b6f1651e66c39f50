-- How evenly a prefill's work lay on the ranks, and what moved between them; layers weigh by their work. imbalance: most work of a
-- rank / mean; step_imbalance: the same where every step of a ring waits for its slowest rank; lpt_imbalance: of a greedy deal of
-- the same rows, a lower end for layouts; phi: share of other ranks' keys that the selection needs. Newest runs of several ranks.
CREATE VIEW balance AS
WITH layers AS (
    SELECT w.sample_id, sum(w.work_max) AS work_max, sum(w.work_sum) AS work_sum, sum(w.step_work) AS step_work,
           sum(w.lpt_max) AS lpt_max, sum(w.keys_needed) AS keys_needed, sum(w.keys_foreign) AS keys_foreign,
           sum(w.fetched) AS fetched, count(w.fetched) AS n_fetch
      FROM rank_work AS w
     GROUP BY w.sample_id)
SELECT p.method, p.method_json AS params, p.model, p.task, p.length_tokens AS length, p.ranks, p.scheme AS sharding,
       1.0 * p.ranks * sum(w.work_max) / nullif(sum(w.work_sum), 0) AS imbalance,
       1.0 * p.ranks * sum(w.step_work) / nullif(sum(w.work_sum), 0) AS step_imbalance,
       1.0 * p.ranks * sum(w.lpt_max) / nullif(sum(w.work_sum), 0) AS lpt_imbalance,
       1.0 * sum(w.keys_needed) / nullif(sum(w.keys_foreign), 0) AS phi,
       1.0 * sum(w.fetched) / nullif(sum(w.n_fetch), 0) AS fetched,
       avg(c.exposed_ns) / 1e6 AS exposed_ms, avg(c.received_bytes) AS received_bytes, avg(c.sent_bytes) AS sent_bytes,
       count(*) AS n_samples, p.backend,
       p.suite, p.decode, p.layout, p.dtype, CASE WHEN p.seed >= 0 THEN p.seed ELSE printf('%u', p.seed) END AS seed,
       p.model_json AS model_params, p.task_json AS task_params, p.experiment, p.id AS point_id, p.hash AS point_hash
  FROM latest_sample AS s
  JOIN layers AS w ON w.sample_id = s.sample_id
  JOIN point AS p ON p.id = s.point_id
  LEFT JOIN comm AS c ON c.sample_id = s.sample_id AND c.phase = 'prefill'
 WHERE s.status = 'ok'
 GROUP BY p.id;
