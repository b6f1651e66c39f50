-- Score and time of a group of points (all tasks of a length). Times are means over tasks of the median, the fastest and the 95th
-- percentile repetition. frontier 1: nobody of the same panel is at once as good and as fast, and better in one.
WITH t AS (
    SELECT m.group_id, l.device, l.oversubscribed, count(*) AS n_points, sum(l.n) AS n_times, avg(l.median_ms) AS ms,
           avg(l.min_ms) AS ms_lo, avg(l.p95_ms) AS ms_hi
      FROM latency AS l
      JOIN mean_member AS m ON m.point_id = l.point_id
     WHERE l.phase = 'prefill' AND l.is_anchor = 0
     GROUP BY m.group_id, l.device, l.oversubscribed),
c AS MATERIALIZED (
    SELECT a.model || char(31) || a.model_params AS model, a.suite, a.ranks,
           CASE a.sharding WHEN 'state'
                THEN 'allgather ' || ifnull((SELECT max(layout) FROM point WHERE method = 'dense' AND scheme = 'allgather'), 'zigzag')
                ELSE a.sharding || ' ' || a.layout END AS cell, a.decode,
           a.backend, a.dtype, a.seed, t.device, t.oversubscribed, a.length, a.method || char(31) || a.params AS method, a.n_tasks,
           a.n, a.score, a.lo, a.hi, t.ms, t.ms_lo, t.ms_hi, t.n_times, a.untrained, a.group_id
      FROM accuracy_mean AS a
      JOIN t ON t.group_id = a.group_id AND t.n_points = a.n_tasks)
SELECT c.model, c.suite, c.ranks, c.cell, c.decode, c.backend, c.dtype, c.seed, c.device, c.oversubscribed, c.length, c.method, c.n_tasks,
       c.n, c.score, c.lo, c.hi, c.ms, c.ms_lo, c.ms_hi, c.n_times, c.untrained,
       c.score IS NOT NULL AND NOT EXISTS (
           SELECT 1 FROM c AS o
            WHERE (o.model, o.suite, o.ranks, o.cell, o.decode, o.backend, o.dtype, o.seed, o.device, o.oversubscribed, o.length)
                = (c.model, c.suite, c.ranks, c.cell, c.decode, c.backend, c.dtype, c.seed, c.device, c.oversubscribed, c.length)
              AND o.ms <= c.ms AND o.score >= c.score AND (o.ms < c.ms OR o.score > c.score)) AS frontier
  FROM c
 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, c.ms, instr(c.method, 'dense' || char(31)) <> 1, 12, c.group_id;
