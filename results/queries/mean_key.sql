-- The scores that the mean over tasks of each group is made of, with a key of its rows; reason where there is no mean: a task of
-- the set missing, one there twice, unequal numbers of samples. n: samples a task.
CREATE VIEW mean_key AS
WITH scored AS MATERIALIZED (
    SELECT m.group_id, m.set_id, p.task, p.chance, y.n, y.point_id, y.metric, y.rows_key, y.n_failed, y.k
      FROM interval_key AS y
      JOIN mean_member AS m ON m.point_id = y.point_id
      JOIN point AS p ON p.id = y.point_id),
whole AS MATERIALIZED (
    SELECT set_id, count(DISTINCT task) AS n_set FROM scored GROUP BY set_id),
keyed AS MATERIALIZED ( -- a window, not GROUP BY: only there an order of group_concat is promised
    SELECT group_id, group_concat(point_id || '=' || rows_key, ' ') OVER w AS rows_key, row_number() OVER w AS place
      FROM scored
    WINDOW w AS (PARTITION BY group_id ORDER BY point_id, metric ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)),
grouped AS MATERIALIZED (
    SELECT group_id, set_id, count(*) AS n_parts, count(DISTINCT task) AS n_tasks, min(n) AS n, max(n) AS n_most,
           sum(n) AS n_total, sum(n_failed) AS n_failed, sum(k) / sum(n) AS score,
           CASE WHEN count(*) = count(chance) THEN avg(chance) END AS chance
      FROM scored
     GROUP BY group_id)
SELECT g.group_id, g.set_id, g.n_tasks, w.n_set, g.n, g.n_total, g.n_failed, g.score, g.chance, k.rows_key,
       CASE WHEN g.n_parts > g.n_tasks THEN 'a task stands here with more than one data set or metric'
            WHEN g.n_tasks < w.n_set THEN g.n_tasks || ' of ' || w.n_set || ' tasks have scores'
            WHEN g.n < g.n_most THEN 'tasks differ in samples: ' || g.n || '..' || g.n_most
            WHEN g.n_total < 2 THEN 'one sample' END AS reason
  FROM grouped AS g
  JOIN whole AS w ON w.set_id = g.set_id
  JOIN keyed AS k ON k.group_id = g.group_id AND k.place = 1;
