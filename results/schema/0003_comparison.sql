-- Migration 3: what SQL cannot compute of two points on the same inputs, and of means over tasks. Both tables hold nothing that
-- the facts do not say: they are computed again when their rows_key differs, and never merged or compared.

-- A bootstrap of equal scores had no width; it is computed again with the bound of values that never came up.
DELETE FROM interval WHERE lo = hi;

-- A point (candidate) beside dense of the same cell (base, view pair_key), paired by input. scope task: one metric of point_id.
-- scope mean: all tasks of a group of points (view mean_member), where point_id is the group and metric is empty.
CREATE TABLE comparison (
    point_id     INTEGER NOT NULL REFERENCES point (id), -- candidate
    scope        TEXT NOT NULL CHECK (scope IN ('task', 'mean')),
    metric       TEXT NOT NULL,
    base_id      INTEGER NOT NULL REFERENCES point (id), -- dense; scope mean: of its first task
    rows_key     TEXT NOT NULL,                      -- of the scores it comes from: pair_key or mean_key
    n_tasks      INTEGER NOT NULL CHECK (n_tasks >= 1),
    n            INTEGER NOT NULL CHECK (n >= 0),    -- pairs: inputs scored at both points, over all tasks
    n_unpaired   INTEGER NOT NULL CHECK (n_unpaired >= 0), -- inputs scored at one of them only
    n_differ     INTEGER NOT NULL CHECK (n_differ >= 0 AND 2 * n_differ <= n_unpaired), -- same row at both, other content
    b            INTEGER NOT NULL CHECK (b >= 0),    -- pairs in which the base scores higher
    c            INTEGER NOT NULL CHECK (c >= 0 AND b + c <= n), -- pairs in which the candidate does
    kind         TEXT CHECK (kind IN ('mcnemar', 'paired_bootstrap')), -- NULL: refused
    reason       TEXT,                               -- why it is refused
    difference   REAL CHECK (difference BETWEEN -1 AND 1), -- candidate - base, mean of pairs (of tasks)
    lo           REAL CHECK (lo BETWEEN -1 AND 1),   -- of its 95 % interval
    hi           REAL CHECK (hi BETWEEN lo AND 1),
    p            REAL CHECK (p BETWEEN 0 AND 1),     -- two-sided: exact McNemar, or sign flips
    p_holm       REAL CHECK (p_holm BETWEEN p AND 1), -- over the family (pair_key, mean_key) as it was then
    margin       REAL CHECK (margin > 0),
    non_inferior INTEGER CHECK (non_inferior IN (0, 1)), -- 1: lo > -margin
    resolution   REAL CHECK (resolution >= 0),       -- z sqrt(d / n), d = (b + c) / n
    PRIMARY KEY (point_id, scope, metric),
    CHECK ((kind IS NULL) = (reason IS NOT NULL)),
    CHECK ((kind IS NULL) = (difference IS NULL) AND (kind IS NULL) = (lo IS NULL) AND (kind IS NULL) = (hi IS NULL)
           AND (kind IS NULL) = (p IS NULL) AND (kind IS NULL) = (margin IS NULL)
           AND (kind IS NULL) = (non_inferior IS NULL) AND (kind IS NULL) = (resolution IS NULL)),
    CHECK (p_holm IS NULL OR kind IS NOT NULL)
) STRICT, WITHOUT ROWID;

-- Stratified bootstrap of the mean over tasks of a group of points.
CREATE TABLE mean_interval (
    point_id INTEGER NOT NULL PRIMARY KEY REFERENCES point (id), -- the group, view mean_member
    rows_key TEXT NOT NULL,                          -- view mean_key
    n_tasks  INTEGER NOT NULL CHECK (n_tasks >= 1),
    n        INTEGER NOT NULL CHECK (n >= 2),        -- scores, over all tasks
    lo       REAL NOT NULL CHECK (lo BETWEEN 0 AND 1),
    hi       REAL NOT NULL CHECK (hi BETWEEN lo AND 1)
) STRICT, WITHOUT ROWID;
