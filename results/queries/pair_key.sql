-- Which dense point each scored point is compared with (base_id; NULL: there is none), per metric, and a key of the rows of both.
-- A base has scores of the same metric and equals the point in model, task and its data, length, seed, decode, ranks, backend,
-- dtype, sharding and layout; a point of sharding state, which dense cannot have, is compared with dense under allgather.
-- Of several (other implementations of dense, layouts beside a state) it is the one with the smallest hash.
-- family: tests that Holm corrects together.
CREATE VIEW pair_key AS
WITH scored AS MATERIALIZED (
    SELECT y.point_id, y.metric, y.is_binary, y.rows_key, p.hash, p.method, m.set_id, m.group_id
      FROM interval_key AS y
      JOIN point AS p ON p.id = y.point_id
      LEFT JOIN mean_member AS m ON m.point_id = y.point_id), -- LEFT: SQLite would scan it for every row
dense AS MATERIALIZED (SELECT * FROM scored WHERE method = 'dense'),
pairs AS ( -- CROSS JOIN keeps the order: from a point through the index of cells to its few dense points
    SELECT c.point_id, c.metric, d.point_id AS base_id, d.rows_key, d.is_binary,
           row_number() OVER (PARTITION BY c.point_id, c.metric ORDER BY d.hash) AS place
      FROM scored AS c
      CROSS JOIN point AS p ON p.id = c.point_id
      CROSS JOIN point AS q ON q.method = 'dense' AND q.task = p.task AND q.length_tokens = p.length_tokens AND q.seed = p.seed
      CROSS JOIN dense AS d ON d.point_id = q.id AND d.metric = c.metric
     WHERE c.method <> 'dense'
       AND (q.experiment, q.model, q.model_json, q.suite, q.task_json) = (p.experiment, p.model, p.model_json, p.suite, p.task_json)
       AND (q.decode, q.ranks, q.backend, q.dtype) = (p.decode, p.ranks, p.backend, p.dtype)
       AND q.scheme = CASE p.scheme WHEN 'state' THEN 'allgather' ELSE p.scheme END
       AND (q.layout = p.layout OR p.scheme = 'state'))
SELECT c.point_id, c.metric, c.set_id AS family, c.group_id, b.base_id, min(c.is_binary, b.is_binary) AS is_binary,
       b.base_id || '=' || b.rows_key || ' ' || c.rows_key AS rows_key
  FROM scored AS c
  LEFT JOIN pairs AS b ON b.point_id = c.point_id AND b.metric = c.metric AND b.place = 1
 WHERE c.method <> 'dense';
