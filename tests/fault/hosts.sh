#!/usr/bin/env bash
# A run over several hosts from a hostfile, without Slurm: each "host" is a network and UTS namespace with a name and an address of
# its own, started by mpirun through what it takes for ssh, which enters it. Same facts as on one host; every rank's place is stored.
#   tests/fault/hosts.sh SPANBENCH [HOSTS]
set -euo pipefail
spanbench=$(realpath "$1") hosts=${2:-2}
here=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=/dev/null
. "$here/slurm/lib/mpi_env.sh"
work=$(mktemp -d)
pids=()
end() {
    for p in "${pids[@]}"; do
        on "$p" | xargs -r kill -9 2>/dev/null || true
        kill "$p" 2>/dev/null || true
    done
    rm -rf "$work"
}
on() { pgrep --ns "$1" --nslist net | grep -vx "$1" || true; } # what runs in a host
trap end EXIT
# shellcheck source=/dev/null
. "$here/tests/cli/cases.sh"

skip() { # where the kernel refuses; nothing else is a reason
    echo "skipped: $*"
    exit 77
}
why=$(unshare -u -n true 2>&1) || skip "the kernel refuses namespaces: $why"
command -v ip >/dev/null || skip "no ip (package iproute2)"

# a bridge in a namespace of its own, and a cable from each host to it
unshare -n sleep 600 &
switch=$!
pids+=("$switch")
for i in $(seq "$hosts"); do
    unshare -u -n sleep 600 &
    pids+=("$!")
done
for p in "${pids[@]}"; do # until it has left our namespace
    for _ in $(seq 100); do
        [ "$(readlink /proc/self/ns/net)" != "$(readlink "/proc/$p/ns/net")" ] && break
        sleep 0.02
    done
done
inside() { nsenter -t "$1" -u -n -- "${@:2}"; }
why=$(inside "$switch" ip link add br0 type bridge 2>&1) || skip "the kernel refuses a bridge: $why"
inside "$switch" ip link set br0 up
for i in $(seq "$hosts"); do
    p=${pids[$i]}
    why=$(ip link add "sp$i" netns "$p" type veth peer name "port$i" netns "$switch" 2>&1) || skip "the kernel refuses a cable: $why"
    inside "$p" hostname "span$i"
    inside "$p" ip addr add "10.77.0.$i/24" dev "sp$i"
    inside "$p" ip link set "sp$i" up
    inside "$p" ip link set lo up
    inside "$switch" ip link set "port$i" master br0 up
    echo "10.77.0.$i slots=2"
done >"$work/hostfile"

# mpirun calls it as ssh: rsh HOST COMMAND...
{
    echo '#!/usr/bin/env bash'
    echo 'case $1 in'
    for i in $(seq "$hosts"); do echo "    10.77.0.$i | span$i) p=${pids[$i]} ;;"; done
    echo '    *) echo "no such host: $1" >&2; exit 255 ;;'
    echo 'esac'
    echo 'shift'
    echo 'exec nsenter -t "$p" -u -n -- sh -c "$*"'
} >"$work/rsh"
chmod +x "$work/rsh"

cat >"$work/s.yaml" <<'Y'
sweep: hosts
experiment: task
backend: cpu
model: {name: probe}
workloads:
  - {suite: probe, tasks: [niah_single], lengths: [1024], samples: 1, seed: 11}
methods: [{name: a_shape, sink_tokens: 64, window_tokens: 128}]
sharding: [allgather, ring]
timing: {warmup: 0, repetitions: 1}
Y
over() { # RANKS COMMAND...
    inside "${pids[1]}" timeout 120 mpirun --hostfile "$work/hostfile" --mca plm_rsh_agent "$work/rsh" \
        --mca btl tcp,self --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 \
        -np "$1" --map-by "${by:-node}" -x OMP_NUM_THREADS -x OMP_WAIT_POLICY "${@:2}"
}
case_is "run over $hosts hosts" 0 "$(code_of over $((hosts * 2)) "$spanbench" run "$work/s.yaml" --db "$work/x.db" --no-table --watchdog 60)"
[ -s "$work/x.db" ] || { cat "$work/err" && exit 1; }
case_ok "sound" "$spanbench" db check "$work/x.db"
case_is "hosts by rank" "$(for r in $(seq 0 $((hosts * 2 - 1))); do printf 'span%d ' $((r % hosts + 1)); done)" \
    "$(sqlite3 "$work/x.db" "select group_concat(value, ' ') || ' ' from (select value from run, json_each(hosts_json) order by key + 0)")"
case_is "a place for every rank" $((hosts * 2)) "$(sqlite3 "$work/x.db" "select count(*) from run, json_each(env_json) where json_each.key like 'binding.%' and value like 'cpus %numa %nic %'")"
case_ok "on one host" mpirun -np $((hosts * 2)) "$spanbench" run "$work/s.yaml" --db "$work/one.db" --no-table
case_ok "the same facts as on one host" "$spanbench" db diff "$work/one.db" "$work/x.db"
# ---- heads shared out inside a host, keys of hosts going round: usp takes the ranks of a host by itself ----
cat >"$work/u.yaml" <<'Y'
sweep: teams
experiment: attention
backend: cpu
inputs:
  - {distribution: random, heads: 8, kv_heads: 4, head_dim: 32, lengths: [1536], seed: 7}
methods: [dense, {name: a_shape, sink_tokens: 64, window_tokens: 128}]
sharding: [usp]
quality: exact
timing: {warmup: 0, repetitions: 1}
Y
sed 's/\[usp\]/[{name: usp, ulysses: 2}]/' "$work/u.yaml" >"$work/u2.yaml"
moved() { sqlite3 "$work/$1.db" "select group_concat(x, ' ') from (select p.method || ' ' || b.received_bytes || ' ' || s.plan_digest || ' ' || f.rel_l2 as x
    from balance b join point p on p.id = b.point_id join sample s on s.point_id = p.id join fidelity f on f.point_id = p.id order by p.method)"; }
by=slot
case_is "heads shared out in hosts" 0 "$(code_of over $((hosts * 2)) "$spanbench" run "$work/u.yaml" --db "$work/u.db" --no-table --watchdog 60)"
by=node
case_is "ranks placed in turn" 0 "$(code_of over $((hosts * 2)) "$spanbench" run "$work/u.yaml" --db "$work/turn.db" --no-table --watchdog 60)"
case_ok "are told of" grep -q "adjacent ranks are on different hosts" "$work/err"
case_ok "the same teams on one host" mpirun -np $((hosts * 2)) "$spanbench" run "$work/u2.yaml" --db "$work/u2.db" --no-table
case_is "a team is a host: bytes, selection, error" "$(moved u2)" "$(moved u)"
sed 's/\[usp\]/[{name: ring, layout: zigzag}]/' "$work/u.yaml" >"$work/r.yaml"
case_ok "a ring on one host" mpirun -np $((hosts * 2)) "$spanbench" run "$work/r.yaml" --db "$work/r.db" --no-table
case_is "no team reaches over hosts: a ring" "$(moved r)" "$(moved turn)"
case_is "of both methods" 2 "$(sqlite3 "$work/u.db" "select count(*) from balance where received_bytes > 0")"
case_is "doctor over hosts" 0 "$(code_of over $((hosts * 2)) "$spanbench" doctor "$work")"
case_ok "doctor names them" grep -q "rank 1 .*span2" "$work/out"
# a host that goes away, with its daemon and its ranks
over $((hosts * 2)) "$spanbench" run "$work/s.yaml" --db "$work/gone.db" --no-table --set workloads[0].samples=50 --watchdog 10 >"$work/log" 2>&1 &
job=$!
# the database is the run's alone while it runs: its log tells that the first of two points is stored
for _ in $(seq 200); do
    grep -q '^\[1/2\] dense' "$work/log" && break
    sleep 0.1
done
t0=$SECONDS rc=0
on "${pids[2]}" | xargs -r kill -9
wait "$job" || rc=$?
case_is "a host is gone: code $rc" yes "$([ $rc -ne 0 ] && [ $((SECONDS - t0)) -lt 60 ] && echo yes || echo "code $rc after $((SECONDS - t0)) s: $(cat "$work/log")")"
case_ok "what was measured is there" "$spanbench" db check "$work/gone.db"
cases_end
