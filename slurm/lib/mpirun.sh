#!/usr/bin/env bash
# mpirun, ended where it outlives its ranks: slurm/lib/mpirun.sh ARGUMENTS of mpirun. Its exit code, or 124 and a line.
# After MPI_Abort, Open MPI 4.1's mpirun may hang in its own end for ever, with every rank gone (tests/fault/README.md, The launcher).
# It is ended when it had child processes, ranks or what reaches other hosts, and has had none for SPAN_OUTLIVED_S seconds (15). For one
# host and for Slurm's own start: where mpirun runs no rank itself and reaches hosts by an ssh that does not stay, it has none all along.
set -uo pipefail
patience=${SPAN_OUTLIVED_S:-15}

# look PID: alone counts looks since it had a child process. One that ended and was not asked for is none, but was one.
had='' alone=0
look() {
    local child children stat
    children=$(cat /proc/"$1"/task/*/children 2>/dev/null) || return # nobody can tell
    alone=$((alone + 1))
    for child in $children; do
        had=1
        read -r stat 2>/dev/null </proc/"$child"/stat || continue
        stat=${stat##*) }
        [ "${stat%% *}" = Z ] || alone=0
    done
}

mpirun "$@" <&0 &
launcher=$!
for signal in HUP INT QUIT TERM USR1 USR2; do
    # shellcheck disable=SC2064 # now
    trap "kill -s $signal $launcher 2>/dev/null" "$signal"
done
while kill -0 "$launcher" 2>/dev/null; do
    sleep 1 &
    wait -n "$launcher" $!
    look "$launcher"
    if [ -n "$had" ] && [ "$alone" -ge "$patience" ]; then
        echo "mpirun has outlived its ranks by $patience s: ended" >&2
        kill -KILL "$launcher"
        wait "$launcher" 2>/dev/null
        exit 124
    fi
done
wait "$launcher"
