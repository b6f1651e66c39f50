#!/usr/bin/env bash
# experiment: task with backend: cuda, from sweep file to views. Without a device: skipped (77).
#   tests/cuda/task.sh SPANBENCH
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

# sweep NAME BACKEND TASKS LENGTHS METHODS [MORE]
sweep() {
    cat >"$work/$1.yaml" <<Y
sweep: $1
experiment: task
backend: $2
model: {name: probe}
workloads:
  - {suite: probe, tasks: [$3], lengths: [$4], samples: 1, seed: 3, corpus: zipf}
methods: $5
timing: {warmup: 0, repetitions: 2}
${6:-}
Y
}
run() { "$spanbench" run "$work/$1.yaml" --db "$work/$1.db" --no-table "${@:2}"; }
ask() { "$spanbench" query "$work/$1.db" "$2" --format csv | tail -n +2 | tr -d '\r'; }

all="niah_single, niah_multikey, niah_multivalue, niah_multiquery, vt, qa_2hop, cwe, fwe"
methods="[dense, {name: streaming_llm, sink_tokens: 4, window_tokens: 512}]"
sweep there cuda "$all" "1024, 1999" "$methods"
sweep here cpu "$all" "1024, 1999" "$methods"
case_ok "all tasks run there" run there
case_ok "and here" run here
case_is "dense scores 1 on every task" "16,1,1" \
    "$(ask there "select count(*), min(score), max(score) from accuracy where method = 'dense'")"
scores="select task, length, method, score from accuracy order by 1, 2, 3"
case_is "scores are the host's" "$(ask here "$scores")" "$(ask there "$scores")"
case_is "windows keep the same share of pairs" \
    "$(ask here "select task, length, method, round(density, 9) from speedup order by 1, 2, 3")" \
    "$(ask there "select task, length, method, round(density, 9) from speedup order by 1, 2, 3")"
case_is "every phase is timed once a repetition" "attention,communicate,compute,estimate,permute,prefill,select" \
    "$(ask there "select group_concat(phase) from (select phase from timing where phase <> 'decode_token' group by 1 order by 1)" | tr -d '"')"
case_is "decode steps are timed" "1" "$(ask there "select count(*) > 0 and min(ns) > 0 from timing where phase = 'decode_token'")"
case_is "attention is part of the prefill" "0" \
    "$(ask there "select count(*) from timing a join timing p using (sample_id, repetition, is_warmup)
       where a.phase = 'attention' and p.phase = 'prefill' and a.ns > p.ns")"
case_is "memory of the device is told" "1" \
    "$(ask there "select count(*) = count(distinct sample_id) and count(*) > 0 from memory where kind = 'device_high_water' and bytes > 0")"
case_is "and was predicted" "0" \
    "$(ask there "select count(*) from memory p join memory d using (sample_id) where p.kind = 'device_predicted' and d.kind = 'device_high_water' and d.bytes > p.bytes")"
case_is "host memory is what was predicted" "0" \
    "$(ask there "select count(*) from memory p join memory a using (sample_id) where p.kind = 'predicted' and a.kind = 'arena_high_water' and a.bytes <> p.bytes")"

sweep decodes cuda "niah_multivalue" "1024" \
    "[{name: streaming_llm, window_tokens: 300}, {name: linear, kind: elu1}, {name: power_attention, block_tokens: 64}]" "decode: [method, dense]"
case_ok "either decode runs" run decodes
case_is "and is ok" "6" "$(ask decodes "select sum(status = 'ok') from coverage")"

sweep huge cuda "niah_single" "16M" "[dense]" "quality: none"
case_ok "what does not fit is a row" run huge --dry-run
cases_end
