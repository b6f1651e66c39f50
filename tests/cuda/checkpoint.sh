#!/usr/bin/env bash
# A checkpoint on the device, by `spanbench generate` and in a sweep, beside the CPU. Without a device or cuBLASLt: skipped (77).
#   tests/cuda/checkpoint.sh SPANBENCH MAKE_CHECKPOINT
set -euo pipefail
spanbench=$1 make=$2
here=$(cd "$(dirname "$0")/../.." && pwd)
cd "$here"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/cli/cases.sh
. tests/cli/cases.sh

"$spanbench" doctor "$work" >"$work/doctor"
if ! grep -q '^attention cuda' "$work/doctor" || ! grep -q '^cublaslt  *[0-9]' "$work/doctor"; then
    echo "skipped: $(grep -E '^(backend cuda|cublaslt)' "$work/doctor" | tr '\n' ' ')"
    exit 77
fi

model=$work/tiny
"$make" "$model" tests/fixtures/tokenizer/smollm.json
generate() { "$spanbench" generate --model "$model" "$@"; }
run() { "$spanbench" run "$@" --no-table; }
ask() { "$spanbench" query "$work/$1.db" "$2" --format csv | tail -n +2 | tr -d '\r'; }

printf 'Count to three.' >"$work/count.txt"
said=$(generate --prompt-file "$work/count.txt" --max-new 8 2>/dev/null)
case_is "generate there" 0 "$(code_of generate --prompt-file "$work/count.txt" --max-new 8 --backend cuda)"
case_is "says the same" "$said" "$(cat "$work/out")"
case_is "and where the room went" 1 "$(grep -c 'GiB a rank beside .* GiB of weights' "$work/err")"
case_is "a window of all is dense" "$said" "$(generate --prompt-file "$work/count.txt" --max-new 8 --backend cuda --method streaming_llm 2>/dev/null)"
case_is "logits" 0 "$(code_of generate --prompt-file "$work/count.txt" --max-new 1 --backend cuda --logits "$work/l.safetensors" --logits-rows all)"
case_is "sixteen steps" 0 "$(code_of generate --prompt-file "$work/count.txt" --max-new 17 --backend cuda)"
by_graph=$(cat "$work/out")
case_is "are launches of a graph but for the first" 1 "$(grep -c '(15 of 16 steps by a graph)' "$work/err")"
case_is "or calls" 0 "$(code_of generate --prompt-file "$work/count.txt" --max-new 17 --backend cuda --graphs off)"
case_is "that say so" 1 "$(grep -c '(0 of 16 steps by a graph: graphs: off)' "$work/err")"
case_is "and say the same" "$by_graph" "$(cat "$work/out")"
case_is "another backend" 2 "$(code_of generate --prompt-file "$work/count.txt" --backend gpu)"

cat >"$work/rows.jsonl" <<X
{"input": "Count to three.", "outputs": ["$said"], "metric": "ruler_all@1", "max_gen": 8}
X
cat >"$work/s.yaml" <<X
sweep: there
experiment: task
backend: cuda
model: {path: $model, wrapper: base}
workloads:
  - {suite: jsonl, tasks: [rows], data: $work/rows.jsonl}
  - {suite: ruler, tasks: [niah_single_1], lengths: [2K], samples: 2}
methods: [dense, streaming_llm, {name: flexprefill, min_budget_tokens: 128}, hip]
decode: [dense]
quality: sampled
timing: {warmup: 0, repetitions: 2}
X
case_is "a dry run" 0 "$(code_of run "$work/s.yaml" --dry-run)"
case_is "the sweep" 0 "$(code_of run "$work/s.yaml" --db "$work/s.db")"
case_is "all of it ran" "8,0" "$(ask s "SELECT count(DISTINCT point_id), sum(status <> 'ok') FROM sample")"
case_is "it answers as generate does" "$said" "$(ask s "SELECT DISTINCT prediction FROM sample JOIN point ON point.id = point_id WHERE task = 'rows' AND method = 'dense'")"
case_is "weights are part of what was predicted" "0" \
    "$(ask s "select count(*) from memory p join memory d using (sample_id) where p.kind = 'device_predicted' and d.kind = 'device_high_water' and d.bytes > p.bytes")"
case_is "dense has all keys" "1" "$(ask s "SELECT min(round(recall_mean, 6)) FROM quality JOIN sample ON sample.id = sample_id JOIN point ON point.id = point_id WHERE method = 'dense'")"

# a configuration alone: weights and questions are drawn, times are stored and no score
mkdir "$work/shape"
cp "$model/config.json" "$work/shape/"
cat >"$work/r.yaml" <<X
sweep: drawn
experiment: task
backend: cuda
model: {path: $work/shape, weights: random}
workloads:
  - {suite: random_ids, tasks: [ids], lengths: [1K], answer_tokens: 5, samples: 2}
  - {suite: ruler, tasks: [niah_single_1], lengths: [1K], samples: 1}
methods: [dense, streaming_llm]
decode: [dense]
quality: none
timing: {warmup: 0, repetitions: 2}
X
case_is "random weights" 0 "$(code_of run "$work/r.yaml" --db "$work/r.db")"
case_is "too few for a graph" "0,too few steps to pay for it" "$(ask r "SELECT DISTINCT graph_steps, graph_reason FROM sample WHERE status = 'ok'")"
case_is "are timed, and not scored" "4,4,0" "$(ask r "SELECT count(*), (SELECT count(DISTINCT sample_id) FROM timing WHERE phase = 'prefill'), (SELECT count(*) FROM score) FROM sample WHERE status = 'ok'")"
case_is "and answer no questions" "2" "$(ask r "SELECT count(*) FROM sample WHERE status = 'unsupported'")"
case_is "four steps of decode" "16" "$(ask r "SELECT count(*) FROM timing WHERE phase = 'decode_token'")"
cases_end
