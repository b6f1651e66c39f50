-- Migration 2: the rest of the columns of quality_metrics B6, and what became of single needles. Rows of version 1 keep NULL
-- there; what they hold means the same, so def_version stays.
ALTER TABLE quality ADD COLUMN blocks_exec REAL CHECK (blocks_exec >= 0);       -- blocks of 128 x 128 run; halves where row blocks are shorter
ALTER TABLE quality ADD COLUMN blocks_dense INTEGER CHECK (blocks_dense > 0);   -- blocks on or below the diagonal
ALTER TABLE quality ADD COLUMN f_est INTEGER CHECK (f_est >= 0);                -- FLOP of the estimate; in the summary row only
ALTER TABLE quality ADD COLUMN f_exec INTEGER CHECK (f_exec >= 0);              -- FLOP of attention as run, masked lanes included
ALTER TABLE quality ADD COLUMN f_dense INTEGER CHECK (f_dense > 0);             -- FLOP of dense attention on visible pairs
ALTER TABLE quality ADD COLUMN recall_lo REAL CHECK (recall_lo BETWEEN 0 AND 1); -- 95 % interval of recall_mean over rows of this input
ALTER TABLE quality ADD COLUMN recall_hi REAL CHECK (recall_hi BETWEEN 0 AND 1);
ALTER TABLE quality ADD COLUMN recall_min REAL;                                 -- lowest row of a head; summary: lowest head
ALTER TABLE quality ADD COLUMN recall_w REAL;                                   -- mean weighted by the number of visible keys
ALTER TABLE quality ADD COLUMN recall_overflow INTEGER CHECK (recall_overflow IN (0, 1)); -- 1: some row keeps more than all: a bug
ALTER TABLE quality ADD COLUMN oracle_gap REAL;                                 -- mass of the likeliest keys, as many, minus recall
ALTER TABLE quality ADD COLUMN needle_block_recall REAL CHECK (needle_block_recall BETWEEN 0 AND 1); -- share of needle keys the question sees
ALTER TABLE quality ADD COLUMN needle_mass REAL CHECK (needle_mass >= 0);       -- dense attention mass of the question on needle keys
ALTER TABLE quality ADD COLUMN needle_mass_kept REAL CHECK (needle_mass_kept >= 0); -- the part of it on keys it sees
ALTER TABLE quality ADD COLUMN rel_l2_se REAL CHECK (rel_l2_se >= 0);           -- standard error of rel_l2 from row sampling; 0: exact
ALTER TABLE quality ADD COLUMN rel_l2_unreliable INTEGER CHECK (rel_l2_unreliable IN (0, 1)); -- 1: one sampled row stands for a fifth of it
ALTER TABLE quality ADD COLUMN rel_l2_p99 REAL;                                 -- 99th percentile of rows of |o' - o| / |o|
ALTER TABLE quality ADD COLUMN rel_l1 REAL CHECK (rel_l1 >= 0);                 -- sum |o' - o| / sum |o|
ALTER TABLE quality ADD COLUMN cos_row REAL;                                    -- mean cosine of o' and o over rows
ALTER TABLE quality ADD COLUMN floor REAL CHECK (floor >= 0);                   -- rel_l2 of our own dense kernel: below twice this is none

-- What the question rows see of one needle in one layer, all heads together.
CREATE TABLE needle (
    sample_id  INTEGER NOT NULL REFERENCES sample (id),
    layer      INTEGER NOT NULL CHECK (layer >= 0),
    span_no    INTEGER NOT NULL CHECK (span_no >= 0), -- span of the sample's input
    key_recall REAL CHECK (key_recall BETWEEN 0 AND 1),  -- share of its keys seen; NULL: it stands behind the question
    mass       REAL NOT NULL CHECK (mass >= 0),       -- dense attention mass on them, mean over question rows and heads
    mass_kept  REAL NOT NULL CHECK (mass_kept >= 0),  -- the part of it on keys seen
    PRIMARY KEY (sample_id, layer, span_no)
) STRICT, WITHOUT ROWID;
