-- The sample that counts for each (point, input): of the newest run, one that was asked for before an anchor.
-- An anchor (is_anchor = 1) stands here only where its input was never asked for at that point.
CREATE VIEW latest_sample AS
SELECT s.id AS sample_id, s.run_id, s.point_id, s.input_id, s.is_anchor, s.status, s.error, s.prediction, s.plan_digest,
       s.fallback, s.n_gen
  FROM sample AS s
  JOIN run AS r ON r.id = s.run_id
 WHERE NOT EXISTS (SELECT 1
                     FROM sample AS t
                     JOIN run AS u ON u.id = t.run_id
                    WHERE t.point_id = s.point_id
                      AND t.input_id = s.input_id
                      AND t.id <> s.id
                      AND (1 - t.is_anchor, u.started_utc, u.uuid) > (1 - s.is_anchor, r.started_utc, r.uuid));
