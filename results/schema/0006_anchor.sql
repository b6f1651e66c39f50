-- Migration 6: dense attention run right before and right after a timed repetition of a sample, in the same process on the same
-- operands; maximum over ranks.
CREATE TABLE anchor_timing (
    sample_id  INTEGER NOT NULL REFERENCES sample (id),
    repetition INTEGER NOT NULL CHECK (repetition >= 0), -- of the sample, warm-ups left out
    before_ns  INTEGER NOT NULL CHECK (before_ns >= 0),  -- phase attention
    after_ns   INTEGER NOT NULL CHECK (after_ns >= 0),
    kernel     TEXT,                                     -- that ran it; NULL: not told
    PRIMARY KEY (sample_id, repetition)
) STRICT, WITHOUT ROWID;
