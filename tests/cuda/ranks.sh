#!/usr/bin/env bash
# Several ranks on GPUs: the matrix of tests/mpi/device_ranks.c over NCCL where each rank has a GPU of its own, and over pinned host
# memory where all share the first one; then sweeps of a model and of the operator against one rank's. A line a case. Needs mpirun.
# Without a device: skipped (77).
#   tests/cuda/ranks.sh SPANBENCH TEST_RANKS_CUDA [RANKS]      RANKS: 2 unless given; one rank a GPU as far as there are GPUs
set -euo pipefail
spanbench=$1
matrix=$2
ranks=${3:-2}
here=$(cd "$(dirname "$0")/../.." && pwd)
cd "$here"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=slurm/lib/mpi_env.sh
. slurm/lib/mpi_env.sh
# NVLink multicast is not needed by sends and receives
export NCCL_NVLS_ENABLE=0

"$spanbench" doctor "$work" >"$work/doctor"
if ! grep -q '^attention cuda' "$work/doctor"; then
    echo "skipped: $(grep '^backend cuda' "$work/doctor")"
    exit 77
fi
gpus=$(nvidia-smi -L | grep -c '^GPU')
passed=0 failed=0

# note NAME RC: a case of this script
note() {
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1)) && echo "ok      $1"
    else
        failed=$((failed + 1)) && echo "FAILED  $1"
    fi
}

launch() { mpirun --oversubscribe -n "$@"; }

# matrix_of RANKS LINK: its lines, and its numbers into ours
matrix_of() {
    local rc=0 ok bad
    echo "== $1 ranks, $2, GPUs ${CUDA_VISIBLE_DEVICES:-all}"
    launch "$1" --timeout 240 "$matrix" "$2" 2>&1 | tee "$work/matrix" || rc=$?
    read -r ok bad < <(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p' "$work/matrix") || { ok=0 bad=0 && note "the matrix ends" 1; }
    passed=$((passed + ok)) failed=$((failed + bad))
    [ $rc -eq 0 ] || [ "$bad" -gt 0 ] || note "exit code $rc of the matrix" 1
}

matrix_of 1 auto
[ "$gpus" -lt "$ranks" ] || matrix_of "$ranks" nccl
CUDA_VISIBLE_DEVICES=0 matrix_of "$ranks" mpi_host
CUDA_VISIBLE_DEVICES=0 matrix_of 3 mpi_host

# sweep NAME BODY
sweep() { printf 'sweep: %s\nbackend: cuda\n%s\n' "$1" "$2" >"$work/$1.yaml"; }
run() { launch "$1" "$spanbench" run "$work/$2.yaml" --db "$work/$2.$1.db" --no-table >"$work/log" 2>&1 || { head -n 5 "$work/log" && return 1; }; }
ask() { "$spanbench" query "$work/$2.$1.db" "$3" --format csv | tail -n +2 | tr -d '\r'; }
# same NAME SWEEP QUERY: the rows of one rank, and some
same() {
    local one all
    one=$(ask 1 "$2" "$3") && all=$(ask "$ranks" "$2" "$3") || one=
    if [ -n "$one" ] && [ "$one" = "$all" ]; then
        note "$1" 0
    else
        note "$1" 1
        diff <(echo "$one") <(echo "$all") | head -n 10 || true
    fi
}

echo "== sweeps"
sweep model "experiment: task
model: {name: probe}
workloads:
  - {suite: probe, tasks: [niah_single, niah_multivalue, vt, cwe], lengths: [2048, 3000], samples: 1, seed: 3, corpus: zipf}
methods: [dense, {name: streaming_llm, sink_tokens: 4, window_tokens: 512}, {name: power_attention, block_tokens: 128}]
sharding: [{name: allgather, layout: zigzag}, {name: allgather, layout: zigzag, heads_at_once: 1}, {name: ring, layout: zigzag}, {name: fetch, layout: contiguous}]
decode: [method]
timing: {warmup: 0, repetitions: 1}"
sweep heads "experiment: attention
inputs:
  - {distribution: structured, heads: 8, kv_heads: 4, head_dim: 128, lengths: [4096], seed: 7}
methods: [dense, {name: flexprefill, gamma: 0.9}, {name: flexprefill, gamma: 0.9, tau: 0}, pbs_attn, hip, xattention, {name: minference, vertical_tokens: 200, slash_tokens: 600},
          {name: minference, pattern: block_sparse, top_k_blocks: 20}, {name: power_attention, block_tokens: 128}]
sharding: [ulysses, {name: allgather, layout: contiguous}]
timing: {warmup: 1, repetitions: 2}"
for name in model heads; do
    for n in 1 "$ranks"; do
        rc=0
        run "$n" $name || rc=1
        note "sweep $name on $n ranks" $rc
    done
done
status="select method, task, length, sharding, status from coverage order by 1, 2, 3, 4"
same "all points have one rank's status" model "$status"
same "all points of the operator have one rank's status" heads "$status"
same "scores are one rank's" model "select method, task, length, sharding, score from accuracy order by 1, 2, 3, 4"
same "selections are one rank's" heads \
    "select method, params, length, sharding, round(density, 9), round(recall, 4) from speedup order by 1, 2, 3, 4"
same "patterns are one rank's" model \
    "select method, params, task, length, sharding, round(density, 9) from speedup order by 1, 2, 3, 4, 5"
rc=0
[ "$(ask "$ranks" heads "select max(received_bytes) > 0 from comm")" = 1 ] || rc=1
note "keys were moved" $rc
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
