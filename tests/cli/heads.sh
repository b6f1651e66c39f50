#!/usr/bin/env bash
# Heads over ranks from file to database: the same selections, answers and figures as with gathered keys.
#   tests/cli/heads.sh SPANBENCH
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

run() { mpirun --oversubscribe -np "$1" "$spanbench" run "$work/$2.yaml" --db "$work/$3.db" --no-table; }
ask() { sqlite3 "$work/$1.db" "$2"; }

cat >"$work/task.yaml" <<'Y'
sweep: heads_task
experiment: task
backend: cpu
model: {name: probe}
workloads:
  - {suite: probe, tasks: [niah_single], lengths: [1024], samples: 1, seed: 42}
methods: [dense, {name: hip, top_k_tokens: 128}, {name: random_blocks, density: 0.4}, {name: lightning}]
sharding: [allgather, ulysses, {name: usp, ulysses: [2, 3]}, usp]
timing: {warmup: 0, repetitions: 1}
Y
case_ok "4 ranks" run 4 task task
case_is "ok, and unsupported: a ring of teams without a plan of its own, teams of 3" "12 unsupported:4 ok:12" \
    "$(ask task "select (select count(distinct scheme || method) from point join sample s on s.point_id = point.id where status = 'ok') || ' '
        || (select group_concat(status || ':' || n, ' ') from (select status, count(*) as n from sample group by status order by status desc))")"
same="select count(*) from (select method from point join sample s on s.point_id = point.id where status = 'ok' and scheme <> 'state'
      group by method having count(distinct WHAT) > 1)"
case_is "one selection" "0" "$(ask task "${same/WHAT/plan_digest}")"
case_is "one answer" "0" "$(ask task "${same/WHAT/prediction}")"
case_is "the memory that was predicted" "0" \
    "$(ask task "select count(*) from sample s join memory a on a.sample_id = s.id and a.kind = 'predicted'
        join memory b on b.sample_id = s.id and b.kind = 'arena_high_water' where a.bytes <> b.bytes")"
case_is "figures to the bit, but for sums of a ring" "0" \
    "$(ask task "select count(*) from (select method, layer from point join sample s on s.point_id = point.id join quality on sample_id = s.id
        where scheme in ('allgather', 'ulysses') group by method, layer
        having count(distinct printf('%.17g %.17g %.17g %d %d', recall_mean, rel_l2, oracle_gap, f_exec, rho_num)) > 1)")"
case_is "why not" "2" "$(ask task "select count(*) from sample where error like '%usp of 4 ranks in teams of 3, allowed a divisor of the number of ranks%'")"
case_is "the database is sound" "0" "$(code_of "$spanbench" db check "$work/task.db")"

cat >"$work/alone.yaml" <<'Y'
sweep: heads_alone
experiment: attention
backend: cpu
inputs:
  - {distribution: clustered, heads: 8, kv_heads: 2, head_dim: 32, lengths: [1536], seed: 3}
methods: [dense]
sharding: [allgather, ulysses, {name: usp, ulysses: 2}]
quality: none
timing: {warmup: 0, repetitions: 1}
Y
case_ok "the operator alone" run 4 alone alone
# n = 384, d = 32: 2 * 3 n * 2 * d * 2; n d 2 (16 + 8) 3/4; n d 2 (16 + 4) / 2 + 2 n 2 d 2; ranks agree by some more
case_is "bytes by the formulas" "allgather ulysses usp:2" \
    "$(ask alone "select group_concat(scheme, ' ') from (select scheme from point join sample s on s.point_id = point.id join comm on sample_id = s.id
        where received_bytes - case scheme when 'allgather' then 294912 when 'ulysses' then 442368 else 344064 end between 0 and 512 order by scheme)")"
case_is "a dump is refused" "2" "$(printf 'dump: {dir: %s, what: o}\n' "$work/out" | cat "$work/alone.yaml" - >"$work/dump.yaml"; code_of "$spanbench" run "$work/dump.yaml" --db "$work/no.db")"
case_is "shardings are listed, and layouts" "7 4" \
    "$("$spanbench" list shardings | awk '/^layouts$/ {in_layouts = 1; next} /^[a-z]/ {s++} in_layouts {l++} END {print s, l}')"

cases_end
