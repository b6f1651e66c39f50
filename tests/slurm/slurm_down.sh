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
# Steps of this cluster: slurmstepd writes into the log of its node's slurmd.
steps() {
    local p
    for p in /proc/[0-9]*; do
        [ "$(cat "$p/comm" 2>/dev/null)" = slurmstepd ] || continue
        if [ -n "$(find "$p/fd" -lname "$dir/*" 2>/dev/null | head -n 1)" ]; then echo "${p#/proc/}"; fi
    done
}
# Their scripts and ranks, which carry the cluster's name.
tasks() {
    local p
    for p in /proc/[0-9]*; do
        if { tr '\0' '\n' <"$p/environ"; } 2>/dev/null | grep -c -e "^SLURM_CONF=$dir/slurm.conf$" -e '^SLURMD_NODENAME=' | grep -qx 2; then
            echo "${p#/proc/}"
        fi
    done
}
# end PID...: TERM, ten seconds, KILL
end() {
    [ $# -gt 0 ] || return 0
    kill -TERM "$@" 2>/dev/null
    for _ in $(seq 200); do
        local alive=0 pid
        for pid in "$@"; do # one that only waits for init to notice is gone
            case $(sed -n 's/^State:[[:space:]]*//p' "/proc/$pid/status" 2>/dev/null) in "" | Z*) ;; *) alive=1 ;; esac
        done
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
mapfile -t left < <(tasks)
[ ${#left[@]} -eq 0 ] || kill -KILL "${left[@]}" 2>/dev/null
mapfile -t left < <(steps)
[ ${#left[@]} -eq 0 ] || kill -KILL "${left[@]}" 2>/dev/null
end ${pids[@]+"${pids[@]}"}
if pid=$(pid_of "$dir/mrun/munged.pid" munged); then end "$pid"; fi
exit 0
