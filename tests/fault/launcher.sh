#!/usr/bin/env bash
# slurm/lib/mpirun.sh, and what a job script has of it: a launcher that outlives its ranks is ended, any other is left alone, with its exit
# code and the signals that it is sent.
#   tests/fault/launcher.sh
set -uo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0 n=0
# is WHAT WANTED FOUND
is() {
    n=$((n + 1))
    [ "$2" = "$3" ] || { echo "FAILED: $1: found $3, wanted $2" && bad=$((bad + 1)); }
}

# mpirun HOW CODE [SECONDS]: a child for three seconds; `hangs` after it asked for its end, `forgets` to ask
cat >"$work/mpirun" <<'M'
#!/usr/bin/env bash
trap 'exit 75' USR1
sleep "${3:-3}" &
child=$!
case $1 in
    ends) wait && exit "$2" ;;
    hangs) wait && exec tail -f /dev/null ;;
    forgets) sleep 1.5 && exec tail -f /dev/null ;;
    reads) cat ;;
    waits) wait && exit 1 ;;
esac
M
chmod +x "$work/mpirun"
export PATH=$work:$PATH SPAN_OUTLIVED_S=2
launch=$here/slurm/lib/mpirun.sh
code() {
    "$@" >"$work/out" 2>"$work/err"
    echo $?
}
is "a code" 3 "$(code "$launch" ends 3 0)"
is "no child yet, then one that stays longer" 0 "$(code "$launch" ends 0 4)"
is "it hangs" 124 "$(code "$launch" hangs)"
is "it says so" "mpirun has outlived its ranks by 2 s: ended" "$(cat "$work/err")"
is "it hangs, with a rank that ended and is not asked for" 124 "$(code "$launch" forgets)"
is "standard input" "a line" "$(echo "a line" | "$launch" reads)"
"$launch" waits 0 30 &
sleep 1
kill -USR1 $!
wait $!
is "a signal" 75 $?

# the function of the job script, which waits 15 s
sed -n '/^outlived() {$/,/^}$/p' "$here/slurm/templates/job.sbatch" | sed 's/-ge 15/-ge 2/' >"$work/outlived"
is "the job script has it" 1 "$(grep -c '^outlived' "$work/outlived")"
# shellcheck source=/dev/null
. "$work/outlived"
for how in hangs forgets ends; do
    mpirun $how 5 3 &
    child=$!
    outlived $child 2>"$work/err" &
    wait $child
    echo "$how $?" >>"$work/codes"
done 2>/dev/null
is "a job script's launcher" "hangs 137 forgets 137 ends 5" "$(xargs <"$work/codes")"
echo "$((100 * (n - bad) / n))%: Checks: $n, Failures: $bad, Errors: 0"
[ $bad = 0 ]
