-- Which points a mean over tasks is made of. group_id: points that differ in nothing but their task (and its data); set_id: points
-- that differ in task, data and method, whose tasks are "the set" that a mean must be complete over. Both are ids of first points.
CREATE VIEW mean_member AS
SELECT id AS point_id, min(id) OVER g AS group_id, min(id) OVER s AS set_id
  FROM point
 WHERE experiment = 'task'
WINDOW s AS (PARTITION BY model, model_json, suite, length_tokens, seed, decode, scheme, layout, backend, dtype, ranks),
       g AS (PARTITION BY model, model_json, suite, length_tokens, seed, decode, scheme, layout, backend, dtype, ranks,
                          method, method_json);
