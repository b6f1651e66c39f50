#!/usr/bin/env bash
# Methods that carry a state, through the whole program: sharding, decode, what is stored about them, alone and over ranks.
#   tests/cli/state.sh SPANBENCH
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

# sweep NAME METHODS SHARDING [MORE]: a file in $work
sweep() {
    cat >"$work/$1.yaml" <<Y
sweep: $1
experiment: task
backend: cpu
model: {name: probe}
workloads:
  - {suite: probe, tasks: [niah_single], lengths: [1001], samples: 1, seed: 3, corpus: zipf}
methods: $2
sharding: $3
${4:-}
timing: {warmup: 0, repetitions: 1}
Y
}
run() { "$spanbench" run "$work/$1.yaml" --db "$work/$1.db" --no-table "${@:2}"; }
ask() { sqlite3 "$work/$1.db" "$2"; }

# ---- one point, under state, whatever the list says ----
states="lightning, {name: linear, kind: [elu1, retnet, gla, gated_delta, aaren], gate: -0.01}"
sweep mixed "[$states, dense]" "[{name: allgather, layout: [contiguous, lpt]}, state]"
case_ok "a mixed sweep runs" run mixed
case_is "states run under state, once" "6|state|contiguous" \
    "$(ask mixed "select count(*), sharding, layout from coverage where method <> 'dense' and status = 'ok' group by 2, 3")"
case_is "dense under state says what to do" "1" \
    "$(ask mixed "select count(*) from coverage where method = 'dense' and sharding = 'state' and status = 'unsupported'
       and reason = 'sharding: found state, allowed allgather: dense reads keys and has no state to pass on'")"
case_is "their dense anchor is allgather, zigzag" "zigzag" \
    "$(ask mixed "select group_concat(distinct layout) from sample join point on point.id = point_id where is_anchor = 1 and sample.status = 'ok'")"
case_is "it is timed once" "1" \
    "$(ask mixed "select count(*) from sample join point on point.id = point_id where is_anchor = 1 and layout = 'zigzag'")"
case_is "and gives their speedups" "6" \
    "$(ask mixed "select count(*) from speedup where method <> 'dense' and attention_x > 0 and prefill_x > 0")"
case_is "they have neither density nor recall" "0" \
    "$(ask mixed "select count(*) from speedup where method <> 'dense' and (density is not null or recall is not null)")"
case_is "but an output error, in every layer" "12|12" \
    "$(ask mixed "select count(*), sum(rel_l2 > 0 and recall_mean is null and recall_se is null and recall_p05 is null and rho_num is null
       and rho_den is null and tile_lanes is null and rows_sampled = 1001) from quality join sample on sample.id = sample_id
       join point on point.id = point_id where method <> 'dense'")"
case_is "no selection, so no digest of it" "6" \
    "$(ask mixed "select count(*) from sample join point on point.id = point_id where method <> 'dense' and plan_digest is null")"
case_is "their accuracy is marked" "1|1" "$(ask mixed "select min(untrained), max(untrained) from accuracy where method <> 'dense'")"
case_is "the database is sound" "0" "$(code_of "$spanbench" db check "$work/mixed.db")"

# ---- over ranks: the same errors against dense, other bytes ----
sweep ranks "[$states]" "[allgather]"
errors="select group_concat(rel_l2, ' ') from (select rel_l2 from quality join sample on sample.id = sample_id join point on point.id = point_id
        where method <> 'dense' order by method_json, layer)"
near() { # within 1e-4 of one rank, number by number
    paste <(tr ' ' '\n' <<<"$1") <(tr ' ' '\n' <<<"$2") |
        awk '{ d = $1 - $2; if (d < 0) d = -d; if (!($1 > 0) || d > 1e-4 * $1) bad++ } END { print NR - bad }'
}
case_ok "one rank runs" run ranks
one=$(ask ranks "$errors")
for r in 2 3 4; do
    case_ok "$r ranks run" mpirun --oversubscribe -np $r "$spanbench" run "$work/ranks.yaml" --db "$work/ranks$r.db" --no-table
    case_is "$r ranks are off as one is" "12" "$(near "$one" "$(ask "ranks$r" "$errors")")"
    case_is "$r ranks: memory is as predicted" "0" \
        "$(ask "ranks$r" "select count(*) from memory p join memory a using (sample_id) where p.kind = 'predicted'
           and a.kind = 'arena_high_water' and a.bytes <> p.bytes")"
done

# ---- without a comparison no keys are gathered, and no room is kept for them ----
sweep lean "[lightning]" "[allgather]" "quality: none"
case_ok "without quality" mpirun --oversubscribe -np 2 "$spanbench" run "$work/lean.yaml" --db "$work/lean.db" --no-table
bytes="select max(bytes) from memory join sample on sample.id = sample_id join point on point.id = point_id where method = 'lightning' and kind = 'predicted'"
case_is "less room" "1" "$(($(ask lean "$bytes") < $(ask ranks2 "$bytes")))"
case_is "one row a layer all the same" "2" \
    "$(ask lean "select count(*) from quality join sample on sample.id = sample_id join point on point.id = point_id where method = 'lightning'")"

# ---- decode ----
sweep dense_decode "[lightning]" "[allgather]" "decode: [method, dense]"
case_ok "decode by dense after a state" mpirun --oversubscribe -np 3 "$spanbench" run "$work/dense_decode.yaml" --db "$work/dense_decode.db" --no-table
case_is "both decodes ran" "2" "$(ask dense_decode "select count(*) from coverage where method = 'lightning' and status = 'ok'")"

# ---- said in advance ----
case_is "list says what they need" "2" \
    "$("$spanbench" list methods | grep -A 3 -E '^(lightning|linear)$' | grep -c 'needs trained weights')"
sweep layout "[lightning]" "[{name: state, layout: zigzag}]"
case_is "a state needs tokens in order" "2" "$(code_of run layout)"
case_ok "and the file is told so" grep -q 'sharding\[0\].layout: found `zigzag`, allowed contiguous' "$work/err"

cases_end
