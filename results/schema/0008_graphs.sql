-- Migration 8: decode steps that were launched as one graph of the device.
ALTER TABLE sample ADD COLUMN graph_steps INTEGER CHECK (graph_steps >= 0); -- decode steps that a graph ran; the others, call by call; NULL: no step
ALTER TABLE sample ADD COLUMN graph_reason TEXT;                            -- why no step or no further one was a graph's; NULL: nothing was in the way
