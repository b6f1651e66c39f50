-- Scores of the samples that count; anchors that nobody asked for are left out.
CREATE VIEW latest_score AS
SELECT s.point_id, s.input_id, s.sample_id, s.status, c.metric, c.value, c.is_binary
  FROM latest_sample AS s
  JOIN score AS c ON c.sample_id = s.sample_id
 WHERE s.is_anchor = 0;
