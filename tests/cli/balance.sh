#!/usr/bin/env bash
# How ranks share a prefill: what is stored about it and what the view says, the same in every run.
#   tests/cli/balance.sh SPANBENCH
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

# sweep NAME METHODS SHARDING [LENGTH]: a file in $work
sweep() {
    cat >"$work/$1.yaml" <<Y
sweep: $1
experiment: attention
backend: cpu
inputs:
  - {distribution: clustered, heads: 4, kv_heads: 2, head_dim: 32, lengths: [${4:-1024}], seed: 3}
methods: $2
sharding: $3
quality: none
timing: {warmup: 0, repetitions: 1}
Y
}
run() { mpirun --oversubscribe -np "$1" "$spanbench" run "$work/$2.yaml" --db "$work/$3.db" --no-table; }
ask() { sqlite3 "$work/$1.db" "$2"; }

# ---- the table of layouts: 1024 tokens are 8 blocks ----
sweep layouts "[dense]" "[{name: allgather, layout: [contiguous, zigzag, block_striped, lpt]}]"
case_ok "one rank" run 1 layouts one
case_is "has nothing to share" "0" "$(ask one "select count(*) from rank_work")"
case_ok "4 ranks" run 4 layouts four
case_is "the imbalance of layouts" "1.75 1.0 1.375 1.0" \
    "$(ask four "select group_concat(imbalance, ' ') from (select imbalance from balance order by point_id)")"
case_is "of a ring" "1.75 1.0 1.375 1.0" \
    "$(ask four "select group_concat(step_imbalance, ' ') from (select step_imbalance from balance order by point_id)")"
case_is "dealt out longest first" "1.0" "$(ask four "select distinct lpt_imbalance from balance")"
case_is "in one piece half of the keys are needed" "0.5" "$(ask four "select phi from balance where layout = 'contiguous'")"
case_is "what a gather brings: 2 x 768 tokens x 2 heads x 64 bytes, and what ranks agree by" "4" \
    "$(ask four "select count(*) from balance where received_bytes between 196608 and 196608 + 512")"
case_is "and it is not hidden" "4" "$(ask four "select count(*) from balance where exposed_ms > 0")"

# ---- indexes of the data: the same figures in every run ----
sweep methods "[dense, {name: minference, vertical_tokens: 50, slash_tokens: 130}, {name: a_shape, sink_tokens: 4, window_tokens: 128},
          {name: linear, kind: elu1}]" "[allgather]" 1001
all="select group_concat(x, ';') from (select method || layer || ' ' || work_max || ' ' || work_sum || ' ' || step_work || ' ' || lpt_max
     || ' ' || ifnull(keys_needed, '') || ' ' || ifnull(keys_foreign, '') as x
     from rank_work join sample on sample.id = sample_id join point on point.id = point_id order by point.id)"
case_ok "3 ranks" run 3 methods a
case_ok "again" run 3 methods b
case_is "4 rows" "4" "$(ask a "select count(*) from rank_work")"
case_is "twice the same" "$(ask a "$all")" "$(ask b "$all")"
case_ok "2 ranks" run 2 methods c
sums="select group_concat(work_sum, ' ') from (select work_sum from rank_work join sample on sample.id = sample_id order by point_id)"
case_is "the work there is does not depend on ranks" "$(ask a "$sums")" "$(ask c "$sums")"
case_is "a state needs no keys" "1" "$(ask a "select count(*) from balance where method = 'linear' and phi is null and imbalance >= 1")"
case_is "the database is sound" "0" "$(code_of "$spanbench" db check "$work/a.db")"

# ---- dealt out by what methods expect: as near as the index allows where parameters say all ----
sweep dealt "[dense, {name: a_shape, sink_tokens: 4, window_tokens: 128}, {name: power_attention, block_tokens: 64},
          {name: hip, top_k_tokens: 64, window_tokens: 64}, {name: linear, kind: elu1}]" "[{name: allgather, layout: [block_striped, lpt]}, {name: ring, layout: lpt}]" 3000
case_ok "3 ranks, stripes dealt out" run 3 dealt dealt
case_is "reading all keys is not for a ring, in any layout" "hip ring" \
    "$(ask dealt "select group_concat(method || ' ' || sharding) from coverage where status = 'unsupported'")"
case_is "a state has one point, in one piece" "linear state contiguous" \
    "$(ask dealt "select group_concat(method || ' ' || sharding || ' ' || layout) from coverage where method = 'linear'")"
case_is "known patterns are as even as their stripes let them" "0" \
    "$(ask dealt "select count(*) from balance where layout = 'lpt' and method <> 'hip' and imbalance > lpt_imbalance + 0.01")"
case_is "dense: as even as any deal, which stripes in turn are not" "1" \
    "$(ask dealt "select count(*) from balance as a join balance as b using (method, sharding) where a.layout = 'lpt' and b.layout = 'block_striped'
       and method = 'dense' and a.imbalance = a.lpt_imbalance and a.imbalance < b.imbalance")"
case_is "the same selection in both" "4" \
    "$(ask dealt "select count(*) from (select distinct method, plan_digest from sample join point on point.id = point_id where plan_digest is not null)")"

# ---- other ways to move keys: the same outputs, the same index, less traffic or less room ----
sweep ways "[dense, {name: a_shape, sink_tokens: 4, window_tokens: 128}, {name: hip, top_k_tokens: 64}]" \
    "[{name: allgather, layout: contiguous}, {name: allgather, heads_at_once: 1, layout: contiguous}, fetch, {name: pass_q, layout: contiguous}]" 1500
sed -i 's/quality: none/quality: exact/' "$work/ways.yaml"
case_ok "3 ranks, four ways" run 3 ways ways
case_is "all of them" "11" "$(ask ways "select count(*) from coverage where status = 'ok'")"
case_is "queries do not go round for one who reads keys" "1" \
    "$(ask ways "select count(*) from coverage where method = 'hip' and sharding = 'pass_q' and status = 'unsupported'")"
case_is "the same selection, every way" "3" \
    "$(ask ways "select count(*) from (select distinct method, plan_digest from sample join point on point.id = point_id where plan_digest is not null)")"
case_is "the same bits where keys are gathered or fetched" "3" \
    "$(ask ways "select count(*) from (select distinct method, rel_l2 from fidelity where sharding <> 'pass_q')")"
case_is "near where sums have another order" "0" \
    "$(ask ways "select count(*) from fidelity as a join fidelity as b using (method) where a.sharding = 'pass_q' and b.sharding = 'fetch'
       and abs(a.rel_l2 - b.rel_l2) > 1e-3")"
case_is "memory is as predicted" "0" \
    "$(ask ways "select count(*) from memory p join memory a using (sample_id) where p.kind = 'predicted'
       and a.kind = 'arena_high_water' and a.bytes <> p.bytes")"
case_is "the rule says fetch: a window always, dense in one piece too" "a_shape 1.0 dense 1.0" \
    "$(ask ways "select group_concat(method || ' ' || fetched, ' ') from (select * from balance where fetched is not null and layout = 'contiguous' and method <> 'hip' order by method)")"
case_is "a window's halo is little of a gather" "1" \
    "$(ask ways "select a.received_bytes * 3 < b.received_bytes from balance as a join balance as b using (method) where a.sharding = 'fetch'
       and b.sharding = 'allgather' and method = 'a_shape'")"
case_is "dealt out in stripes it is told that all keys moved" "0.0" \
    "$(sweep stripes "[dense]" "[{name: fetch, layout: block_striped}]" 2048 && run 3 stripes stripes >/dev/null 2>&1; ask stripes "select fetched from balance where layout = 'block_striped'")"
# ---- who chooses what moves keys, and how fast that is ----
case_ok "doctor" mpirun --oversubscribe -np 3 "$spanbench" doctor "$work"
mpirun --oversubscribe -np 3 "$spanbench" doctor "$work" >"$work/doctor" 2>/dev/null
case_is "which link, why, how fast" 1 "$(grep -cE '^link cpu +mpi: memory of the host; [0-9]+\.[0-9]+ GB/s from rank to rank' "$work/doctor")"
case_is "where each rank runs" 3 "$(grep -cE '^rank [0-2] +on .+, cpus [0-9,-]+ numa ' "$work/doctor")"
cases_end
