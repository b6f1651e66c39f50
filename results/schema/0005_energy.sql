-- Migration 5: what an energy figure rests on. Rows are stored only where the timed repetitions lasted 20 steps of the device's
-- counter or longer.
ALTER TABLE energy ADD COLUMN repetitions INTEGER CHECK (repetitions >= 1); -- that millijoules is the sum of
ALTER TABLE energy ADD COLUMN duration_ns INTEGER CHECK (duration_ns >= 1); -- from the first one's start to the last one's end
ALTER TABLE energy ADD COLUMN step_ns INTEGER CHECK (step_ns >= 1);         -- between two changes of the counter
ALTER TABLE energy ADD COLUMN idle_mw INTEGER CHECK (idle_mw >= 0);         -- of the same device with nothing to do, before the run
