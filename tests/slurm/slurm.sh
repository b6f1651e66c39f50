#!/usr/bin/env bash
# The generated job in a real Slurm of six nodes on this host (slurm_up.sh). Everything that comes out is held against one
# uninterrupted mpirun of the same sweep, by `db diff`.
#   tests/slurm/slurm.sh SPANBENCH
# Without the packages, or not as root, it is skipped with the reason; SPAN_REQUIRE_SLURM=1 makes that a failure.
set -euo pipefail
spanbench=$(realpath "$1")
here=$(cd "$(dirname "$0")/../.." && pwd)
start_s=$SECONDS
# shellcheck source=tests/slurm/cluster.sh
. "$here/tests/slurm/cluster.sh"
cluster_start 6

# ---- helpers ----
say() { echo "$((SECONDS - start_s)) s: $*"; }
# until SECONDS COMMAND...: waits for a command to succeed
until_ok() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep .1
    done
}
state() { scontrol show job "$1" 2>/dev/null | sed -n 's/.*JobState=\([A-Z_]*\).*/\1/p' | sort | uniq -c | sed 's/^ *//' | xargs; }
ended() { ! squeue -h -j "$1" 2>/dev/null | grep -q .; }
finish_of() { cat "$1"/*/behind-"$2"/job; }
running() { squeue -h -t R -j "$1" 2>/dev/null | wc -l; }
samples() { sqlite3 "$1" 'SELECT count(DISTINCT point_id * 100000 + input_id) FROM sample WHERE NOT is_anchor' 2>/dev/null || echo 0; }
log_of() { cat "$1"/*/logs/*-"$2"_*.log; }
ranks_of() { pgrep -f -- "^[^ ]*spanbench run .*--publish $1/" || true; }
told() { # USR1 is on its way to a rank that does not run
    local pid
    for pid in "$@"; do
        [ $((0x$(awk '/^ShdPnd/ {print $2}' "/proc/$pid/status" 2>/dev/null || echo 0) & 0x200)) -ne 0 ] && return 0
    done
    return 1
}

cat >sweep.yaml <<'Y'
sweep: slurm
experiment: task
backend: cpu
model: {name: probe}
workloads:
  - {suite: probe, tasks: [cwe, fwe], lengths: [512, 1024], samples: 3, seed: 11}
methods: [dense, {name: a_shape, sink_tokens: 64, window_tokens: 256}]
timing: {warmup: 0, repetitions: 1}
Y
# site NAME MORE: what the jobs need here; MORE are further lines
site() {
    mkdir -p disk
    {
        cat <<Y
site: here
$(cluster_environment)
node_local: $work/disk
machine: none
Y
        printf '%s\n' "${@:2}"
    } >"$1.yaml"
}
printf 'gate: loose\nlatency: off\nmemory: off\n' >gates.yaml
# job NAME RANKS OPTIONS...: NAME.sbatch for the site NAME, results in NAME
job() { "$spanbench" sbatch sweep.yaml --site "$1.yaml" --ranks 2 --results "$work/$1" --base ref.db --gates gates.yaml --set "sweep=$1" >"$1.sbatch" 2>"$1.err"; }

mpirun -np 2 "$spanbench" run sweep.yaml --db ref.db --no-table 2>ref.log || { cat ref.log && exit 1; }
all=$(samples ref.db)
case_is "the uninterrupted run" "24" "$all"
say "reference of $all samples"

# ---- four jobs at once ----
# an array of four elements over two nodes each, two at a time, by PMIx
site array 'node: {tasks: 1, cores: 1}' 'limits: {nodes: 2, minutes: 8, throttle: 2}' 'time: {element_s: 400, start_s: 10, margin: 1, sample_s: 50}'
# one element that meets its time limit, by mpirun
one='limits: {nodes: 1, minutes: 8}'
site limit 'node: {tasks: 2, cores: 4}' "$one" 'mpi: mpirun' 'time: {element_s: 100000, sample_s: .1, start_s: 10, signal_s: 30, publish_s: 0}'
# one whose node is lost, one that is cancelled
site lost 'node: {tasks: 2, cores: 4}' "$one" 'time: {element_s: 100000, sample_s: .1, publish_s: 0}'
site cancel 'node: {tasks: 2, cores: 4}' "$one" 'time: {element_s: 100000, sample_s: .1, publish_s: 0}'
for name in array limit lost cancel; do job $name; done
case_is "sbatch accepts the script" "0" "$(code_of sbatch --test-only array.sbatch)"

limit=$(sbatch --parsable -t 1 limit.sbatch)
lost=$(sbatch --parsable lost.sbatch)
cancel=$(sbatch --parsable cancel.sbatch)
array=$(sbatch --parsable array.sbatch)

# stopped as soon as something is stored: what they wait for comes in the middle of the work, however fast this machine is
for name in limit lost cancel; do
    until_ok 60 compgen -G "$name/*/shards/*.db" >/dev/null || { cat $name/*/logs/* && exit 1; }
    mapfile -t pids < <(ranks_of "$work/$name")
    case_is "$name: its ranks" "2" "$(pgrep -cf -- "^[^ ]*spanbench run .*--publish $work/$name/")"
    case $name in
        limit)
            kill -STOP "${pids[@]}"
            # they go on when Slurm's signal is on its way to them, whatever happens here meanwhile
            (until_ok 70 told "${pids[@]}" && samples limit/*/shards/*.db >limit.told && kill -CONT "${pids[@]}") &
            ;;
        lost) kill -STOP "${pids[@]}" ;;
        cancel)
            before=$(samples cancel/*/shards/*.db)
            scancel "$cancel"
            ;;
    esac
done
say "stopped in the middle: $(samples limit/*/shards/*.db), $(samples lost/*/shards/*.db), $before of $all"

# the node of `lost` goes: daemon, steps, ranks, everything at once
node=$(squeue -h -j "$lost" -o %N)
gone=("$(cat "cluster/slurmd-$node.pid")")
for p in /proc/[0-9]*; do
    if [ "$(cat "$p/comm" 2>/dev/null)" = slurmstepd ] && find "$p/fd" -lname "$work/cluster/log/slurmd-$node.log" 2>/dev/null | grep -q .; then
        gone+=("${p#/proc/}")
    fi
done
mapfile -t others < <(pgrep -f -- "$work/cluster/spool/$node/job|--publish $work/lost/" || true)
kill -9 "${gone[@]}" "${others[@]}"
say "$node is lost"

# the array
until_ok 120 ended "$array" || true
# most elements at one time, by when each began and ended
most() {
    scontrol show job "$1" | sed -n 's/.*StartTime=\([^ ]*\) EndTime=\([^ ]*\).*/\1 \2/p' | while read -r from to; do
        echo "$(date -d "$from" +%s) 1"
        echo "$(date -d "$to" +%s) -1"
    done | sort -n -k1,1 -k2,2 | awk '{n += $2; if (n > most) most = n} END {print most}'
}
case_is "array: two elements at a time" "2" "$(most "$array")"
case_is "array: all elements completed" "4 COMPLETED" "$(state "$array")"
until_ok 30 ended "$(finish_of array "$array")" || true
case_is "array: merge, report and gate passed" "1 COMPLETED" "$(state "$(finish_of array "$array")")"
case_ok "array: the facts of the uninterrupted run" "$spanbench" db diff ref.db array/sweep.db
case_ok "array: the page" grep -q '</html>' array/sweep.html
case_ok "array: the gate" grep -q '<testsuite' array/sweep.gate.xml
case_is "array: each element timed its own dense" "0" "$(sqlite3 array/sweep.db 'SELECT count(*) FROM speedup WHERE attention_x IS NULL')"
case_is "array: ranks on two nodes" "4" "$(sqlite3 array/sweep.db "SELECT count(DISTINCT uuid) FROM run WHERE ranks = 2")"
say "the array is through"

# cancelled: a clean stop, the gate behind it misses cells; the same file again goes on
until_ok 60 ended "$cancel" || true
case_is "cancel: the job" "1 CANCELLED" "$(state "$cancel")"
case_ok "cancel: the shard is sound" "$spanbench" db check cancel/*/shards/"${cancel}"_0.db
had=$(samples cancel/*/shards/"${cancel}"_0.db)
case_ok "cancel: nothing that was stored is lost" test "$had" -ge "$before"
case_ok "cancel: and it did not go on" test "$had" -lt "$all"
until_ok 60 ended "$(finish_of cancel "$cancel")" || true
case_is "cancel: the gate behind it fails" "1 FAILED" "$(state "$(finish_of cancel "$cancel")")"
case_is "cancel: with what was measured merged" "$had" "$(samples cancel/sweep.db)"
again=$(sbatch --parsable cancel.sbatch)
say "cancelled with $had samples, queued again"

# the time limit: Slurm's own signal, exit code 75, requeue
until_ok 90 test -s limit.told || { cat limit/*/logs/* && echo "no signal before the time limit" && exit 1; }
say "the time limit is near: USR1 with $(cat limit.told) samples stored"

until_ok 120 ended "$again" || true
case_is "cancel: the second job completed" "1 COMPLETED" "$(state "$again")"
case_ok "cancel: it went on" grep -q " $had stored before" <(log_of cancel "$again")
until_ok 30 ended "$(finish_of cancel "$again")" || true
case_is "cancel: and its gate passes" "1 COMPLETED" "$(state "$(finish_of cancel "$again")")"
case_ok "cancel: the facts of the uninterrupted run" "$spanbench" db diff ref.db cancel/sweep.db

until_ok 120 ended "$lost" || { squeue && cat lost/*/logs/*; }
case_is "lost node: the job completed" "1 COMPLETED" "$(state "$lost")"
case_ok "lost node: after a restart" grep -q 'Restarts=1' <(scontrol show job "$lost")
case_ok "lost node: from the copy" grep -q ' [1-9][0-9]* stored before' <(log_of lost "$lost")
until_ok 30 ended "$(finish_of lost "$lost")" || true
case_ok "lost node: the facts of the uninterrupted run" "$spanbench" db diff ref.db lost/sweep.db
say "the lost node's job is through"

until_ok 120 ended "$limit" || { squeue && cat limit/*/logs/*; }
case_is "time limit: the job completed" "1 COMPLETED" "$(state "$limit")"
case_ok "time limit: after a requeue" grep -q 'Restarts=[1-9]' <(scontrol show job "$limit")
case_ok "time limit: stopped by the signal" grep -q 'stopped (signalled)' <(log_of limit "$limit")
case_ok "time limit: resumed" grep -q ' [1-9][0-9]* stored before' <(log_of limit "$limit")
until_ok 30 ended "$(finish_of limit "$limit")" || true
case_ok "time limit: the facts of the uninterrupted run" "$spanbench" db diff ref.db limit/sweep.db
case_is "time limit: only row 0 of dense, the anchor, was measured again" "0" "$(sqlite3 limit/sweep.db "SELECT count(*) FROM (SELECT 1 FROM sample AS s
    JOIN point AS p ON p.id = s.point_id JOIN input AS i ON i.id = s.input_id WHERE NOT (p.method = 'dense' AND i.row_no = 0) GROUP BY s.point_id, s.input_id HAVING count(*) > 1)")"
left_on_disk() {
    local folder
    for folder in disk/*; do basename "$folder"/*.db; done | xargs
}
case_is "nothing is left on the nodes' disk but by the lost one" "${lost}_0.db" "$(left_on_disk)"
say "all of it"
cases_end
