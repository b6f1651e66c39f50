#!/usr/bin/env bash
# `spanbench run --publish`: the copy is whole at any time, a run goes on from it, and a copy that cannot be written is told.
#   tests/cli/publish.sh SPANBENCH
set -euo pipefail
spanbench=$(realpath "$1")
here=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=slurm/lib/mpi_env.sh
. "$here/slurm/lib/mpi_env.sh"
command -v sqlite3 >/dev/null || { echo "skipped: sqlite3 is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/cli/cases.sh
. "$here/tests/cli/cases.sh"
cd "$work"
cat >sweep.yaml <<'Y'
sweep: publish
experiment: attention
backend: cpu
inputs:
  - {distribution: random, heads: 2, kv_heads: 1, head_dim: 64, lengths: [256, 512], seed: 7, samples: 2}
methods:
  - dense
  - {name: streaming_llm, sink_tokens: 16, window_tokens: 64}
timing: {warmup: 0, repetitions: 2}
Y
run() { code_of "$spanbench" run sweep.yaml --no-table "$@"; }
case_is "a run" "0" "$(run --db disk/a.db --publish shared/a.db)"
case_ok "the copy is sound" "$spanbench" db check shared/a.db
case_ok "and the same" "$spanbench" db diff disk/a.db shared/a.db
case_is "nothing beside it" "a.db" "$(ls shared)"
case_is "everything is there" "8" "$(sqlite3 shared/a.db 'SELECT count(*) FROM sample WHERE NOT is_anchor')"

# the node is gone: the next one goes on from the copy
case_is "half of it" "0" "$(run --db disk/b.db --publish shared/b.db --point 0-1 --publish-every 0)"
rm -r disk
case_is "on another disk" "0" "$(run --db disk2/b.db --publish shared/b.db)"
case_is "only what was missing" "4 samples run, 4 stored before" "$(grep -o '[0-9]* samples run.*before' err)"
case_ok "the same facts" "$spanbench" db diff shared/a.db shared/b.db
case_is "a database of one's own wins over the copy" "0" "$(run --db disk2/b.db --publish shared/a.db)"
case_is "and nothing is run" "0 samples run, 8 stored before" "$(grep -o '[0-9]* samples run.*before' err)"

# copies that cannot be written, or are none
touch file
case_is "no folder" "1" "$(run --db c.db --publish file/c.db)"
case_ok "told, with the path" grep -q 'spanbench run: file/c.db' err
case_is "what was measured is in the database" "8" "$(sqlite3 c.db 'SELECT count(*) FROM sample WHERE NOT is_anchor')"
echo noise >noise.db
case_is "to go on from noise" "1" "$(run --db d.db --publish noise.db)"
case_ok "told, with the path" grep -q 'noise.db: ' err
case_is "which stays as it was" "noise" "$(cat noise.db)"

# a killed writer: the copy is what it was after some sample
mkdir killed
for k in 1 2 3; do
    rm -f killed/*
    "$spanbench" run sweep.yaml --no-table --set 'inputs[0].samples=400' --db killed/a.db --publish killed/copy.db --publish-every 0 2>/dev/null &
    job=$!
    for _ in $(seq 400); do [ -e killed/copy.db ] && break; sleep .02; done
    sleep ".0$k"
    kill -9 $job
    wait $job 2>/dev/null || true
    case_ok "kill $k: sound" "$spanbench" db check killed/copy.db
done

# the list of points
case_is "another list" "2" "$(run --db e.db --list 0123)"
case_ok "told" grep -q -- '--list: found `0123`, allowed [0-9a-f]\{64\}' err
list=$(grep -o '[0-9a-f]\{64\}' err | head -n 1)
case_is "the same list" "0" "$(run --db e.db --list "$list")"
case_is "ranks belong to it" "2" "$(code_of mpirun -np 2 "$spanbench" run sweep.yaml --no-table --db f.db --list "$list")"
cases_end
