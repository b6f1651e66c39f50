-- Migration 7: how a layer's prefill was shared out over ranks, of samples with more than one: exact integers from the indexes
-- of all ranks, equal in every run. Work is counted in half lanes (query row x key) of nominal blocks of 128 x 128 that hold a
-- selected pair, all heads; a block of the diagonal counts half. Of methods without an index a row of a head is one.
CREATE TABLE rank_work (
    sample_id    INTEGER NOT NULL REFERENCES sample (id),
    layer        INTEGER NOT NULL CHECK (layer >= 0),
    work_max     INTEGER NOT NULL CHECK (work_max >= 0),  -- of the rank that has most
    work_sum     INTEGER NOT NULL CHECK (work_sum >= work_max), -- of all ranks
    step_work    INTEGER NOT NULL CHECK (step_work >= work_max), -- sum over the steps of a ring of the most that a rank has there
    lpt_max      INTEGER NOT NULL CHECK (lpt_max >= 0),   -- most of a rank if stripes of rows were dealt out longest first: a bound
    keys_needed  INTEGER CHECK (keys_needed >= 0),        -- keys of other ranks that a rank's rows need, a KV head each, sum over ranks; NULL: no index
    keys_foreign INTEGER CHECK (keys_foreign >= keys_needed), -- all keys of other ranks, likewise: what a gather moves
    fetched      INTEGER CHECK (fetched IN (0, 1)),       -- sharding fetch: 1 needed keys alone were moved, 0 all; NULL: other shardings
    PRIMARY KEY (sample_id, layer)
) STRICT, WITHOUT ROWID;
