-- Migration 1: the first schema of the spanbench results database. Files of users were made with this text and are compared
-- with it, comments included: it is never edited, a change is a new migration.
--
-- Tables hold facts only; every figure is a view over them (results/queries). Natural keys make shards mergeable: a run by
-- its uuid, a point and an input by their SHA-256, a sample by (run, point, input). Units stand in the column names.
-- Hashes are lower-case hex. A seed is a uint64 kept as its signed 64-bit pattern.

-- One launch of the program. Written by rank 0 at its start; status stays 'running' when the job is killed.
CREATE TABLE run (
    id             INTEGER PRIMARY KEY,
    uuid           TEXT NOT NULL UNIQUE CHECK (length(uuid) = 36), -- random, version 4: the key that survives a merge
    started_utc    TEXT NOT NULL,                  -- ISO 8601 with nanoseconds, sorts by time: "newest run" is decided by it
    finished_utc   TEXT,                           -- NULL: still running, or killed
    status         TEXT NOT NULL CHECK (status IN ('running', 'finished', 'stopped', 'failed')),
    commit_id      TEXT NOT NULL,                  -- commit the program was built from
    version        TEXT NOT NULL,                  -- program version
    build_json     TEXT, -- compiler, flags, library versions
    sweep_name     TEXT NOT NULL,                  -- name the sweep file gives itself
    config_text    TEXT NOT NULL,                  -- bytes of the sweep file
    config_sha256  TEXT NOT NULL,                  -- hash of the expanded sweep
    command        TEXT NOT NULL,                  -- argv, joined by blanks
    hosts_json     TEXT, -- host names by rank
    cpu            TEXT NOT NULL,                  -- processor model of rank 0
    device         TEXT NOT NULL,                  -- accelerator model, empty on the CPU
    backend        TEXT NOT NULL,                  -- cpu | cuda
    comm           TEXT NOT NULL,                  -- communicator: self | mpi | mpi_host | nccl
    mpi_version    TEXT NOT NULL,                  -- as the MPI library states it
    env_json       TEXT, -- SLURM_*, OMP_* variables
    ranks          INTEGER NOT NULL CHECK (ranks >= 1),   -- processes
    threads        INTEGER NOT NULL CHECK (threads >= 1), -- OpenMP threads a rank
    cores          INTEGER NOT NULL CHECK (cores >= 1),   -- cores of the host with the fewest
    oversubscribed INTEGER NOT NULL CHECK (oversubscribed IN (0, 1)) -- 1: ranks x threads > cores on some host; not in speedup
) STRICT;

-- One cell of a sweep: everything that decides what is computed, whoever computes it and how often.
CREATE TABLE point (
    id            INTEGER PRIMARY KEY,
    hash          TEXT NOT NULL UNIQUE CHECK (length(hash) = 64 AND hash NOT GLOB '*[^0-9a-f]*'), -- SHA-256 of identity_json
    identity_json TEXT NOT NULL, -- canonical JSON of the identity
    experiment    TEXT NOT NULL CHECK (experiment IN ('task', 'attention')),
    model         TEXT NOT NULL,                   -- probe, or a checkpoint's name
    model_json    TEXT NOT NULL, -- every model parameter, defaults included
    suite         TEXT NOT NULL,                   -- probe, ruler, ...
    task          TEXT NOT NULL,
    task_json     TEXT NOT NULL, -- task parameters and corpus
    length_tokens INTEGER NOT NULL CHECK (length_tokens >= 0), -- of the whole input, question included
    seed          INTEGER NOT NULL,                -- of the data set
    method        TEXT NOT NULL,                   -- dense, flexprefill, ...
    method_json   TEXT NOT NULL, -- every method parameter, defaults included
    decode        TEXT NOT NULL,                   -- method | dense: who attends in decode
    scheme        TEXT NOT NULL,                   -- allgather | ring | ulysses | state
    layout        TEXT NOT NULL,                   -- contiguous | zigzag | block_striped
    backend       TEXT NOT NULL,                   -- cpu | cuda
    dtype         TEXT NOT NULL,                   -- bf16, ...
    ranks         INTEGER NOT NULL CHECK (ranks >= 1),
    training_free INTEGER NOT NULL CHECK (training_free IN (0, 1)), -- 0: the method needs trained weights, accuracy is of untrained use
    chance        REAL CHECK (chance BETWEEN 0 AND 1)               -- expected score of guessing; NULL: unknown
) STRICT;
-- speedup looks up the dense points of a cell
CREATE INDEX point_by_cell ON point (method, task, length_tokens, seed);

-- What inputs were drawn from: one generator (or imported file) with its parameters.
CREATE TABLE dataset (
    id                INTEGER PRIMARY KEY,
    suite             TEXT NOT NULL,
    task              TEXT NOT NULL,
    mode              TEXT NOT NULL CHECK (mode IN ('native', 'compat', 'import')),
    generator_version TEXT NOT NULL,               -- changes whenever the same request gives other tokens
    params_json       TEXT NOT NULL,
    corpus            TEXT NOT NULL,               -- where filler came from; empty: none
    corpus_sha256     TEXT NOT NULL,               -- of its bytes; empty: none
    length_tokens     INTEGER NOT NULL CHECK (length_tokens >= 0),
    seed              INTEGER NOT NULL,
    UNIQUE (suite, task, mode, generator_version, params_json, corpus, corpus_sha256, length_tokens, seed)
) STRICT;

-- One question with its own context. Written before it is first run.
CREATE TABLE input (
    id               INTEGER PRIMARY KEY,
    dataset_id       INTEGER NOT NULL REFERENCES dataset (id),
    row_no           INTEGER NOT NULL CHECK (row_no >= 0), -- row of the data set: replayable alone
    sha256           TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64 AND sha256 NOT GLOB '*[^0-9a-f]*'), -- of tokens and script
    n_prompt_tokens  INTEGER NOT NULL CHECK (n_prompt_tokens >= 0),
    n_context_tokens INTEGER NOT NULL CHECK (n_context_tokens >= 0),
    n_gen_tokens     INTEGER NOT NULL CHECK (n_gen_tokens >= 0) -- tokens to generate
) STRICT;
CREATE INDEX input_by_dataset ON input (dataset_id, row_no);

-- Expected answers of an input.
CREATE TABLE reference (
    input_id INTEGER NOT NULL REFERENCES input (id),
    ref_no   INTEGER NOT NULL CHECK (ref_no >= 0),
    text     TEXT NOT NULL,
    PRIMARY KEY (input_id, ref_no)
) STRICT, WITHOUT ROWID;

-- Where in an input something of interest stands (needle, distractor, query): tokens [tok_begin, tok_end).
CREATE TABLE span (
    input_id  INTEGER NOT NULL REFERENCES input (id),
    span_no   INTEGER NOT NULL CHECK (span_no >= 0),
    kind      TEXT NOT NULL,
    ref_no    INTEGER CHECK (ref_no >= 0),         -- reference it answers; NULL: none
    tok_begin INTEGER NOT NULL CHECK (tok_begin >= 0),
    tok_end   INTEGER NOT NULL CHECK (tok_end >= tok_begin),
    depth     REAL,                                -- share of the context before it, 0..1; NULL: not placed by depth
    PRIMARY KEY (input_id, span_no)
) STRICT, WITHOUT ROWID;

-- One input run at one point in one run.
CREATE TABLE sample (
    id          INTEGER PRIMARY KEY,
    run_id      INTEGER NOT NULL REFERENCES run (id),
    point_id    INTEGER NOT NULL REFERENCES point (id),
    input_id    INTEGER NOT NULL REFERENCES input (id),
    is_anchor   INTEGER NOT NULL CHECK (is_anchor IN (0, 1)), -- 1: timed only so that others have a dense time of the same run
    status      TEXT NOT NULL CHECK (status IN ('ok', 'failed', 'unsupported', 'no_fit')),
    error       TEXT,                              -- reason; NULL exactly when ok
    prediction  TEXT,                              -- NULL: not run to the end
    plan_digest TEXT,                              -- hash of all layers' selections; NULL: none
    fallback    INTEGER NOT NULL CHECK (fallback IN (0, 1)), -- 1: the method ran dense here by its own rule
    n_gen       INTEGER NOT NULL CHECK (n_gen >= 0),         -- tokens generated
    UNIQUE (point_id, input_id, run_id),
    CHECK ((status = 'ok') = (error IS NULL)),
    CHECK (status IN ('ok', 'failed') OR prediction IS NULL)
) STRICT;
CREATE INDEX sample_by_run ON sample (run_id, point_id);
CREATE INDEX sample_by_input ON sample (input_id);

-- Score of an ok or failed sample (failed: 0). unsupported and no_fit have none.
CREATE TABLE score (
    sample_id INTEGER NOT NULL REFERENCES sample (id),
    metric    TEXT NOT NULL,                       -- name@version
    value     REAL NOT NULL CHECK (value BETWEEN 0 AND 1), -- unrounded
    is_binary INTEGER NOT NULL CHECK (is_binary IN (0, 1)),
    PRIMARY KEY (sample_id, metric),
    CHECK (is_binary = 0 OR value IN (0, 1))
) STRICT, WITHOUT ROWID;

-- Whether a reference was found in the prediction.
CREATE TABLE hit (
    sample_id INTEGER NOT NULL REFERENCES sample (id),
    ref_no    INTEGER NOT NULL CHECK (ref_no >= 0),
    hit       INTEGER NOT NULL CHECK (hit IN (0, 1)),
    PRIMARY KEY (sample_id, ref_no)
) STRICT, WITHOUT ROWID;

-- Raw times, every repetition, maximum over ranks. A phase has rows by layer, or of the whole model (layer NULL).
CREATE TABLE timing (
    sample_id  INTEGER NOT NULL REFERENCES sample (id),
    phase      TEXT NOT NULL CHECK (phase IN ('load', 'estimate', 'select', 'permute', 'compute', 'communicate', 'attention',
                                              'prefill', 'decode_token')),
    repetition INTEGER NOT NULL CHECK (repetition >= 0), -- 0, 1, ..., warm-ups apart; decode_token: one number a token
    layer_key  INTEGER NOT NULL CHECK (layer_key >= -1), -- layer, -1 for the whole model (a key cannot be NULL)
    is_warmup  INTEGER NOT NULL CHECK (is_warmup IN (0, 1)),
    ns         INTEGER NOT NULL CHECK (ns >= 0),
    layer      INTEGER GENERATED ALWAYS AS (nullif(layer_key, -1)) VIRTUAL, -- NULL: the whole model
    PRIMARY KEY (sample_id, phase, is_warmup, repetition, layer_key)
) STRICT, WITHOUT ROWID;

-- How well and how densely a layer attended, by definition def_version. head NULL: summary over heads.
CREATE TABLE quality (
    sample_id        INTEGER NOT NULL REFERENCES sample (id),
    layer            INTEGER NOT NULL CHECK (layer >= 0),
    head_key         INTEGER NOT NULL CHECK (head_key >= -1), -- query head, -1 for the summary
    def_version      INTEGER NOT NULL CHECK (def_version >= 1),
    rho_num          INTEGER CHECK (rho_num >= 0), -- query-key pairs attended to; NULL: has no density (linear methods)
    rho_den          INTEGER CHECK (rho_den > 0),  -- visible query-key pairs
    tile_lanes       INTEGER CHECK (tile_lanes >= 0),      -- query-key lanes issued to the score product
    tile_lanes_dense INTEGER CHECK (tile_lanes_dense > 0), -- the same of the dense kernel
    recall_mean      REAL,                         -- mean attention mass kept, 0..1
    recall_se        REAL,                         -- its standard error from row sampling; 0: exact
    recall_tail      REAL,                         -- mean over the last rows (the question)
    recall_p05       REAL,                         -- 5th percentile of rows
    rel_l2           REAL,                         -- relative L2 error of the attention output
    rows_sampled     INTEGER NOT NULL CHECK (rows_sampled >= 0),
    rows_total       INTEGER NOT NULL CHECK (rows_total >= rows_sampled),
    head             INTEGER GENERATED ALWAYS AS (nullif(head_key, -1)) VIRTUAL, -- NULL: summary
    PRIMARY KEY (sample_id, layer, head_key),
    CHECK ((rho_num IS NULL) = (rho_den IS NULL)),
    CHECK ((tile_lanes IS NULL) = (tile_lanes_dense IS NULL)),
    CHECK (rho_num IS NULL OR rho_num <= rho_den)
) STRICT, WITHOUT ROWID;

-- Data moved by a sample, measured, maximum over ranks.
CREATE TABLE comm (
    sample_id      INTEGER NOT NULL REFERENCES sample (id),
    phase          TEXT NOT NULL CHECK (phase IN ('prefill', 'decode')),
    received_bytes INTEGER NOT NULL CHECK (received_bytes >= 0),
    sent_bytes     INTEGER NOT NULL CHECK (sent_bytes >= 0),
    calls          INTEGER NOT NULL CHECK (calls >= 0),
    exposed_ns     INTEGER NOT NULL CHECK (exposed_ns >= 0), -- not hidden behind compute
    PRIMARY KEY (sample_id, phase)
) STRICT, WITHOUT ROWID;

-- Memory of a sample, maximum over ranks.
CREATE TABLE memory (
    sample_id INTEGER NOT NULL REFERENCES sample (id),
    kind      TEXT NOT NULL,                       -- arena_high_water | rss_high_water | predicted
    bytes     INTEGER NOT NULL CHECK (bytes >= 0),
    PRIMARY KEY (sample_id, kind)
) STRICT, WITHOUT ROWID;

-- Measured limits of the machine of a run, for shares of peak: one row a kind and dtype.
CREATE TABLE ceiling (
    run_id      INTEGER NOT NULL REFERENCES run (id),
    kind        TEXT NOT NULL,                     -- matmul, memory, link, ...
    dtype       TEXT NOT NULL,                     -- empty where it does not matter
    flops_per_s REAL CHECK (flops_per_s > 0),      -- of the whole job: all ranks together
    bytes_per_s REAL CHECK (bytes_per_s > 0),
    PRIMARY KEY (run_id, kind, dtype)
) STRICT, WITHOUT ROWID;

-- Energy of a sample where the device gives it, sum over devices.
CREATE TABLE energy (
    sample_id   INTEGER NOT NULL REFERENCES sample (id),
    phase       TEXT NOT NULL CHECK (phase IN ('prefill', 'decode')),
    millijoules INTEGER NOT NULL CHECK (millijoules >= 0),
    PRIMARY KEY (sample_id, phase)
) STRICT, WITHOUT ROWID;

-- Intervals that SQL cannot compute. rows_key says which rows they come from (view interval_key); when it differs, they are
-- stale and views show NULL.
CREATE TABLE interval (
    point_id INTEGER NOT NULL REFERENCES point (id),
    metric   TEXT NOT NULL,
    kind     TEXT NOT NULL CHECK (kind IN ('bootstrap')),
    rows_key TEXT NOT NULL,
    n        INTEGER NOT NULL CHECK (n >= 2),
    lo       REAL NOT NULL CHECK (lo BETWEEN 0 AND 1), -- 2.5 % quantile
    hi       REAL NOT NULL CHECK (hi BETWEEN lo AND 1), -- 97.5 % quantile
    PRIMARY KEY (point_id, metric, kind)
) STRICT, WITHOUT ROWID;

-- Shards already merged into this file.
CREATE TABLE merged_shards (
    sha256     TEXT NOT NULL PRIMARY KEY CHECK (length(sha256) = 64), -- of the shard's file
    path       TEXT NOT NULL,
    n_samples  INTEGER NOT NULL CHECK (n_samples >= 0), -- samples that were new here
    merged_utc TEXT NOT NULL
) STRICT, WITHOUT ROWID;
