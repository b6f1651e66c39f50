-- What is not there and why: every reason, with the points it stands at.
SELECT p.method || char(31) || p.method_json AS method, p.model || char(31) || p.model_json AS model, f.status, f.reason,
       group_concat(DISTINCT p.task) AS tasks, min(p.length_tokens) AS shortest, max(p.length_tokens) AS longest,
       group_concat(DISTINCT p.ranks) AS ranks, group_concat(DISTINCT p.scheme || ' ' || p.layout) AS shardings,
       count(DISTINCT p.id) AS n_points, sum(f.n) AS n_samples
  FROM (SELECT point_id, status, error AS reason, count(*) AS n
          FROM latest_sample
         WHERE status <> 'ok' AND is_anchor = 0
         GROUP BY 1, 2, 3
        UNION ALL
        SELECT point_id, status, 'asked for, no sample yet', 0 FROM coverage WHERE status = 'missing'
        ORDER BY 1) AS f
  JOIN point AS p ON p.id = f.point_id
 GROUP BY 1, 2, 3, 4
 ORDER BY 3, p.method <> 'dense', 1, 2, 4;
