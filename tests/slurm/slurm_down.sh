#!/usr/bin/env bash
# Ends the daemons of slurm_up.sh, by the pids they wrote down, and the job steps they left behind.
#   tests/slurm/slurm_down.sh DIR
set -uo pipefail
dir=$1
# pid_of FILE PROGRAM: the pid in FILE while it is that program
pid_of() {
    local pid
    pid=$(cat "$1" 2>/dev/null) && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ] && echo "$pid"
}
# Steps of this cluster: slurmstepd keeps its node's spool folder open.
steps() {
    local p
    for p in /proc/[0-9]*; do
        [ "$(cat "$p/comm" 2>/dev/null)" = slurmstepd ] || continue
        if [ -n "$(find "$p/fd" -lname "$dir/*" 2>/dev/null | head -n 1)" ]; then echo "${p#/proc/}"; fi
    done
}
# end PID...: TERM, ten seconds, KILL
end() {
    [ $# -gt 0 ] || return 0
    kill -TERM "$@" 2>/dev/null
    for _ in $(seq 200); do
        local alive=0 pid
        for pid in "$@"; do kill -0 "$pid" 2>/dev/null && alive=1; done
        [ $alive -eq 0 ] && return 0
        sleep .05
    done
    kill -KILL "$@" 2>/dev/null
    return 0
}
pids=()
for file in "$dir"/slurmd-*.pid; do
    if pid=$(pid_of "$file" slurmd); then pids+=("$pid"); fi
done
if pid=$(pid_of "$dir/slurmctld.pid" slurmctld); then pids+=("$pid"); fi
mapfile -t left < <(steps)
end ${left[@]+"${left[@]}"}
end ${pids[@]+"${pids[@]}"}
if pid=$(pid_of "$dir/mrun/munged.pid" munged); then end "$pid"; fi
exit 0
