#!/usr/bin/env bash
# run.sh of a folder made by tests/fuzz/pack.sh: all fuzzers at once, SECONDS each, where there are more cores a second process on the
# same inputs for some.
#   ./run.sh SECONDS OUTDIR [FUZZER...]
# A line for each fuzzer; in OUTDIR: summary.txt, NAME.log, crashing inputs as NAME-crash-*, NAME-timeout-*, NAME-oom-*, NAME-leak-*, and
# found.tar.gz with the new inputs by name. After a finding a fuzzer goes on until its time is over. Exit code 1: there is a finding.
set -euo pipefail
[[ $# -ge 2 && $1 =~ ^[0-9]+$ ]] || { sed -n '2,6s/^# \?//p' "$0" >&2 && exit 2; }
seconds=$1
mkdir -p "$2"
out=$(cd "$2" && pwd)
shift 2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar -C "$work" -xzf "$here/fuzzers.tar.gz"
cd "$work"
names=("$@")
# the slowest to find something first: they get the cores that are left over
[ $# -gt 0 ] || names=(sweep site query tokenizer_json checkpoint folder jsonl config tokenizer_model template machine safetensors gate)
for name in "${names[@]}"; do
    [ -x "bin/fuzz_$name" ] || { echo "found fuzzer $name, allowed: $(cd bin && echo fuzz_* | sed 's/fuzz_//g')" >&2 && exit 2; }
done

# fuzzer NAME INPUT [OPTION...]
fuzzer() {
    local name=$1
    shift
    env LD_LIBRARY_PATH="$work/lib" ASAN_OPTIONS="detect_leaks=$leaks" UBSAN_OPTIONS=print_stacktrace=1 OMP_NUM_THREADS=1 "bin/fuzz_$name" "$@"
}

# process NAME NUMBER: until the time is over, at most 50 findings.
process() {
    local name=$1 number=$2 until=$((SECONDS + seconds)) left n=0 log
    while left=$((until - SECONDS)) && [ "$left" -gt 0 ] && [ "$n" -lt 50 ]; do
        log=$work/log/$name.$number.$n
        # the second process also looks at what is compared with what
        fuzzer "$name" -max_total_time="$left" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -max_len="$(cat "seeds/$name.max")" \
            -use_value_profile="$number" -reload=10 -artifact_prefix="$out/$name-" "found/$name" "seeds/$name" >"$log" 2>&1 || true
        n=$((n + 1))
    done
}

# Leaks are looked for by ptrace, which some containers refuse.
mkdir log found
leaks=1
printf x >one
fuzzer gate one >log/leaks 2>&1 || leaks=0
if [ "$leaks" = 0 ]; then
    fuzzer gate one >log/leaks 2>&1 || { cat log/leaks && exit 1; }
    echo "leaks are not looked for: the leak sanitizer does not run here"
fi
spare=$(($(nproc) - ${#names[@]}))
for name in "${names[@]}"; do
    mkdir "found/$name"
    process "$name" 0 &
    if [ "$spare" -gt 0 ]; then
        process "$name" 1 &
        spare=$((spare - 1))
    fi
done
wait

for name in "${names[@]}"; do
    logs=("log/$name".*)
    cat "${logs[@]}" >"$out/$name.log"
    findings=$(find "$out" -maxdepth 1 -name "$name-*" -type f | wc -l)
    printf '%-15s %5d s, %d processes, %10d inputs, coverage %s to %s, %d new files, findings %d\n' "$name" "$seconds" \
        "$(find log -name "$name.*.0" | wc -l)" \
        "$(awk '/^stat::number_of_executed_units/ {n += $2} END {printf "%d", n}' "${logs[@]}")" \
        "$(sed -n 's/^#.*INITED cov: \([0-9]*\) .*/\1/p' "log/$name.0.0" | head -n 1)" \
        "$(sed -n 's/^#.* cov: \([0-9]*\) .*/\1/p' "${logs[@]}" | sort -n | tail -n 1)" \
        "$(find "found/$name" -type f | wc -l)" "$findings"
done | tee "$out/summary.txt"
tar -czf "$out/found.tar.gz" found
[ -z "$(find "$out" -maxdepth 1 -type f -name '*-*')" ]
