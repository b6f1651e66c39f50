#!/usr/bin/env bash
# A checkpoint through a sweep and through `spanbench generate`, over a small one with random weights.
#   tests/cli/checkpoint.sh SPANBENCH MAKE_CHECKPOINT
set -euo pipefail
spanbench=$1 make=$2
here=$(cd "$(dirname "$0")/../.." && pwd)
cd "$here"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/cli/cases.sh
. tests/cli/cases.sh
# shellcheck source=slurm/lib/mpi_env.sh
. slurm/lib/mpi_env.sh
export OMP_NUM_THREADS=1
command -v mpirun >/dev/null || { echo "skipped: there is no mpirun"; exit 77; }

tokenizer=tests/fixtures/tokenizer/smollm.json
model=$work/tiny
"$make" "$model" "$tokenizer"
run() { "$spanbench" run "$@" --no-table; }
ask() { "$spanbench" query "$work/$1.db" "$2" --format csv | tail -n +2 | tr -d '\r'; }
generate() { "$spanbench" generate --model "$model" "$@"; }

# ---- generate ----
printf 'Count to three.' >"$work/count.txt"
case_is "help" 0 "$(code_of "$spanbench" generate --help)"
case_is "a prompt must be there" 2 "$(code_of generate)"
case_is "generate" 0 "$(code_of generate --prompt-file "$work/count.txt" --max-new 8)"
said=$(cat "$work/out")
case_is "it says how" 1 "$(grep -c '^11 tokens, wrapper base; first token after .* 8 generated' "$work/err")"
case_is "stdin is a prompt too" "$said" "$(generate --prompt-file - --max-new 8 <"$work/count.txt" 2>/dev/null)"
case_is "two ranks say the same" "$said" "$(mpirun --oversubscribe -np 2 "$spanbench" generate --model "$model" --prompt-file "$work/count.txt" --max-new 8 2>/dev/null)"
case_is "a window of all is dense" "$said" "$(generate --prompt-file "$work/count.txt" --max-new 8 --method streaming_llm 2>/dev/null)"
case_is "a parameter out of range" 2 "$(code_of generate --prompt-file "$work/count.txt" --method flexprefill --param gamma=2)"
case_is "graphs are auto or off" 2 "$(code_of generate --prompt-file "$work/count.txt" --graphs on)"
case_is "and it says so" 1 "$(grep -c -- '--graphs: found `on`, allowed auto, off' "$work/err")"
case_is "off" "$said" "$(generate --prompt-file "$work/count.txt" --max-new 8 --graphs off 2>/dev/null)"
case_is "an unknown method" 2 "$(code_of generate --prompt-file "$work/count.txt" --method flash)"
case_is "an unknown wrapper" 2 "$(code_of generate --prompt-file "$work/count.txt" --wrapper vicuna7)"
case_is "a wrapper" 0 "$(code_of generate --prompt-file "$work/count.txt" --wrapper chatml --max-new 2)"
case_is "which is told" 1 "$(grep -c 'tokens, wrapper chatml;' "$work/err")"
echo 1 5 9 200 >"$work/ids"
case_is "ids" 0 "$(code_of generate --ids-file "$work/ids" --max-new 4 --print-ids --logits "$work/l.safetensors" --logits-rows all)"
case_is "ids come out" 4 "$(wc -w <"$work/out")"
case_is "logits of four rows" "[4,656]" "$(head -c 400 "$work/l.safetensors" | grep -ao '"logits":{[^}]*}' | grep -o '\[4, *656\]' | tr -d ' ')"
echo 1 656 >"$work/ids"
case_is "an id that the model has not" 2 "$(code_of generate --ids-file "$work/ids")"
case_is "a folder as prompt" 2 "$(code_of generate --prompt-file "$work")"
case_is "logits to nowhere are refused before" 2 "$(code_of generate --prompt-file "$work/count.txt" --logits "$work/none/l.safetensors")"
case_is "no model there" 2 "$(code_of "$spanbench" generate --model "$work/none" --prompt-file "$work/count.txt")"

# ---- a sweep ----
cat >"$work/rows.jsonl" <<EOF
{"input": "Count to three.", "outputs": ["$said"], "metric": "ruler_all@1", "max_gen": 8}
{"input": "Where is the key?", "answer_prefix": " Under", "outputs": ["a stone", "stones"], "metric": "qa_f1@1", "max_gen": 6, "chat": 1}
{"input": "Nobody knows.", "outputs": [], "metric": "ruler_all@1", "max_gen": 8}
EOF
cat >"$work/s.yaml" <<EOF
sweep: tiny
experiment: task
backend: cpu
model: {path: $model, wrapper: chatml}
workloads:
  - {suite: jsonl, tasks: [rows], data: $work/rows.jsonl}
  - {suite: ruler, tasks: [niah_single_1, qa_1], lengths: [2K], samples: 2}
  - {suite: niah, tasks: all, lengths: [2K], depths: 2, samples: 2, buffer_tokens: 700}
  - {suite: ruler, tasks: [niah_single_1], lengths: [8K], samples: 1}
methods: [dense, {name: flexprefill, min_budget_tokens: 128}, lightning]
quality: none
timing: {warmup: 0, repetitions: 1}
EOF
case_is "a dry run" 0 "$(code_of run "$work/s.yaml" --dry-run)"
case_is "which refuses what was not trained for" 3 "$(grep -c '8192 .* unsupported .*allowed 4096: the model was trained for that length' "$work/out")"
case_is "the sweep" 0 "$(code_of run "$work/s.yaml" --db "$work/s.db")"
case_is "its last words" 1 "$(grep -c '^30 samples run, 0 stored before; 0 failed, 12 unsupported, 0 without enough memory' "$work/err")"
case_is "resumed" 0 "$(code_of run "$work/s.yaml" --db "$work/s.db")"
case_is "nothing is left to do" 1 "$(grep -c '^0 samples run, 30 stored before' "$work/err")"

case_is "the model's name" "tiny" "$(ask s "SELECT DISTINCT model FROM point")"
case_is "what it is" "llama,BF16,chatml,32" "$(ask s "SELECT DISTINCT model_json ->> 'architecture', model_json ->> 'weights', model_json ->> 'wrapper', length(model_json ->> 'identity') FROM point")"
case_is "the sweep answers as generate does" "$said,1" "$(ask s "SELECT DISTINCT prediction, value FROM sample JOIN point ON point.id = point_id JOIN input ON input.id = input_id JOIN score ON sample_id = sample.id WHERE task = 'rows' AND row_no = 0 AND method = 'dense'")"
case_is "an answer that is wrong" "qa_f1@1,0" "$(ask s "SELECT metric, value FROM sample JOIN point ON point.id = point_id JOIN input ON input.id = input_id JOIN score ON sample_id = sample.id WHERE task = 'rows' AND row_no = 1 AND method = 'dense'")"
case_is "a bad row names file, line and field" 3 "$(ask s "SELECT error FROM sample WHERE status = 'unsupported'" | grep -c "rows.jsonl: line 3: outputs: an empty array")"
case_is "a file that was not given" 6 "$(ask s "SELECT error FROM sample WHERE status = 'unsupported'" | grep -c "qa_1 needs squad")"
case_is "rows are made to the length" "1" "$(ask s "SELECT min(n_prompt_tokens + n_gen_tokens BETWEEN 1500 AND 2048) FROM input JOIN dataset ON dataset.id = dataset_id WHERE length_tokens = 2048 AND n_prompt_tokens > 0")"
case_is "depths of needles" "2,2" "$(ask s "SELECT count(*), count(DISTINCT tok_begin) FROM span JOIN input ON input.id = input_id JOIN dataset ON dataset.id = dataset_id WHERE suite = 'niah' AND kind = 'needle'")"
case_is "accuracy and time of one sample" 1 "$(ask s "SELECT count(*) > 0 AND min(ns) > 0 FROM timing JOIN sample ON sample.id = sample_id WHERE phase = 'prefill' AND status = 'ok'")"
case_is "a time a decoded token, no more" 1 "$(ask s "SELECT min(n BETWEEN n_gen - 1 AND n_gen) FROM (SELECT n_gen, (SELECT count(*) FROM timing WHERE sample_id = sample.id AND phase = 'decode_token') AS n FROM sample WHERE status = 'ok')")"
case_is "data sets say what they are made of" "import,native" "$(ask s "SELECT group_concat(mode) FROM (SELECT DISTINCT mode FROM dataset ORDER BY mode)" | tr -d '"')"

# two ranks: the same answers
case_is "two ranks" 0 "$(code_of mpirun --oversubscribe -np 2 "$spanbench" run "$work/s.yaml" --db "$work/r.db" --no-table --point 0-1)"
case_is "answer the same" "$(ask s "SELECT prediction FROM sample JOIN point ON point.id = point_id WHERE task = 'rows' AND method <> 'lightning' AND status = 'ok'")" "$(ask r "SELECT prediction FROM sample WHERE status = 'ok'")"

# a device that is not there
if "$spanbench" doctor "$work" | grep -q "^attention cuda"; then :; else
case_is "on a device" 0 "$(code_of run "$work/s.yaml" --db "$work/d.db" --set backend=cuda --point 0)"
case_is "there is no such answer" "3" "$(ask d "SELECT count(*) FROM sample WHERE status = 'unsupported'")"
fi

# ---- rows that are the same are run once ----
cat >"$work/n.yaml" <<EOF
sweep: places
experiment: task
backend: cpu
model: {path: $model, extrapolate: yes}
workloads:
  - {suite: niah, tasks: [needle], lengths: [400], depths: 300, samples: 300, buffer_tokens: 300}
methods: [dense]
quality: none
timing: {warmup: 0, repetitions: 0}
EOF
case_is "a needle at more depths than places" 0 "$(code_of run "$work/n.yaml" --db "$work/n.db")"
case_is "rows that repeat others are no stored ones" 1 "$(grep -cE '^[0-9]+ samples? run, 0 stored before, [0-9]+ rows that repeat others' "$work/err")"
case_is "once more" 0 "$(code_of run "$work/n.yaml" --db "$work/n.db")"
case_is "all of them are stored" 1 "$(grep -c '^0 samples run, 300 stored before$' "$work/err")"
case_is "places of the needle are told with intervals" 1 "$(ask n "SELECT count(*) > 0 AND min(lo >= 0 AND found BETWEEN lo AND hi) FROM needle_recall")"

# ---- gen counts with the model's tokenizer ----
cat >"$work/g.yaml" <<EOF
sweep: questions
model: {path: $model}
workloads:
  - {suite: ruler, tasks: [niah_single_1], lengths: [2K], samples: 2}
EOF
gen() { "$spanbench" gen "$work/g.yaml" --no-cache -o "$work/$1" "${@:2}"; }
case_is "questions by the model's tokenizer" 0 "$(code_of gen by_model)"
case_is "questions by that tokenizer" 0 "$(code_of gen by_file --set tokenizer="$tokenizer")"
case_is "are the same" "" "$(diff -r "$work/by_model" "$work/by_file" 2>&1)"
case_is "others are others" 0 "$(code_of gen by_bytes --set tokenizer=bytes)"
case_is "of another length" 1 "$(cmp -s "$work"/by_{bytes,model}/ruler/2048/niah_single_1/validation.jsonl || echo 1)"
case_is "a model that is elsewhere" 1 "$(code_of gen by_none --set model.path="$work/none")"
case_is "is told" 1 "$(grep -c "^warning: no tokenizer: model.path: $work/none: found neither" "$work/err")"
case_is "and tasks that need a tokenizer say so" 1 "$(grep -c 'unsupported: ruler makes rows to a length in tokens: it needs a tokenizer' "$work/err")"

# ---- plan ----
case_is "a plan" 0 "$(code_of "$spanbench" plan "$work/s.yaml" --machine epyc_milan)"
case_is "of every point" 1 "$(grep -c '^15 points, 0 do not fit, 6 unsupported' "$work/out")"
sed 's/host_gib: 20,/host_gib: 0.001,/' configs/plan/epyc_milan.yaml >"$work/small.yaml"
case_is "a machine without room" 3 "$(code_of "$spanbench" plan "$work/s.yaml" --machine "$work/small.yaml")"
case_is "the numbers are told" 1 "$(grep -q 'needs 0.0[0-9]* GiB for the 1 ranks of a host' "$work/out" && echo 1)"

# ---- Gemma 3 and TransNormerLLM ----
"$make" "$work/gemma" "$tokenizer" gemma3
"$make" "$work/tnl" "$tokenizer" transnormer
cat >"$work/f.yaml" <<EOF
sweep: families
experiment: task
backend: cpu
model: {path: [$work/gemma, $work/tnl]}
workloads:
  - {suite: jsonl, tasks: [rows], data: $work/rows.jsonl, samples: 2}
methods: [dense, {name: streaming_llm, sink_tokens: 0, window_tokens: 8}, lightning]
quality: sampled
timing: {warmup: 0, repetitions: 1}
EOF
case_is "two families" 0 "$(code_of run "$work/f.yaml" --db "$work/f.db")"
case_is "their points" "gemma,dense,ok,2
gemma,lightning,ok,2
gemma,streaming_llm,ok,2
tnl,dense,unsupported,2
tnl,lightning,ok,2
tnl,streaming_llm,unsupported,2" "$(ask f "SELECT model, method, status, count(*) FROM sample JOIN point ON point.id = point_id GROUP BY 1, 2, 3 ORDER BY 1, 2")"
case_is "why not" 4 "$(ask f "SELECT error FROM sample WHERE status = 'unsupported'" | grep -c 'allowed lightning in prefill and decode: the model was trained with it')"
case_is "what they are" "gemma3,transnormer" "$(ask f "SELECT DISTINCT model_json ->> 'architecture' FROM point ORDER BY 1" | paste -sd,)"
case_is "windowed layers are not compared" "2" "$(ask f "SELECT DISTINCT layer FROM quality JOIN sample ON sample.id = sample_id JOIN point ON point.id = point_id WHERE method = 'streaming_llm' AND layer IS NOT NULL")"
case_is "generate by lightning" 0 "$(code_of "$spanbench" generate --model "$work/tnl" --prompt-file "$work/count.txt" --method lightning --max-new 4)"
case_is "and by nothing else" 1 "$(code_of "$spanbench" generate --model "$work/tnl" --prompt-file "$work/count.txt" --max-new 4)"
case_is "with a reason" 1 "$(grep -c 'found method dense, allowed lightning' "$work/err")"
echo 1 5 9 200 >"$work/ids"
said=$("$spanbench" generate --model "$work/tnl" --ids-file "$work/ids" --method lightning --max-new 4 --print-ids 2>/dev/null)
rm "$work/tnl/tokenizer.json"
case_is "states of ranks say the same" "$said" "$(mpirun --oversubscribe -np 2 "$spanbench" generate --model "$work/tnl" --ids-file "$work/ids" --method lightning --max-new 4 --print-ids 2>/dev/null)"
case_is "ids need no tokenizer" "$said" "$("$spanbench" generate --model "$work/tnl" --ids-file "$work/ids" --method lightning --max-new 4 --print-ids 2>/dev/null)"
case_is "texts do" 2 "$(code_of "$spanbench" generate --model "$work/tnl" --ids-file "$work/ids" --method lightning --max-new 4)"
cp "$tokenizer" "$work/tnl/tokenizer.json"
case_is "trained use is no untrained one" "dense,0
lightning,1" "$(ask f "SELECT DISTINCT method, training_free FROM point WHERE model = 'tnl' AND method IN ('dense', 'lightning') ORDER BY 1")"
case_is "a plan of them" 0 "$(code_of "$spanbench" plan "$work/f.yaml" --machine epyc_milan)"
# Rows, caches and two rows of logits are what a run takes; the files beside them are planned once a host. hash, bytes.
planned() { "$spanbench" plan "$work/f.yaml" --machine epyc_milan --format json | python3 -c 'import json, sys
files = sum(__import__("os").path.getsize(f) for f in sys.argv[1:])
for p in json.load(sys.stdin)["points"]:
    if p["status"] != "unsupported":
        print(p["hash"], p["host_bytes"] - files)' "$work/gemma/model.safetensors" | sort; }
measured() { ask f "SELECT hash || ' ' || max(bytes) FROM memory JOIN sample ON sample.id = sample_id JOIN point ON point.id = point_id
    WHERE kind = 'arena_high_water' AND model = 'gemma' GROUP BY hash ORDER BY hash"; }
case_is "memory of Gemma 3, planned and taken" "3 within 5 %" "$(join <(planned) <(measured) | awk '{e = $2 / $3 - 1; e = e < 0 ? -e : e; if (e > 0.05) bad = bad " " $0; n++} END {print n, (bad == "" ? "within 5 %" : bad)}')"

# ---- what is wrong with a model is told where it stands ----
wrong() { # NAME WHERE TEXT [--set...]
    local name=$1 where=$2 text=$3
    shift 3
    case_is "$name" 2 "$(code_of run "$work/s.yaml" --dry-run "$@")"
    case_is "$name: where" 1 "$(grep -v '^spanbench' "$work/err" | grep -cF -- "$where")"
    case_is "$name: what" 1 "$(grep -v '^spanbench' "$work/err" | grep -cF -- "$text")"
}
wrong "no such folder" "--set model.path: found \`$work/none\`" "found neither a folder or file nor a model" --set model.path="$work/none"
sed "s|path: $model|path: $work/none|" "$work/s.yaml" >"$work/w.yaml"
case_is "in the file" 2 "$(code_of run "$work/w.yaml" --dry-run)"
case_is "line and column" 1 "$(grep -c "^$work/w.yaml:4:15: model.path: found " "$work/err")"
mkdir "$work/empty" "$work/other"
: >"$work/other/m.gguf"
wrong "a GGUF file beside it" "--set model.path" "found no config.json but m.gguf" --set model.path="$work/other"
wrong "one file of it" "--set model.path" "allowed its folder" --set model.path="$model/model.safetensors"
cp -r "$model" "$work/bin"
mv "$work/bin/model.safetensors" "$work/bin/pytorch_model.bin"
wrong "pickled weights" "--set model.path" "pytorch_model.bin is not read" --set model.path="$work/bin"
wrong "no config" "--set model.path" "found no config.json, allowed a folder" --set model.path="$work/empty"
cp -r "$model" "$work/arch"
sed -i 's/LlamaForCausalLM/MambaForCausalLM/' "$work/arch/config.json"
wrong "another architecture" "--set model.path" "MambaForCausalLM" --set model.path="$work/arch"
cp -r "$model" "$work/mute"
rm "$work/mute/tokenizer.json"
"$make" "$work/pieces" tests/fixtures/tokenizer/sp_mistral.model
case_is "a tokenizer.model alone" 0 "$(code_of "$spanbench" generate --model "$work/pieces" --prompt-file "$work/count.txt" --max-new 2)"
case_is "runs in a sweep" 0 "$(code_of run "$work/s.yaml" --set model.path="$work/pieces" --db "$work/p.db" --point 0)"
case_is "is SentencePiece" "sentencepiece" "$(ask p "SELECT DISTINCT model_json ->> 'tokenizer' FROM point")"
wrong "no tokenizer" "--set model.path" "found no tokenizer.json and no tokenizer.model" --set model.path="$work/mute"
cp -r "$model" "$work/cut"
truncate -s 5000 "$work/cut/model.safetensors"
wrong "weights cut short" "--set model.path" "model.safetensors" --set model.path="$work/cut"
wrong "an unknown wrapper" "--set model.wrapper: found \`vicuna7\`" "allowed auto, base or the name of a chat wrapper" --set model.wrapper=vicuna7
wrong "an unknown key" "--set model.colour" "found an unknown key" --set model.colour=red
wrong "questions that it does not read" "--set workloads[0].suite: found \`probe\`" "allowed a suite of questions as text" --set 'workloads[0].suite=probe'
wrong "a name without a path" "--set model: model.path: found nothing" "allowed a folder or file of a model" --set 'model={name: checkpoint}'

cases_end
