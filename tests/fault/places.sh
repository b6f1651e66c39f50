#!/usr/bin/env bash
# Where results are written: full and read-only file systems, a time of day that jumps, two jobs on one database, damaged databases.
# Each: no signal, no hang, a message where the code is not 0, nothing lost that was stored before, and the same command goes on.
#   tests/fault/places.sh SPANBENCH INJECT_LIBRARY [DAMAGES]
# DAMAGES (8): databases that are cut off, and as many with a flipped bit.
set -euo pipefail
spanbench=$1 inject=$2 damages=${3:-8}
here=$(cd "$(dirname "$0")/../.." && pwd)
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=/dev/null
. "$here/tests/cli/cases.sh"
RANDOM=11

cat >"$work/s.yaml" <<'Y'
sweep: places
experiment: attention
backend: cpu
inputs:
  - {distribution: random, heads: 2, kv_heads: 1, head_dim: 64, lengths: [192, 256], seed: 7}
methods: [dense, {name: a_shape, sink_tokens: 32, window_tokens: 64}]
timing: {warmup: 0, repetitions: 1}
Y
cat >"$work/g.yaml" <<'Y'
sweep: places
tokenizer: characters
workloads:
  - {suite: niah, tasks: all, lengths: [4096], depths: 2, buffer_tokens: 300, samples: 2}
Y
"$spanbench" run "$work/s.yaml" --db "$work/whole.db" --no-table 2>"$work/err" || { cat "$work/err" && exit 1; }
"$spanbench" run "$work/s.yaml" --db "$work/begun.db" --point 0 --no-table 2>"$work/err" || { cat "$work/err" && exit 1; }

# in_place MOUNT_OPTIONS PROLOGUE COMMAND...: with a tmpfs of those options on $work/fs, in a mount namespace of its own; what it holds
# at the end is copied to $work/left. PROLOGUE is run there first.
mkdir "$work/fs"
in_place() {
    local options=$1 prologue=$2
    shift 2
    rm -rf "$work/left"
    # shellcheck disable=SC2016 # expanded there
    unshare -m bash -c 'mount -t tmpfs -o "$1" none "$2/fs" && eval "$3" && work=$2 && shift 3 && rc=0 && { "$@" || rc=$?; } && cp -r "$work/fs" "$work/left" && exit $rc' \
        - "$options" "$work" "$prologue" "$@"
}
may_mount=yes
in_place size=64k : true 2>"$work/err" || may_mount="no: $(tail -n 1 "$work/err")"

goes_on() { # NAME: the database left there is sound, and the same command completes it
    [ -s "$work/left/x.db" ] || return 0
    case_ok "$1: goes on" "$spanbench" run "$work/s.yaml" --db "$work/left/x.db" --no-table
    case_ok "$1: sound" "$spanbench" db check "$work/left/x.db"
    case_ok "$1: the same facts" "$spanbench" db diff "$work/whole.db" "$work/left/x.db"
}

if [ "$may_mount" = yes ]; then
    for kib in 8 64 128 200 216; do
        case_is "run, $kib KiB: exit code" 1 "$(code_of in_place size=${kib}k : "$spanbench" run "$work/s.yaml" --db "$work/fs/x.db" --no-table)"
        case_ok "run, $kib KiB: message" grep -qE 'x.db: .*(no space left|disk I/O error|database or disk is full)' "$work/err"
        goes_on "run, $kib KiB"
    done
    begun=$(($(stat -c %s "$work/begun.db") / 1024))
    for kib in $((begun + 12)) $((begun + 28)); do # the database fits, its journal may not
        case_is "merge, $kib KiB: exit code" 1 "$(code_of in_place size=${kib}k "cp $work/begun.db $work/fs/x.db" "$spanbench" db merge "$work/fs/x.db" "$work/whole.db")"
        case_ok "merge, $kib KiB: message" grep -qE 'no space left|disk I/O error|disk is full' "$work/err" "$work/out"
        goes_on "merge, $kib KiB"
    done
    case_is "report, full: exit code" 1 "$(code_of in_place size=8k "echo before >$work/fs/page.html" "$spanbench" report "$work/whole.db" -o "$work/fs/page.html" --no-plots)"
    case_ok "report, full: message" grep -q 'page.html.*No space left on device' "$work/err"
    case_is "report, full: what was there" "before page.html" "$(cat "$work/left/page.html") $(ls "$work/left")"
    case_is "gen, full: exit code" 1 "$(code_of in_place size=8k : "$spanbench" gen "$work/g.yaml" -o "$work/fs/out" --no-cache)"
    case_ok "gen, full: message" grep -q 'No space left on device' "$work/err"
    # shellcheck disable=SC2016
    ro='cp $2/begun.db $2/fs/x.db && cp $2/fs/x.db $2/fs/m.db && mount -o remount,ro $2/fs'
    case_is "run, read-only: exit code" 1 "$(code_of in_place size=1m "$ro" "$spanbench" run "$work/s.yaml" --db "$work/fs/x.db" --no-table)"
    case_ok "run, read-only: message" grep -qE 'x.db: .*read-only' "$work/err"
    case_ok "run, read-only: as it was" cmp "$work/begun.db" "$work/left/x.db"
    case_is "merge, read-only: exit code" 1 "$(code_of in_place size=1m "$ro" "$spanbench" db merge "$work/fs/m.db" "$work/whole.db")"
    case_ok "merge, read-only: message" grep -qiE 'm.db: .*read-only' "$work/err" "$work/out"
    case_is "query, read-only: exit code" 0 "$(code_of in_place size=1m "$ro" "$spanbench" query "$work/fs/x.db" --view coverage)"
    case_is "gen, read-only: exit code" 1 "$(code_of in_place size=1m "$ro" "$spanbench" gen "$work/g.yaml" -o "$work/fs/out" --no-cache)"
    case_ok "gen, read-only: message" grep -q 'Read-only file system' "$work/err"
else
    echo "skipped: file systems of their own: $may_mount"
fi

# ---- standard output ----
for verb in "list methods" "db diff $work/whole.db $work/whole.db" "query $work/whole.db --view latency" "report $work/whole.db --terminal"; do
    # shellcheck disable=SC2086
    case_is "$verb to a full device" 1 "$(code=0; "$spanbench" $verb >/dev/full 2>"$work/err" || code=$?; echo $code)"
    case_ok "$verb to a full device: message" test -s "$work/err"
done

# ---- the time of day jumps by a day, to and fro ----
case_is "clock: exit code" 0 "$(code_of env FAULT="kind=clock k=1" FAULT_LOG="$work/log" LD_PRELOAD="$inject" "$spanbench" run "$work/s.yaml" --db "$work/clock.db" --no-table --watchdog 20)"
case_ok "clock: it did jump" grep -qx 'hit 1' "$work/log"
case_ok "clock: sound" "$spanbench" db check "$work/clock.db"
case_ok "clock: the same facts" "$spanbench" db diff "$work/whole.db" "$work/clock.db"
case_is "clock: times are not the clock's" 0 "$(sqlite3 "$work/clock.db" 'select count(*) from timing where ns < 0 or ns > 60e9')"

# ---- two jobs on one database: one waits for the other, or says that it is in use ----
for i in 1 2 3; do
    rm -f "$work/two.db"*
    codes="" pids=""
    for job in a b; do
        "$spanbench" run "$work/s.yaml" --db "$work/two.db" --no-table >"$work/$job.log" 2>&1 &
        pids="$pids $!"
    done
    for p in $pids; do
        rc=0
        wait "$p" || rc=$?
        codes="$codes$rc "
    done
    case_is "two jobs $i: exit codes" yes "$(case $codes in "0 0 " | "0 1 " | "1 0 ") echo yes ;; *) echo "$codes $(cat "$work"/[ab].log)" ;; esac)"
    case $codes in *1*) case_ok "two jobs $i: message" grep -q 'two.db: another process is writing it' "$work/a.log" "$work/b.log" ;; esac
    case_ok "two jobs $i: sound" "$spanbench" db check "$work/two.db"
    case_ok "two jobs $i: goes on" "$spanbench" run "$work/s.yaml" --db "$work/two.db" --no-table
    case_ok "two jobs $i: the same facts" "$spanbench" db diff "$work/whole.db" "$work/two.db"
done

# ---- damaged databases ----
size=$(stat -c %s "$work/whole.db")
told=0 unseen=0
damaged() { # NAME
    local verb rc before
    before=$(sha256sum <"$work/bad.db")
    for verb in "db check $work/bad.db" "query $work/bad.db --view latency" "report $work/bad.db --terminal" "db diff $work/whole.db $work/bad.db"; do
        # shellcheck disable=SC2086
        rc=$(code_of timeout 60 "$spanbench" $verb)
        case_is "$1: $verb" yes "$([ "$rc" -le 2 ] && { [ "$rc" = 0 ] || [ -s "$work/err" ] || [ -s "$work/out" ]; } && echo yes || echo "code $rc $(cat "$work/err")")"
        case $verb in "db check"*) if [ "$rc" = 0 ]; then unseen=$((unseen + 1)); else told=$((told + 1)); fi ;; esac
    done
    case_is "$1: only read" "$before" "$(sha256sum <"$work/bad.db")"
    cp "$work/begun.db" "$work/main.db"
    rc=$(code_of timeout 60 "$spanbench" db merge "$work/main.db" "$work/bad.db")
    case_is "$1: merge" yes "$([ "$rc" -le 1 ] && echo yes || echo "code $rc $(cat "$work/err")")"
    case_ok "$1: MAIN is sound" "$spanbench" db check "$work/main.db"
    rc=$(code_of timeout 60 "$spanbench" run "$work/s.yaml" --db "$work/bad.db" --no-table)
    case_is "$1: run" yes "$([ "$rc" -le 2 ] && { [ "$rc" = 0 ] || [ -s "$work/err" ]; } && echo yes || echo "code $rc $(cat "$work/err")")"
}
for i in $(seq "$damages"); do
    at=$((RANDOM * 32768 + RANDOM))
    head -c $((at % size)) "$work/whole.db" >"$work/bad.db"
    damaged "cut off at $((at % size))"
    at=$(((RANDOM * 32768 + RANDOM) % size))
    cp "$work/whole.db" "$work/bad.db"
    byte=$(od -An -tu1 -j $at -N1 "$work/bad.db")
    # shellcheck disable=SC2059
    printf "\\x$(printf %02x $((byte ^ (1 << (i % 8)))))" | dd of="$work/bad.db" bs=1 seek=$at conv=notrunc status=none
    damaged "bit $((i % 8)) of byte $at flipped"
done
echo "$((2 * damages)) damaged databases: db check told $told, $unseen are sound all the same"
cases_end
