#!/usr/bin/env bash
# experiment: attention with backend: cuda, from sweep file to views. Without a device: skipped (77).
#   tests/cuda/attention.sh SPANBENCH
set -euo pipefail
spanbench=$1
here=$(cd "$(dirname "$0")/../.." && pwd)
cd "$here"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/cli/cases.sh
. tests/cli/cases.sh

"$spanbench" doctor "$work" >"$work/doctor"
if ! grep -q '^attention cuda' "$work/doctor"; then
    echo "skipped: $(grep '^backend cuda' "$work/doctor")"
    exit 77
fi
case_is "doctor names the kernels" 1 "$(grep -c 'SPAN_CUDA_KERNEL' "$work/doctor")"

# sweep NAME INPUTS METHODS
sweep() {
    cat >"$work/$1.yaml" <<Y
sweep: $1
experiment: attention
backend: cuda
inputs:
  - {distribution: structured, kv_heads: 2, $2}
methods: $3
timing: {warmup: 1, repetitions: 3}
Y
}
run() { "$spanbench" run "$work/$1.yaml" --db "$work/$1.db" --no-table; }
ask() { "$spanbench" query "$work/$1.db" "$2" --format csv | tail -n +2 | tr -d '\r'; }

sweep all "heads: 8, head_dim: 128, lengths: [2048]" \
    "[dense, {name: a_shape, sink_tokens: 16, window_tokens: 256}, {name: streaming_llm, window_tokens: 129}, {name: power_attention, block_tokens: 128}, flexprefill, {name: hip, compat: official}]"
case_ok "a sweep runs" run all
case_is "five methods attend there, one is unsupported" "5,1" \
    "$(ask all "select sum(status = 'ok'), sum(status = 'unsupported') from coverage")"
case_is "the reason is stored" "compat: found official, allowed clean where a device plans" \
    "$(ask all "select error from sample where status = 'unsupported'" | tr -d '"')"
case_is "times are of the device" "5" "$(ask all "select count(*) from latency where backend = 'cuda' and phase = 'compute' and median_ms > 0")"
case_is "the whole is at least its parts" "0" \
    "$(ask all "select count(*) from (select sum(ns) filter (where phase <> 'attention') as parts, sum(ns) filter (where phase = 'attention') as whole
       from timing group by sample_id, repetition, is_warmup) where parts > whole")"
case_is "dense keeps everything" "1,1" "$(ask all "select min(density), round(min(recall), 3) from speedup where method = 'dense'")"
case_is "windows lose something" "1" "$(ask all "select max(recall) < 0.999 and min(recall) > 0 from speedup where method in ('a_shape', 'streaming_llm')")"

sweep states "heads: 8, head_dim: 64, lengths: [2048]" \
    "[lightning, {name: linear, kind: retnet}, {name: linear, kind: elu1}, {name: linear, kind: gla, gate: -0.01},
     {name: linear, kind: gated_delta, gate: -0.01}, {name: linear, kind: aaren}, {name: linear, kind: gla, chunk_tokens: 128}]"
case_ok "methods with a state run" run states
case_is "all kinds attend there, other chunks are unsupported" "6,1" \
    "$(ask states "select sum(status = 'ok'), sum(status = 'unsupported') from coverage")"
case_is "with the reason" \
    "chunk_tokens: found 128, allowed 64 on the cuda backend" \
    "$(ask states "select error from sample where status = 'unsupported'" | tr -d '"')"

sweep narrow "heads: 8, head_dim: 32, lengths: [1100]" "[dense]"
case_ok "a width that no kernel has is a row" run narrow
case_is "with its reason" "attend: found head_dim 32, allowed 64 and 128 on the cuda backend" \
    "$(ask narrow "select error from sample where status = 'unsupported'" | tr -d '"')"
cases_end
