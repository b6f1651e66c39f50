-- Migration 4: which kernel ran, and how the device stood around the timed repetitions.
ALTER TABLE sample ADD COLUMN kernel TEXT; -- that attended last: avx2, avx512, sm90, portable, cudnn; NULL: not told

CREATE TABLE device_state (
    sample_id        INTEGER NOT NULL REFERENCES sample (id),
    place            TEXT NOT NULL CHECK (place IN ('before', 'after')), -- the timed repetitions
    sm_clock_mhz     INTEGER CHECK (sm_clock_mhz >= 0), -- NULL in any column: the driver does not tell
    memory_clock_mhz INTEGER CHECK (memory_clock_mhz >= 0),
    power_mw         INTEGER CHECK (power_mw >= 0),
    temperature_c    INTEGER,
    throttle_reasons INTEGER,                         -- NVML's bits: 4 power cap, 8 slowdown, 32 and 64 heat, 128 brake
    other_processes  INTEGER CHECK (other_processes >= 0), -- that compute on the same device
    ecc              INTEGER CHECK (ecc IN (0, 1)),
    mig              INTEGER CHECK (mig IN (0, 1)),
    PRIMARY KEY (sample_id, place)
) STRICT, WITHOUT ROWID;
