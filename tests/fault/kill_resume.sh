#!/usr/bin/env bash
# Kill ranks and whole jobs at random moments; the database must pass `db check` after every kill, and after a rerun hold the same
# facts as an uninterrupted run.
#   tests/fault/kill_resume.sh SPANBENCH KILLS [SEED]
set -euo pipefail
spanbench=$1 kills=$2 seed=${3:-7}
here=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=/dev/null
. "$here/slurm/lib/mpi_env.sh"
RANDOM=$seed
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sweep=$work/sweep.yaml
cat >"$sweep" <<'Y'
sweep: kill_resume
experiment: task
backend: cpu
model: {name: probe}
workloads:
  - {suite: probe, tasks: [niah_single, vt, cwe], lengths: [1024, 2048], samples: 3, seed: 11}
methods: [{name: a_shape, sink_tokens: 64, window_tokens: 512}, power_attention]
sharding: [{name: allgather, layout: zigzag}]
timing: {warmup: 1, repetitions: 2}
Y

start() { # DB: in a session of its own, so that all of it can be killed at once
    setsid mpirun -np 2 "$spanbench" run "$sweep" --db "$1" --no-table >"$work/log" 2>&1 &
    job=$!
}

ranks() { pgrep -x spanbench -f "$1" 2>/dev/null || pgrep -f "^[^ ]*spanbench run .*--db $1" || true; }

# Nothing of a killed job may still hold the database when the next one starts.
wait_gone() {
    for _ in $(seq 200); do
        [ -z "$(pgrep -f -- "--db $1" || true)" ] && return 0
        sleep 0.05
    done
    echo "a process of the killed job is still there" >&2
    return 1
}

t0=$(date +%s.%N)
start "$work/reference.db"
wait "$job"
whole=$(awk -v a="$t0" -v b="$(date +%s.%N)" "BEGIN {print b - a}")
echo "uninterrupted: $whole s"
"$spanbench" db check "$work/reference.db"

done_kills=0 round=0
while [ "$done_kills" -lt "$kills" ]; do
    round=$((round + 1))
    db=$work/round$round.db
    while :; do
        start "$db"
        # Somewhere in the first three quarters of what is left, at most: later rounds start from what is stored.
        sleep "$(awk -v w="$whole" -v r="$((RANDOM % 1000))" "BEGIN {print 0.2 + w * r / 2500}")"
        if ! kill -0 "$job" 2>/dev/null; then
            wait "$job" && break # it was finished already: next round
            echo "the run failed by itself:" && cat "$work/log" && exit 1
        fi
        if [ $((RANDOM % 2)) = 0 ]; then
            what="a rank"
            victim=$(ranks "$db" | shuf -n 1 --random-source=<(yes "$RANDOM"))
            [ -n "$victim" ] && kill -9 "$victim" 2>/dev/null || true
        else
            what="the job"
            kill -9 -- "-$job" 2>/dev/null || true
            for p in $(ranks "$db"); do kill -9 "$p" 2>/dev/null || true; done
        fi
        wait "$job" 2>/dev/null || true
        wait_gone "$db"
        done_kills=$((done_kills + 1))
        if [ -e "$db" ]; then "$spanbench" db check "$db" >"$work/check" || { cat "$work/check"; exit 1; }; fi
        echo "kill $done_kills: $what, check ok, $([ -e "$db" ] && sqlite3 "$db" 'select count(*) from sample' 2>/dev/null || echo 0) samples stored"
        [ "$done_kills" -ge "$kills" ] && break
    done
    start "$db"
    wait "$job" || { cat "$work/log"; exit 1; }
    "$spanbench" db check "$db"
    "$spanbench" db diff "$work/reference.db" "$db"
done
echo "$done_kills kills in $round rounds: every check passed, every rerun holds the same facts"
