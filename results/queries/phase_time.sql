-- Time of a phase in one repetition of one sample, warm-ups left out: the whole model's row where there is one, else the sum
-- over layers (of each layer's maximum over ranks).
CREATE VIEW phase_time AS
SELECT sample_id, phase, repetition, coalesce(max(ns) FILTER (WHERE layer_key = -1), sum(ns)) AS ns
  FROM timing
 WHERE is_warmup = 0
 GROUP BY sample_id, phase, is_warmup, repetition;
