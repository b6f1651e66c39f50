#!/usr/bin/env bash
# Identical reruns of one sweep as a pool for tests/unit/results/gate/test_trials.c: what the gate finds on this machine.
#   tests/perf/gate_noise.sh SPANBENCH SWEEP.yaml RUNS POOL.csv [PHASE]
#   SPAN_GATE_POOL=POOL.csv SPAN_GATE_RUNS=6 build-ci/tests/test_gate_trials
# The sweep has dense among its methods, one length and task, equal samples (at most 16) and repetitions (at most 64).
set -euo pipefail
spanbench=$1 sweep=$2 runs=$3 pool=$4 phase=${5:-attention}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sql="SELECT p.method, i.row_no, group_concat(t.ns, ' ') AS ns
       FROM (SELECT * FROM phase_time WHERE phase = '$phase' ORDER BY sample_id, repetition) AS t
       JOIN sample AS s ON s.id = t.sample_id JOIN point AS p ON p.id = s.point_id JOIN input AS i ON i.id = s.input_id
      GROUP BY s.id ORDER BY p.method <> 'dense', p.method, i.row_no"
: >"$pool"
for k in $(seq "$runs"); do
    "$spanbench" run "$sweep" --db "$work/$k.db" >/dev/null 2>&1
    "$spanbench" query "$work/$k.db" --format csv "$sql" | tail -n +2 | tr -d '\r"' | sed "s/^/$k,/" >>"$pool"
    rm -f "$work/$k.db"
done
wc -l "$pool"
