#!/usr/bin/env bash
# The whole path through the program: sweep file to answers of the database, alone and over ranks.
#   tests/cli/first_light.sh SPANBENCH
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

all="niah_single, niah_multikey, niah_multivalue, niah_multiquery, vt, qa_2hop, cwe, fwe"

# sweep NAME TASKS LENGTHS SAMPLES METHODS [MODEL]: a file in $work
sweep() {
    cat >"$work/$1.yaml" <<Y
sweep: $1
experiment: task
backend: cpu
model: ${6:-{name: probe\}}
workloads:
  - {suite: probe, tasks: [$2], lengths: [$3], samples: $4, seed: 3}
methods: $5
sharding: [{name: allgather, layout: zigzag}]
timing: {warmup: 0, repetitions: 1}
Y
}
run() { "$spanbench" run "$work/$1.yaml" --db "$work/$1.db" --no-table "${@:2}"; }
ask() { sqlite3 "$work/$1.db" "$2"; }

# ---- dense answers everything; windows answer what they reach ----
sweep dense "$all" "1024, 1999" 2 "[dense]"
case_ok "dense runs" run dense
case_is "dense scores 1 on every task" "16|1.0|1.0" "$(ask dense "select count(*), min(score), max(score) from accuracy")"
case_is "density and recall of dense" "1.0|1.0" "$(ask dense "select min(density), round(min(recall), 6) from speedup")"
case_is "every phase is timed once a repetition" "attention,communicate,compute,estimate,permute,prefill,select" \
    "$(ask dense "select group_concat(phase) from (select phase from timing where phase <> 'decode_token' group by 1 order by 1)")"

window=512
sweep window "niah_single" "2048" 16 "[{name: a_shape, sink_tokens: 16, window_tokens: $window}]"
case_ok "a window runs" run window
# The answer is decoded from the last rows: a needle well inside the window is seen, one well before it is not.
reach="select avg(value), count(*) > 0 from score join sample on sample.id = score.sample_id join input on input.id = sample.input_id
       join span using (input_id) where span.kind = 'needle' and sample.is_anchor = 0 and"
case_is "needles in reach are found" "1.0|1" "$(ask window "$reach n_prompt_tokens - tok_begin < $window - 64")"
case_is "needles out of reach are lost" "0.0|1" "$(ask window "$reach n_prompt_tokens - tok_end > $window + 64")"

sweep static "niah_single" "4096" 4 "[{name: power_attention, pattern: sliding_window, block_tokens: 128, window_blocks: 3}]"
case_ok "a static pattern runs" run static
reach=${reach/sample.is_anchor = 0/sample.is_anchor = 0}
case_is "static pattern: needles out of reach are lost" "0.0" \
    "$(ask static "select coalesce(avg(value), 0.0) from score join sample on sample.id = score.sample_id join input on input.id = sample.input_id
       join span using (input_id) where span.kind = 'needle' and sample.is_anchor = 0 and n_prompt_tokens - tok_end > 448 and tok_begin > 256")"

# ---- nothing timed: one pass gives the answers and the quality of the timed run ----
cp "$work/window.yaml" "$work/untimed.yaml"
sed -i 's/^timing: .*/timing: {repetitions: 0}/' "$work/untimed.yaml"
scores="select row_no, prediction, rho_num, recall_mean from sample join input on input.id = input_id join quality on sample_id = sample.id
        where is_anchor = 0 order by 1, layer"
case_ok "an untimed sweep runs" run untimed
case_is "an untimed sweep answers as the timed one" "$(ask window "$scores")" "$(ask untimed "$scores")"
case_is "an untimed sweep has no times and no anchor" "0|0" \
    "$(ask untimed "select (select count(*) from timing where phase <> 'decode_token'), (select count(*) from sample where is_anchor = 1)")"
case_is "an untimed sweep says why it has no ratio" "no timed repetition" "$(ask untimed "select reason from speedup")"

# ---- negative controls: nothing is answered without the values, or with another readout ----
for ablate in permute_v readout_seed; do
    sweep "$ablate" "$all" "1024" 4 "[dense]" "{name: probe, ablate: $ablate}"
    case_ok "$ablate runs" run "$ablate"
    # Chance plus four standard errors of a guess that is right or wrong, at n = 4.
    case_is "$ablate: every task at chance" "8" \
        "$(ask "$ablate" "select sum(score <= chance + 0.26) from accuracy")"
done

# ---- ranks: the same facts at R = 1, 2, 3, 4 ----
sweep ranks "niah_multivalue, vt" "1000" 1 "[dense, {name: a_shape, window_tokens: 300}, power_attention]"
facts="select method, task, prediction, value, plan_digest, rho_num, rho_den, round(recall_mean, 6) from sample join point on point.id = point_id
       join score on score.sample_id = sample.id join quality on quality.sample_id = sample.id order by 1, 2, layer"
for r in 1 2 3 4; do
    case_ok "$r ranks run" mpirun -np $r "$spanbench" run "$work/ranks.yaml" --db "$work/ranks$r.db" --no-table
    case_is "$r ranks select and answer as one" "$(ask ranks1 "$facts")" "$(ask "ranks$r" "$facts")"
done
case_is "bytes move with ranks" "1" "$(ask ranks2 "select min(received_bytes) > 0 from comm where phase = 'prefill'")"
case_is "memory is as predicted" "1" \
    "$(ask ranks2 "select count(*) = 0 from memory p join memory a using (sample_id) where p.kind = 'predicted' and a.kind = 'arena_high_water' and a.bytes <> p.bytes")"

# ---- resume, replay, anchors ----
case_ok "a second call" run dense
case_is "a second call runs nothing" "1" "$(grep -c '^0 samples run, 32 stored before' "$work/case.log" || true)"
hash=$(ask window "select hash from point where method = 'a_shape'")
before=$(ask window "select count(*) from sample")
case_ok "one row replays alone" run window --point "${hash:0:12}" --row 5
case_is "a replay stores its row and its anchor" "$((before + 2))" "$(ask window "select count(*) from sample")"
case_is "a replay predicts the same" "1" \
    "$(ask window "select count(distinct prediction) from sample join point on point.id = point_id join input on input.id = input_id where method = 'a_shape' and row_no = 5")"
case_is "a sweep without dense has its anchor" "1" "$(ask window "select prefill_x > 0 from speedup where method = 'a_shape'")"
case_is "an anchor that nobody asked for is no accuracy" "a_shape" "$(ask window "select group_concat(distinct method) from accuracy")"

# ---- rows that could not run say why ----
sweep unsupported "niah_single" "1024" 1 "[{name: streaming_llm, pos: cache}]"
case_is "unsupported is no failure" "0" "$(code_of run unsupported)"
case_is "unsupported has its reason" "1" "$(ask unsupported "select count(*) from coverage where status = 'unsupported' and reason like '%RoPE%'")"
sweep huge "niah_single" "16M" 1 "[dense]"
case_is "what does not fit is no failure" "0" "$(code_of run huge)"
case_is "what does not fit says the numbers" "1" "$(ask huge "select count(*) from coverage where status = 'no_fit' and reason like 'needs % GiB a rank%'")"

# ---- stopping ----
# Nobody else reads the database of a running job, so time decides: one second into some five, or into the first sample on a slow host.
sweep stop "vt" "1024" 20 "[dense]"
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
case_is "a stopped job says so" "1" "$(grep -c 'the same command goes on from here' "$work/stop.log" || true)"
case_is "a stopped job leaves a good database" "0" "$(code_of "$spanbench" db check "$work/stop.db")"
case_is "a stopped job left some for later" "1" "$(ask stop "select count(*) between 1 and 19 from sample")"
case_ok "it goes on" mpirun -np 2 "$spanbench" run "$work/stop.yaml" --db "$work/stop.db" --no-table
case_ok "and uninterrupted" mpirun -np 2 "$spanbench" run "$work/stop.yaml" --db "$work/whole.db" --no-table
case_is "to the same facts" "0" "$(code_of "$spanbench" db diff "$work/stop.db" "$work/whole.db")"
sweep limit "vt" "4096" 30 "[dense]"
t0=$SECONDS
case_is "a time limit stops with 75" "75" "$(code_of run limit --time-limit 6)"
# All thirty take some 25 s. The slack is for whole seconds and for a host that stalls in the last sample.
case_is "near the limit" "1" "$((SECONDS - t0 <= 10))"

# ---- wrong use ----
case_is "unknown verb" "2" "$(code_of "$spanbench" dance)"
case_is "no verb" "2" "$(code_of "$spanbench")"
case_is "missing file" "2" "$(code_of "$spanbench" run "$work/none.yaml" --db "$work/none.db")"
case_is "unknown option" "2" "$(code_of "$spanbench" run "$work/dense.yaml" --fast)"
case_is "bad number" "2" "$(code_of run dense --row=-1)"
case_is "bad set" "2" "$(code_of run dense --set colour=blue)"
case_is "a point that is not there" "2" "$(code_of run dense --point 999)"
case_is "help" "0" "$(code_of "$spanbench" run --help)"
case_is "version names the commit" "1" "$("$spanbench" --version | grep -c '^commit ')"
case_is "no database was made by mistake" "absent" "$([ -e "$work/none.db" ] && echo there || echo absent)"
case_is "a directory is no database" "2" "$(code_of "$spanbench" run "$work/dense.yaml" --db "$work")"
for what in methods shardings workloads models views; do
    case_ok "list $what" "$spanbench" list "$what"
done
case_ok "doctor" "$spanbench" doctor "$work"
case_ok "dry run" run dense --dry-run
cases_end
