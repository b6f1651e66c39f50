#!/usr/bin/env bash
# Coverage-guided fuzzing with sanitizers, by hand (clang): SECONDS for each target, one after the other.
#   tests/fuzz/run.sh [--keep] [SECONDS [TARGET...]]        600 s each, all targets
# Every target starts from its seeds (fuzz.cmake) and what earlier runs found, build-fuzz/found/TARGET. A finding is left in
# build-fuzz/findings with its input. --keep: the smallest set of inputs that reaches all that was reached, of at most 16 KiB, becomes
# tests/fuzz/corpus/TARGET/found_*, which the tests feed too.
set -euo pipefail
cd "$(dirname "$0")/../.."
keep=
if [ "${1:-}" = --keep ]; then
    keep=1
    shift
fi
seconds=${1:-600}
shift || true
[[ $seconds =~ ^[0-9]+$ ]] || { echo "SECONDS: found $seconds, allowed a whole number" >&2 && exit 2; }
build="build-fuzz"
mkdir -p "$build"
generator=Ninja
command -v ninja >/dev/null || generator="Unix Makefiles"
cmake --preset fuzz -G "$generator" >"$build/run.log" 2>&1 && cmake --build "$build" --target fuzzers --parallel >>"$build/run.log" 2>&1 ||
    { tail -n 30 "$build/run.log" && exit 1; }
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for f in "$build"/tests/fuzz_*.seeds; do targets+=("$(basename "$f" .seeds | sed 's/^fuzz_//')"); done
fi

# The files of a target's patterns; one that fits nothing is none.
seeds_of() {
    local patterns p f
    mapfile -t patterns < <(tail -n +2 "$build/tests/fuzz_$1.seeds")
    for p in "${patterns[@]}"; do
        for f in $p; do [ -f "$f" ] && echo "$f"; done
    done
}

# From the smallest on, as long as they fit.
keep_found() {
    local target=$1 max=$2 to=tests/fuzz/corpus/$1 merged total=0 size f
    merged=$(mktemp -d)
    "$build/tests/fuzz_$target" -set_cover_merge=1 -max_len="$max" "$merged" "$build/seeds/$target" "$build/found/$target" >/dev/null 2>&1
    mkdir -p "$to"
    rm -f "$to"/found_*
    while read -r size f; do
        total=$((total + size))
        [ "$total" -gt 16384 ] && break
        [ -e "$build/seeds/$target/$f" ] || cp "$merged/$f" "$to/found_${f:0:12}"
    done < <(cd "$merged" && stat -c '%s %n' -- * | sort -n)
    rm -rf "$merged"
}

failed=0
for target in "${targets[@]}"; do
    if [ ! -e "$build/tests/fuzz_$target.seeds" ]; then
        echo "found target $target, allowed: $(cd "$build/tests" && echo fuzz_*.seeds | sed 's/fuzz_//g; s/\.seeds//g')" >&2
        exit 2
    fi
    max=$(head -n 1 "$build/tests/fuzz_$target.seeds")
    rm -rf "$build/seeds/$target"
    mkdir -p "$build/seeds/$target" "$build/found/$target" "$build/findings"
    while IFS= read -r f; do cp "$f" "$build/seeds/$target/$(sha1sum <"$f" | cut -c 1-40)"; done < <(seeds_of "$target")
    log=$build/findings/$target.log
    if UBSAN_OPTIONS=print_stacktrace=1 "$build/tests/fuzz_$target" -max_total_time="$seconds" -max_len="$max" -timeout=20 -rss_limit_mb=3000 \
        -print_final_stats=1 -artifact_prefix="$build/findings/$target-" "$build/found/$target" "$build/seeds/$target" >"$log" 2>&1; then
        result="no finding"
    else
        result="FOUND something: $log"
        failed=1
    fi
    printf '%-15s %9s inputs, %5s kept, coverage %s: %s\n' "$target" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" "$(find "$build/found/$target" -type f | wc -l)" \
        "$(sed -n 's/^#.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)" "$result"
    if [ -n "$keep" ] && [ "$failed" = 0 ]; then keep_found "$target" "$max"; fi
done
exit $failed
