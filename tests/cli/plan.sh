#!/usr/bin/env bash
# spanbench plan: memory that equals what runs take, exit codes, formats, fits from a database just made.
#   tests/cli/plan.sh SPANBENCH
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
export OMP_NUM_THREADS=1

cat >"$work/op.yaml" <<'Y'
sweep: op
experiment: attention
backend: cpu
inputs:
  - {distribution: random, heads: 4, kv_heads: 2, head_dim: 64, lengths: [513, 2048], seed: 7}
methods: [dense, {name: streaming_llm, window_tokens: 128}, {name: flexprefill, min_budget_tokens: 128}, xattention, pbs_attn, minference,
  {name: hip, top_k_tokens: 128}, anchor_attention, lightning]
sharding: [allgather, {name: ring, layout: zigzag}]
quality: none
timing: {warmup: 0, repetitions: 2}
Y
cat >"$work/task.yaml" <<'Y'
sweep: task
experiment: task
backend: cpu
model: {name: probe}
workloads:
  - {suite: probe, tasks: [niah_single, vt], lengths: [1024], samples: 1, seed: 3, corpus: zipf}
methods: [dense, {name: hip, top_k_tokens: 128}, {name: power_attention, block_tokens: 64}]
quality: sampled
timing: {warmup: 0, repetitions: 1}
Y

# memory NAME RANKS: hash, bytes of the rank that needs most, as the plan has it and as it was
planned() {
    "$spanbench" plan "$work/$1.yaml" --ranks "$2" --format json |
        python3 -c 'import json, sys
for p in json.load(sys.stdin)["points"]:
    if p["status"] != "unsupported":
        print(p["hash"], p["host_bytes"])' | sort
}
measured() {
    sqlite3 -separator ' ' "$work/$1$2.db" "select p.hash, max(m.bytes) from memory m join sample s on s.id = m.sample_id
        join point p on p.id = s.point_id where m.kind = 'arena_high_water' and s.is_anchor = 0 group by p.hash" | sort
}
# most percent by which planned and measured bytes differ, and of how many points
worst() { join <(planned "$1" "$2") <(measured "$1" "$2") | awk '{e = $2 / $3 - 1; e = e < 0 ? -e : e; if (e > w) w = e; n++}
    END {print n, (w <= 0.05 ? "within 5 %" : "off by " 100 * w " %")}'; }

for ranks in 1 2; do
    for name in op task; do
        if [ "$ranks" = 1 ]; then
            case_ok "$name runs alone" "$spanbench" run "$work/$name.yaml" --db "$work/${name}1.db" --no-table
        else
            case_ok "$name runs on two ranks" mpirun -np 2 "$spanbench" run "$work/$name.yaml" --db "$work/${name}2.db" --no-table
        fi
    done
done
case_is "memory of the operator, one rank" "22 within 5 %" "$(worst op 1)"
case_is "memory of the operator, two ranks" "22 within 5 %" "$(worst op 2)"
case_is "memory of a model, one rank" "6 within 5 %" "$(worst task 1)"
case_is "memory of a model, two ranks" "6 within 5 %" "$(worst task 2)"

# ---- every sharding and layout: bytes that move, memory, and how even work is ----
cat >"$work/ways.yaml" <<'Y'
sweep: ways
experiment: attention
backend: cpu
inputs:
  - {distribution: random, heads: 8, kv_heads: 4, head_dim: 32, lengths: [3072], seed: 7}
methods: [dense, {name: a_shape, sink_tokens: 128, window_tokens: 513}, lightning]
sharding:
  - {name: allgather, layout: [contiguous, zigzag, block_striped, lpt]}
  - {name: allgather, heads_at_once: 1, layout: [zigzag, lpt]}
  - {name: ring, layout: [zigzag, lpt]}
  - {name: ulysses, layout: [contiguous, lpt]}
  - {name: usp, ulysses: 2, layout: [zigzag, lpt]}
  - {name: fetch, layout: [contiguous, zigzag, lpt]}
  - {name: pass_q, layout: [contiguous, zigzag, lpt]}
quality: none
timing: {warmup: 0, repetitions: 1}
Y
case_ok "every sharding on four ranks" mpirun --oversubscribe -np 4 "$spanbench" run "$work/ways.yaml" --db "$work/ways4.db" --no-table
case_is "memory of all" "37 within 5 %" "$(worst ways 4)"
# hash, number: what the plan and what the database say
told() { "$spanbench" plan "$work/ways.yaml" --ranks 4 --format json | python3 -c 'import json, sys
for p in json.load(sys.stdin)["points"]: print(p["hash"], p["received_bytes"], p["imbalance"])' | sort; }
seen() { sqlite3 -separator ' ' "$work/ways4.db" "select p.hash, b.received_bytes, b.imbalance from balance b join point p on p.id = b.point_id" | sort; }
# a fetch tells by bits what it wants: 1152 bytes; agreements, headers: up to 512
case_is "bytes" "37 as told" "$(join <(told) <(seen) | awk '{d = $4 - $2; if (d < 0 || d > 1152 + 512) bad = bad " " $0; n++} END {print n, (bad == "" ? "as told" : bad)}')"
case_is "imbalance" "37 within 5 %" "$(join <(told) <(seen) | awk '{e = $3 / $5 - 1; e = e < 0 ? -e : e; if (e > 0.05) bad = bad " " $0; n++} END {print n, (bad == "" ? "within 5 %" : bad)}')"

# ---- what run refuses plan refuses, with the same words: on two ranks here, and on two H100 as stored ----
cat >"$work/refused.yaml" <<'Y'
sweep: refused
experiment: attention
backend: cpu
inputs:
  - {distribution: random, heads: 6, kv_heads: 3, head_dim: 32, lengths: [512], seed: 7}
methods: [dense, hip, {name: pbs_attn, perm_share: group}, a_shape]
sharding: [allgather, ring, ulysses, state, pass_q, {name: usp, ulysses: 3}]
quality: none
timing: {warmup: 0, repetitions: 1}
Y
case_ok "refusals on two ranks" mpirun --oversubscribe -np 2 "$spanbench" run "$work/refused.yaml" --db "$work/refused2.db" --no-table
# hash, status and reason of points, as the plan and as the database tell them
planned() { "$spanbench" plan "$1" --ranks 2 --format json "${@:2}" | python3 -c 'import json, sys
for p in json.load(sys.stdin)["points"]: print(p["hash"], p["why"] if p["status"] == "unsupported" else "runs")' | sort; }
stored() { sqlite3 -separator ' ' "$1" "select p.hash, iif(s.status = 'unsupported', substr(s.error, instr(s.error, ': ') + 2), 'runs')
    from sample s join point p on p.id = s.point_id where p.ranks = 2 and s.is_anchor = 0" | sort; }
case_is "the same are refused" "same" "$(diff <(planned "$work/refused.yaml") <(stored "$work/refused2.db") && echo same)"
case_is "some of them" "1" "$(($(stored "$work/refused2.db" | grep -vc runs) > 8))"
h100x2=configs/sweeps/scaling_h100x2.yaml
if "$spanbench" plan "$h100x2" --machine h100 --ranks 2 --format json | grep -q 'no cuda in this build'; then
    echo "no cuda in this build: refusals of two H100 are left out"
else
    planned "$h100x2" --machine h100 >"$work/h.txt"
    # points of that run that the sweep still has: the same words. What planned there refused zigzag shards then, and takes them by now
    stored results/baselines/scaling_h100x2.db >"$work/stored.txt"
    case_is "and on two H100" "" "$(awk 'NR == FNR {plan[$1] = $0; next} $1 in plan && plan[$1] != $0 && !(plan[$1] ~ / runs$/ && / found (zigzag|allgather) on 2 ranks/)' \
        "$work/h.txt" "$work/stored.txt")"
    case_is "of which there are" "1" "$(($(awk 'NR == FNR {plan[$1]; next} $1 in plan' "$work/h.txt" "$work/stored.txt" | grep -vc ' runs$') > 4))"
    cat >"$work/scans.yaml" <<'Y'
sweep: scans
experiment: attention
backend: cuda
inputs:
  - {distribution: random, heads: 8, head_dim: 64, lengths: [4096], seed: 7}
methods: [lightning, {name: linear, kind: elu1, feature_map: dpfp, normalize: false}, {name: linear, kind: retnet, chunk_tokens: 128}]
sharding: [state]
quality: none
timing: {warmup: 0, repetitions: 1}
Y
    case_is "what a scan's attend refuses, too" \
        "runs,feature_map: found dpfp, allowed maps of one channel to one on the cuda backend,chunk_tokens: found 128, allowed 64 on the cuda backend" \
        "$("$spanbench" plan "$work/scans.yaml" --machine h100 --ranks 2 --format json | python3 -c 'import json, sys
print(",".join(p["why"] if p["status"] == "unsupported" else "runs" for p in json.load(sys.stdin)["points"]))')"
    case_is "or predicted as if the devices could" "0" "$(planned "$h100x2" --machine h100 --refused-too --no-memory | grep -c 'backend cuda' || true)"
fi

# ---- exit codes ----
case_is "all fit" "0" "$(code_of "$spanbench" plan "$work/task.yaml")"
sed 's/lengths: \[513, 2048\]/lengths: [64M]/' "$work/op.yaml" >"$work/large.yaml"
case_is "64M tokens do not fit" "3" "$(code_of "$spanbench" plan "$work/large.yaml" --point 0)"
case_is "and the reason stands there" "1" "$("$spanbench" plan "$work/large.yaml" --point 0 | grep -c 'needs .* GiB for the 1 ranks of a host' || true)"
case_is "a thousand ranks" "0" "$(code_of "$spanbench" plan "$work/task.yaml" --ranks 1024)"
case_is "machines are listed" "2" "$("$spanbench" list machines | grep -c "densities")"
case_is "no sweep" "2" "$(code_of "$spanbench" plan)"
case_is "an unknown machine" "2" "$(code_of "$spanbench" plan "$work/op.yaml" --machine pdp11)"
case_is "a machine of the other backend" "2" "$(code_of "$spanbench" plan "$work/op.yaml" --machine h100)"
case_is "no ranks" "2" "$(code_of "$spanbench" plan "$work/op.yaml" --ranks 0)"
case_is "an unknown format" "2" "$(code_of "$spanbench" plan "$work/op.yaml" --format xml)"
case_is "a fit without a machine" "2" "$(code_of "$spanbench" plan --fit "$work/op1.db")"
case_is "--output without a fit" "2" "$(code_of "$spanbench" plan "$work/op.yaml" -o "$work/x.yaml")"
case_is "a database that is none" "1" "$(code_of "$spanbench" plan --machine epyc_milan --fit "$work/op.yaml")"
case_is "a database of another backend" "2" "$(code_of "$spanbench" plan --machine h100 --fit "$work/op1.db")"
printf 'machine: m\ncolour: red\n' >"$work/bad.yaml"
case_is "a bad machine file" "2" "$(code_of "$spanbench" plan "$work/op.yaml" --machine "$work/bad.yaml")"

# ---- a fit from what was just run, and with it the plan of the same sweep ----
case_ok "a fit" "$spanbench" plan --machine epyc_milan --fit "$work/op1.db" -o "$work/fitted.yaml" "$work/op.yaml"
case_is "its file is a machine" "0" "$(code_of "$spanbench" plan "$work/op.yaml" --machine "$work/fitted.yaml")"
case_is "fitted costs say where they come from" "1" \
    "$(grep -c 'phase: compute, method: dense.*source: fitted, from: "op1.db, median of repetitions", rows: ' "$work/fitted.yaml" || true)"
case_ok "a check" "$spanbench" plan --machine "$work/fitted.yaml" --check "$work/op1.db"
case_is "of every sample" "22" "$("$spanbench" plan --machine "$work/fitted.yaml" --check "$work/op1.db" --format json | grep -c measured_s)"
cases_end
