-- Time of a phase in one repetition of one sample, warm-ups left out: the whole model's row where there is one, else the sum
-- over layers (of each layer's maximum over ranks). "NOT is_warmup", not "= 0": so the grouping follows the table's key.
CREATE VIEW phase_time AS
SELECT sample_id, phase, repetition, coalesce(max(ns) FILTER (WHERE layer_key = -1), sum(ns)) AS ns
  FROM timing
 WHERE NOT is_warmup
 GROUP BY sample_id, phase, is_warmup, repetition;
