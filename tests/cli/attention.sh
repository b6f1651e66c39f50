#!/usr/bin/env bash
# experiment: attention from sweep file to views, alone and over ranks: inputs, anchors, resuming, dumps, refusals.
#   tests/cli/attention.sh SPANBENCH
set -euo pipefail
spanbench=$1
here=$(cd "$(dirname "$0")/../.." && pwd)
cd "$here"
# shellcheck source=slurm/lib/mpi_env.sh
. slurm/lib/mpi_env.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/cli/cases.sh
. tests/cli/cases.sh
small=tests/fixtures/tensors/small.safetensors

# sweep NAME INPUTS METHODS [MORE LINES]: a file in $work
sweep() {
    cat >"$work/$1.yaml" <<Y
sweep: $1
experiment: attention
backend: cpu
inputs:
$2
methods: $3
timing: {warmup: 1, repetitions: 3}
${4:-}
Y
}
run() { "$spanbench" run "$work/$1.yaml" --db "$work/$1.db" --no-table "${@:2}"; }
ask() { sqlite3 "$work/$1.db" "$2"; }
shape="heads: 4, kv_heads: 2, head_dim: 64"
two="[dense, {name: a_shape, sink_tokens: 16, window_tokens: 128}]"

# ---- what the views say ----
sweep all "  - {distribution: [random, structured, clustered, needle], $shape, lengths: [1100]}
  - {tensors: $small}" "[{name: a_shape, sink_tokens: 16, window_tokens: 128}, {name: xattention, block_tokens: 64, stride_tokens: 8}, dense]"
case_ok "every distribution and a file run" "$spanbench" run "$work/all.yaml" --db "$work/all.db"
case_is "the table has a line a point and no accuracy" "15 0" \
    "$(grep -cE '^(random|structured|clustered|needle|small.safetensors) ' "$work/case.log" || true) $(grep -ci accuracy "$work/case.log" || true)"
case_is "no row of accuracy, no score" "0|0" "$(ask all "select (select count(*) from accuracy), (select count(*) from score)")"
case_is "all points are covered" "15|15" "$(ask all "select count(*), sum(status = 'ok') from coverage")"
case_is "phases: the operator and its parts" "attention,communicate,compute,estimate,permute,select" \
    "$(ask all "select group_concat(phase) from (select distinct phase from timing order by 1)")"
case_is "3 repetitions and a warm-up of each phase" "3|1" \
    "$(ask all "select sum(not is_warmup) / count(distinct sample_id || phase), sum(is_warmup) / count(distinct sample_id || phase) from timing")"
case_is "the whole is at least its parts" "0" \
    "$(ask all "select count(*) from (select sum(ns) filter (where phase <> 'attention') as parts, sum(ns) filter (where phase = 'attention') as whole
       from timing group by sample_id, repetition, is_warmup) where parts > whole")"
case_is "latency and speedup are filled" "15|15|15" \
    "$(ask all "select (select count(*) from latency where phase = 'attention' and median_ms > 0), count(*), sum(attention_x > 0) from speedup")"
case_is "no prefill, no decode" "0|1" "$(ask all "select (select count(*) from latency where phase in ('prefill', 'decode_token')), sum(prefill_x is not null) = 0 from speedup")"
case_is "dense keeps everything" "1.0|1.0" "$(ask all "select min(density), round(min(recall), 5) from speedup where method = 'dense'")"
case_is "a window has the density of a window" "$(echo "scale=4; (144*145/2 + 144*(1100-144))*10000/(1100*1101/2)/10000" | bc -l | sed 's/^\./0./' | cut -c1-6)" \
    "$(ask all "select substr(density, 1, 6) from speedup where method = 'a_shape' and task = 'random'")"
case_is "a window loses needles" "1" "$(ask all "select recall < 0.5 from speedup where method = 'a_shape' and task = 'needle'")"
case_is "needles are stored as spans" "8|1" "$(ask all "select count(*), min(tok_end - tok_begin) from span where kind = 'needle'")"
case_is "the file's content names it" "1" "$(ask all "select task_params like '%sha256%' and suite = 'tensors' from coverage where task = 'small.safetensors' limit 1")"
case_is "the point has the shape in place of a model" "none|{\"head_dim\":64,\"heads\":4,\"kv_heads\":2}" \
    "$(ask all "select model, model_params from coverage where task = 'random' limit 1")"
case_is "the data sets say where inputs are from" "import|native" "$(ask all "select group_concat(m, '|') from (select distinct mode as m from dataset order by 1)")"
case_is "sound" "0" "$(code_of "$spanbench" db check "$work/all.db")"
case_ok "a second call" run all
case_is "a second call runs nothing" "1" "$(grep -c '^0 samples run, 15 stored before' "$work/case.log" || true)"
case_ok "dry run" run all --dry-run
case_is "a dry run lists points" "15" "$(grep -c '^[0-9]' "$work/case.log")"

# ---- ranks: the same facts and the same dumps at R = 1, 2, 3, 4 ----
sweep ranks "  - {distribution: structured, $shape, lengths: [1100], seed: 3}" \
    "[{name: a_shape, window_tokens: 300}, {name: xattention, block_tokens: 64, stride_tokens: 8}]" \
    "sharding: [{name: allgather, layout: zigzag}]"
facts="select method, plan_digest, rho_num, rho_den, recall_mean, rel_l2 from sample join point on point.id = point_id
       join quality on quality.sample_id = sample.id where is_anchor = 0 order by 1"
for r in 1 2 3 4; do
    case_ok "$r ranks run" mpirun -np $r "$spanbench" run "$work/ranks.yaml" --db "$work/ranks$r.db" --no-table \
        --set "dump={dir: $work/dump$r, what: [index, o, lse]}"
    case_is "$r ranks select and attend as one" "$(ask ranks1 "$facts")" "$(ask "ranks$r" "$facts")"
    case_is "$r ranks: a dump each, no anchor's, nothing half-written" "2" "$(find "$work/dump$r" -type f | wc -l)"
done
# Behind the header, which names the ranks: all the tensors.
data_of() { find "$1" -name "*_$2_*" -exec tail -c +4097 {} \; | sha256sum; }
for r in 2 3 4; do
    for m in a_shape xattention; do
        case_is "$r ranks: the dump of $m" "$(data_of "$work/dump1" $m)" "$(data_of "$work/dump$r" $m)"
    done
done
case_is "bytes move with ranks" "1" "$(ask ranks2 "select min(received_bytes) > 0 from comm where phase = 'prefill'")"
case_is "memory is as predicted" "1" \
    "$(ask ranks3 "select count(*) = 0 from memory p join memory a using (sample_id) where p.kind = 'predicted' and a.kind = 'arena_high_water' and a.bytes <> p.bytes")"
case_is "without dense there is an anchor" "1|2" "$(ask ranks1 "select (select count(*) from sample where is_anchor), sum(attention_x > 0) from speedup")"

sweep apart "  - {distribution: clustered, $shape, lengths: [600], seed: 3}" "[{name: a_shape, window_tokens: 300}]"
case_ok "no dense time where none is wanted" run apart --set timing.dense=none
case_is "times, without a speed-up" "1|0|1|0" \
    "$(ask apart "select (select count(*) from sample), (select count(*) from sample where is_anchor), (select count(*) > 0 from latency), (select count(attention_x) from speedup)")"

# ---- dense right before and after each repetition ----
sweep beside "  - {distribution: clustered, $shape, lengths: [600, 1100], seed: 3}" \
    "[dense, {name: a_shape, window_tokens: 300}, {name: xattention, block_tokens: 64, stride_tokens: 8}, lightning]" \
    "dump: {dir: $work/beside, what: [index, o, lse]}"
sed -i 's/^timing: .*/timing: {warmup: 1, repetitions: 3, anchor: native, anchor_up_to: 1K}/' "$work/beside.yaml"
case_ok "anchors beside repetitions" "$spanbench" run "$work/beside.yaml" --db "$work/beside.db"
case_is "the table has their ratio" "1" "$(grep -c 'anchored_x' "$work/case.log" || true)"
case_is "3 of each method but dense, at the shorter length alone" "600|a_shape|3,600|lightning|3,600|xattention|3" \
    "$(ask beside "select length_tokens, method, count(*) from anchor_timing join sample on sample.id = sample_id join point on point.id = point_id
       where before_ns > 0 and after_ns > 0 group by 1, 2 order by 1, 2" | paste -sd,)"
case_is "a ratio where there are anchors" "3|3|3|9" \
    "$(ask beside "select count(anchored_x), sum(anchored_x > 0), count(anchor_impl), sum(anchored_n) from speedup")"
case_is "memory is as predicted with them" "1" \
    "$(ask beside "select count(*) = 0 from memory p join memory a using (sample_id) where p.kind = 'predicted' and a.kind = 'arena_high_water' and a.bytes <> p.bytes")"
sed -i 's/^timing: .*/timing: {warmup: 1, repetitions: 1}/; s/beside, what/alone, what/' "$work/beside.yaml"
case_ok "the same without" run beside --db "$work/alone.db"
case_is "what a method selects and writes stays its own" "$(ask alone "$facts")" "$(ask beside "$facts")"
for m in a_shape xattention; do
    case_is "the dump of $m is the method's" "$(data_of "$work/alone" $m)" "$(data_of "$work/beside" $m)"
done
sed -i 's/^timing: .*/timing: {repetitions: 2, anchor: auto}/; s/^dump: .*//' "$work/beside.yaml"
case_ok "anchors over 2 ranks" mpirun -np 2 "$spanbench" run "$work/beside.yaml" --db "$work/beside2.db" --no-table
case_is "but for a state, whose shard gathers no keys" "a_shape,xattention" \
    "$(ask beside2 "select group_concat(m) from (select distinct method as m from speedup where anchored_x > 0 order by 1)")"
sed -i 's/^timing: .*/timing: {repetitions: 0, anchor: auto, anchor_up_to: x}/' "$work/beside.yaml"
case_is "what cannot be is refused" "2" "$(code_of run beside --db "$work/no.db")"
case_is "with both reasons" "2" "$(grep -oE 'timing.anchor: found .auto., allowed none|timing.anchor_up_to: found .x., allowed a whole number' "$work/err" | sort -u | wc -l)"

# ---- methods that carry a state: no index, no keys of other ranks ----
sweep state "  - {distribution: clustered, $shape, lengths: [700]}" "[lightning]" "dump: {dir: $work/state, what: [index, o, lse]}"
case_ok "a state, alone" run state
case_ok "a state over 3 ranks" mpirun -np 3 "$spanbench" run "$work/state.yaml" --db "$work/state3.db" --no-table --set "dump.dir=$work/state3"
rel="select sharding, density is null, recall is null, attention_x > 0, (select round(rel_l2, 3) from quality join sample on sample.id = sample_id
    where not is_anchor) from speedup where method = 'lightning'"
case_is "a state has an error and a speed-up, no density" "state|1|1|1" "$(ask state "$rel" | cut -d'|' -f1-4)"
case_is "the same error over ranks" "$(ask state "$rel" | cut -d'|' -f5)" "$(ask state3 "$rel" | cut -d'|' -f5)"
case_is "its dump is o alone" "1" "$(head -c 4000 "$work"/state3/*.safetensors | grep -aoE '"(o|lse|index[a-z._]*)":' | grep -c '^"o":$')"

# ---- dumps ----
case_ok "with the dumps there nothing runs" run ranks --db "$work/ranks1.db" --set "dump={dir: $work/dump1, what: [index, o, lse]}"
case_is "nothing ran" "1" "$(grep -c '^0 samples run, 2 stored before' "$work/case.log" || true)"
gone=$(find "$work/dump1" -name '*_a_shape_*')
rm "$gone"
case_ok "a dump that is gone" run ranks --db "$work/ranks1.db" --set "dump={dir: $work/dump1, what: [index, o, lse]}"
case_is "is made again" "there" "$([ -s "$gone" ] && echo there)"
case_is "a directory that cannot be" "1" "$(code_of run ranks --db "$work/no.db" --set "dump={dir: /proc/none, what: o}")"
case_is "says so before anything runs" "1" "$(grep -c 'dump: /proc/none' "$work/err" || true)"

# ---- samples: every row its own input, also behind an anchor of row 0 ----
sweep rows "  - {distribution: clustered, $shape, lengths: [600], samples: 3}" "[{name: xattention, block_tokens: 64, stride_tokens: 8, tau: 0.7}]"
case_ok "three rows" run rows
case_is "three inputs, three selections" "3|3" "$(ask rows "select count(distinct input_id), count(distinct plan_digest) from sample where is_anchor = 0")"
case_ok "row 2 alone" run rows --row 2 --db "$work/row2.db"
case_is "is the same as among the others" "$(ask rows "select plan_digest from sample join input on input.id = input_id where row_no = 2 and is_anchor = 0")" \
    "$(ask row2 "select plan_digest from sample where is_anchor = 0")"

# ---- a file that changes is another input ----
cp "$small" "$work/mine.safetensors"
sweep file "  - {tensors: $work/mine.safetensors, scale: 0.2}" "[dense]"
case_ok "a file" run file
printf '\1' | dd of="$work/mine.safetensors" bs=1 seek=700 conv=notrunc status=none
case_ok "the file, changed" run file
case_is "two points, two inputs" "2|2" "$(ask file "select (select count(*) from point), (select count(*) from input)")"

# ---- what cannot run says why ----
sweep unsupported "  - {distribution: random, $shape, lengths: [64]}" "[{name: streaming_llm, pos: cache}]" "dump: {dir: $work/nodump, what: o}"
case_is "unsupported is no failure" "0" "$(code_of run unsupported)"
case_is "unsupported has its reason" "1" "$(ask unsupported "select count(*) from coverage where status = 'unsupported' and reason like '%RoPE%'")"
case_is "and is not run again for its dump" "0" "$(code_of run unsupported)"
case_is "nothing to do" "1" "$(grep -c '^0 samples run, 1 stored before' "$work/err" || true)"
sweep huge "  - {distribution: random, heads: 64, kv_heads: 64, lengths: [16M]}" "[dense]"
case_is "what does not fit is no failure" "0" "$(code_of run huge)"
case_is "what does not fit says the numbers" "1" "$(ask huge "select count(*) from coverage where status = 'no_fit' and reason like 'needs % GiB a rank%'")"
sweep bad "  - {tensors: tests/fixtures/tensors/not_finite.safetensors}" "[dense]"
case_is "values that are not finite are refused" "2" "$(code_of run bad)"
case_is "with their number and the line" "1" "$(grep -c '^[^ ]*bad.yaml:5:15: inputs\[0\].tensors: found .*2 values that are not finite' "$work/err" || true)"
case_is "no database was made" "absent" "$([ -e "$work/bad.db" ] && echo there || echo absent)"

# ---- stopping and going on ----
sweep stop "  - {distribution: random, $shape, lengths: [2K], samples: 40}" "$two"
mpirun -np 2 "$spanbench" run "$work/stop.yaml" --db "$work/stop.db" --no-table >"$work/stop.log" 2>&1 &
job=$!
for _ in $(seq 400); do
    [ -s "$work/stop.db" ] && break
    sleep 0.05
done
sleep 1
kill -USR1 "$job"
rc=0
wait "$job" || rc=$?
case_is "USR1 stops with 75" "75" "$rc"
case_is "a stopped job leaves a good database" "0" "$(code_of "$spanbench" db check "$work/stop.db")"
case_is "a stopped job left some for later" "1" "$(ask stop "select count(*) between 1 and 79 from sample")"
sed -i 's/samples: 40/samples: 3/' "$work/stop.yaml"
rm "$work/stop.db"
case_is "a time limit inside a sample" "75" "$(code_of mpirun -np 2 "$spanbench" run "$work/stop.yaml" --db "$work/stop.db" --no-table --time-limit 2 --set timing.repetitions=100000)"
case_ok "it goes on" mpirun -np 2 "$spanbench" run "$work/stop.yaml" --db "$work/stop.db" --no-table
case_ok "and uninterrupted" mpirun -np 2 "$spanbench" run "$work/stop.yaml" --db "$work/whole.db" --no-table
case_is "to the same facts" "0" "$(code_of "$spanbench" db diff "$work/stop.db" "$work/whole.db")"
case_is "list names the distributions" "4" "$("$spanbench" list workloads | sed -n '/^distributions/,$p' | grep -cE '^  (random|structured|clustered|needle) ')"
cases_end
