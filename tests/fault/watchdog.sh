#!/usr/bin/env bash
# Ranks that hang, die or fail in the midst of a run: all ranks leave in time with the code that is specified, what was measured
# before is in the database, and the same command goes on to the same facts.
#   tests/fault/watchdog.sh SPANBENCH INJECT_LIBRARY
set -euo pipefail
spanbench=$1 inject=$2
here=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=/dev/null
. "$here/slurm/lib/mpi_env.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
limit=2 # seconds a phase may take; the whole of a case: start, limit, 1 to 4 s for the other ranks' lines, the launcher's 1 to 2.5 s
sweep=$work/sweep.yaml
cat >"$sweep" <<'Y'
sweep: watchdog
experiment: task
backend: cpu
model: {name: probe}
workloads:
  - {suite: probe, tasks: [niah_single], lengths: [1024], samples: 2, seed: 11}
methods: [{name: a_shape, sink_tokens: 64, window_tokens: 128}]
sharding: [allgather, ring]
timing: {warmup: 0, repetitions: 1}
Y
bad=0
fail() {
    echo "FAILED: $*"
    bad=1
}

samples() { sqlite3 "file:$1?mode=ro" 'select count(*) from sample' 2>/dev/null || echo 0; }

# one RANKS FAULT ALLOWED_CODES PATTERN: PATTERN must stand in what the ranks print.
one() {
    local ranks=$1 fault=$2 codes=$3 pattern=$4 db=$work/case.db rc=0 t0 t1 kept
    rm -f "$db"*
    cp "$work/begun$ranks.db" "$db"
    kept=$(samples "$db")
    t0=$(date +%s%N)
    timeout 60 mpirun -np "$ranks" env FAULT="$fault" LD_PRELOAD="$inject" "$spanbench" run "$sweep" --db "$db" --no-table \
        --watchdog $limit >"$work/log" 2>&1 || rc=$?
    t1=$(date +%s%N)
    case " $codes " in
        *" $rc "*) ;;
        *) fail "$fault: exit code $rc, expected $codes: $(cat "$work/log")" ;;
    esac
    grep -qE -- "$pattern" "$work/log" || fail "$fault: no \`$pattern\` in: $(cat "$work/log")"
    [ $(((t1 - t0) / 1000000)) -lt 40000 ] || fail "$fault: took $(((t1 - t0) / 1000000)) ms"
    pgrep -f -- "--db $db" >/dev/null && fail "$fault: a rank is still there"
    "$spanbench" db check "$db" >"$work/check" 2>&1 || fail "$fault: $(cat "$work/check")"
    [ "$(samples "$db")" -ge "$kept" ] && [ "$kept" -ge 1 ] || fail "$fault: $kept samples before, $(samples "$db") after"
    mpirun -np "$ranks" "$spanbench" run "$sweep" --db "$db" --no-table >"$work/log" 2>&1 || fail "$fault: the resumed run: $(cat "$work/log")"
    "$spanbench" db check "$db" >"$work/check" 2>&1 || fail "$fault: after resuming: $(cat "$work/check")"
    "$spanbench" db diff "$work/reference$ranks.db" "$db" >"$work/diff" || fail "$fault: other facts than an uninterrupted run: $(cat "$work/diff")"
    echo "$ranks ranks, $fault: code $rc after $(((t1 - t0) / 1000000)) ms, $kept samples kept, resumed"
}

for ranks in 2 3 4; do
    mpirun -np $ranks "$spanbench" run "$sweep" --db "$work/reference$ranks.db" --no-table >"$work/log" 2>&1 || { cat "$work/log" && exit 1; }
    mpirun -np $ranks "$spanbench" run "$sweep" --db "$work/begun$ranks.db" --point 0 --row 0 --no-table >"$work/log" 2>&1 ||
        { cat "$work/log" && exit 1; }
done

dog='watchdog: rank [0-9] of [0-9] on [^:]+: point [0-9]+ \(.*, row [0-9]: .* takes [0-9.]+ s, 2.0 s are allowed'
one 2 "kind=mpi k=150 do=hang rank=1" 124 "$dog: waiting for other ranks since"
one 3 "kind=mpi k=150 do=hang rank=0" 124 "$dog"
one 3 "kind=link k=5 do=hang rank=1" 124 "$dog: waiting for other ranks since [0-9.]+ s in wait for a link"
one 4 "kind=omp k=60 do=hang rank=1" 124 "rank 1 of 4 .*: not in a call between ranks"
one 2 "kind=write k=60 do=hang rank=0" 124 "rank 0 of 2 .* takes [0-9.]+ s, 2.0 s are allowed: not in a call"
one 2 "kind=mpi k=150 do=kill rank=1" 137 "signal 9"
one 2 "kind=mpi k=150 do=kill rank=0" 137 "signal 9"
one 3 "kind=link k=5 do=kill rank=1" 137 "signal 9"
one 2 "kind=write k=60 do=kill rank=0" 137 "signal 9"
# a call that fails in one rank alone: the others wait in theirs; what this rank was told stands in its line
one 2 "kind=mpi k=150 do=fail rank=1" "1 124" "MPI_[A-Z][a-z]+: MPI_ERR_OTHER"
one 3 "kind=link k=5 do=fail rank=2" "1 124" "MPI_[A-Z][a-z]+: MPI_ERR_OTHER"
[ $bad = 0 ] && echo "11 faults: every rank left in time, nothing that was measured is lost"
exit $bad
