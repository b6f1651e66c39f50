-- The most that a sample took, maximum over ranks and samples, and what had been predicted.
SELECT p.model || char(31) || p.model_json AS model, p.ranks,
       CASE p.scheme WHEN 'state'
            THEN 'allgather ' || ifnull((SELECT max(layout) FROM point WHERE method = 'dense' AND scheme = 'allgather'), 'zigzag')
            ELSE p.scheme || ' ' || p.layout END AS cell, p.decode, p.backend,
       p.dtype, p.length_tokens AS length, p.method || char(31) || p.method_json AS method, p.scheme || ' ' || p.layout AS sharding,
       count(DISTINCT s.sample_id) AS n_samples,
       max(m.bytes) FILTER (WHERE m.kind = 'arena_high_water') AS arena, max(m.bytes) FILTER (WHERE m.kind = 'predicted') AS predicted,
       max(m.bytes) FILTER (WHERE m.kind = 'device_high_water') AS device, max(m.bytes) FILTER (WHERE m.kind = 'rss_high_water') AS rss
  FROM latest_sample AS s
  JOIN point AS p ON p.id = s.point_id
  JOIN memory AS m ON m.sample_id = s.sample_id
 WHERE s.is_anchor = 0
 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
 ORDER BY 1, 2, 3, 4, 5, 6, 7, p.method <> 'dense', 8, 9;
