#!/usr/bin/env bash
# Every test in one command: packages, builds, checks, one line of totals at the end. Exit code 0 only when nothing failed.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: tests/run.sh [--sources | --quick | --asan | --coverage | --mutants]

  (nothing)    the ci build with every test, then the sanitizer build with the unit, property and fault tests
  --sources    what needs no build: shellcheck, cppcheck, formatting of changed lines, the mutants' texts (half a minute, then seconds)
  --quick      the ci build only
  --asan       the sanitizer build only
  --coverage   an instrumented build with every test; line coverage of harness, results and workloads
  --mutants    seeded mutants of every method (tests/mutants): each must be noticed by its method's tests

The last line reads "N passed, N failed" and, when something could not run here, ", N skipped" (the reasons stand above it).
TEXT
}

parts="ci asan"
case ${1:-} in
    "") ;;
    --sources) parts=sources ;;
    --quick) parts=ci ;;
    --asan) parts=asan ;;
    --coverage) parts=coverage ;;
    --mutants) parts=mutants ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
esac

SPAN_ROOT=$(cd "$(dirname "$0")/.." && pwd)
cd "$SPAN_ROOT"
# shellcheck source=slurm/lib/packages.sh
. slurm/lib/packages.sh
# shellcheck source=slurm/lib/mpi_env.sh
. slurm/lib/mpi_env.sh
PATH=$PATH:/usr/local/cuda/bin

jobs=$(env -u OMP_NUM_THREADS nproc) # mpi_env.sh sets that variable, and nproc obeys it
passed=0 failed=0 skipped=0
say() { echo "== $*"; }
pass() { passed=$((passed + 1)); }
fail() {
    failed=$((failed + 1))
    echo "FAILED: $*"
}
skip() {
    skipped=$((skipped + 1))
    echo "skipped: $*"
}

# ---- packages ----
sections=(build test)
command -v nvcc >/dev/null && sections+=(cuda)
[ "$parts" = coverage ] && sections+=(coverage)
[ -n "${SPAN_REQUIRE_SLURM:-}" ] && sections+=(slurm) # daemons: not on a machine that did not ask for them
if command -v dpkg-query >/dev/null; then
    missing=$(span_not_installed "${sections[@]}" | xargs)
    if [ -n "$missing" ]; then
        say "installing $missing"
        # shellcheck disable=SC2086 # a list of names
        out=$(span_install $missing 2>&1) || printf '%s\n' "$out" "going on without"
    fi
fi

# ---- builds and ctest ----
# build NAME: configure and build the preset in build-NAME; compiler output only when it fails.
build() {
    local dir=build-$1 log=build-$1/run.log start=$SECONDS
    mkdir -p "$dir"
    local generator=Ninja
    command -v ninja >/dev/null || generator="Unix Makefiles"
    [ -e "$dir/CMakeCache.txt" ] && generator=$(sed -n 's/^CMAKE_GENERATOR:INTERNAL=//p' "$dir/CMakeCache.txt")
    if cmake --preset "$1" -G "$generator" >"$log" 2>&1 && cmake --build "$dir" --parallel "$jobs" >>"$log" 2>&1; then
        grep '^-- spanbench' "$log" | sed 's/^-- //' || true
        say "$dir built ($((SECONDS - start)) s)"
        pass
    else
        tail -n 60 "$log"
        fail "building $dir (all of it in $log)"
        return 1
    fi
}

# Adds up the cases of a ctest log. A Check program counts its own ("90%: Checks: 10, Failures: 1, Errors: 0"), any other test is
# one case; a program that failed without saying how many cases did (a crash, a leak) is one failed case. ctest's log calls a skipped
# test passed: a line "skipped: why" tells.
count() {
    local p f s
    awk -v totals="$1.totals" '
        function flush() {
            if (name == "") return
            if (result == "Passed" && cases == 0 && why != "") {
                s++
                printf "skipped: %s: %s\n", name, why
            } else {
                p += cases > 0 ? cases - bad : result == "Passed"
                f += bad > 0 ? bad : result != "Passed"
                if (result != "Passed") printf "FAILED: %s\n", name
            }
            name = ""
        }
        /^[0-9]+\/[0-9]+ Testing: / { flush(); name = $3; cases = bad = 0; why = ""; result = "Failed" }
        /%: Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+/ {
            match($0, /Checks: .*/)
            split(substr($0, RSTART), n, /[^0-9]+/)
            cases += n[2]
            bad += n[3] + n[4]
        }
        /^skipped: / { why = substr($0, 10) }
        /^Test (Passed\.|Pass Reason:)$/ { result = "Passed" } # the second: of a test that is judged by what it prints
        END { flush(); print p + 0, f + 0, s + 0 > totals }' "$1"
    read -r p f s <"$1.totals"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# run_ctest DIR [ctest options]
run_ctest() {
    local dir=$1 start=$SECONDS
    shift
    rm -f "$dir/Testing/Temporary/LastTest.log"
    ctest --test-dir "$dir" --parallel "$jobs" --timeout 300 --output-on-failure "$@" >"$dir/ctest.out" 2>&1 || true
    grep -A 60 -E '^ *[0-9]+/[0-9]+ Test .*(\*\*\*Failed|\*\*\*Timeout|\*\*\*Exception)' "$dir/ctest.out" || true
    if [ ! -s "$dir/Testing/Temporary/LastTest.log" ]; then
        tail -n 20 "$dir/ctest.out"
        fail "ctest ran nothing in $dir"
        return
    fi
    count "$dir/Testing/Temporary/LastTest.log"
    say "tests of $dir done ($((SECONDS - start)) s): $passed passed, $failed failed so far"
}

# ---- scripts and layout, which need no build ----
check_sources() {
    local file scripts=()
    say "scripts and formatting"
    while IFS= read -r file; do
        case $file in *.sh | .ci/run) scripts+=("$file") ;; esac
    done < <(git ls-files 2>/dev/null || find . -name '*.sh' -not -path './build*')
    for file in "${scripts[@]}"; do
        if bash -n "$file"; then pass; else fail "bash -n $file"; fi
    done
    if command -v shellcheck >/dev/null; then
        for file in "${scripts[@]}"; do
            local options=(-S warning)
            [ "$(head -c 2 "$file")" = "#!" ] || options+=(-s bash -e SC2154) # sourced: its variables are the caller's
            if shellcheck -x "${options[@]}" "$file"; then pass; else fail "shellcheck $file"; fi
        done
    else
        skip "shellcheck: not installed"
    fi
    if tests/mutants/run.py --check; then pass; else fail "tests/mutants: a text to change is not there (once)"; fi
    if command -v cppcheck >/dev/null; then
        if tests/analysis/run.py cppcheck --jobs "$jobs"; then pass; else fail "tests/analysis/run.py cppcheck"; fi
    else
        skip "cppcheck: not installed"
    fi
    check_format
}

# The lines of C that HEAD and the working tree add to where the branch left origin, or to HEAD's parent.
check_format() {
    local base out
    if ! command -v git-clang-format-14 >/dev/null; then
        skip "formatting of changed lines: no clang-format-14"
        return
    fi
    base=$(git merge-base HEAD origin/HEAD 2>/dev/null || git merge-base HEAD origin/main 2>/dev/null || true)
    [ -n "$base" ] && [ "$base" != "$(git rev-parse HEAD)" ] || base=$(git rev-parse -q --verify 'HEAD~1' 2>/dev/null || true)
    if [ -z "$base" ]; then
        skip "formatting of changed lines: no parent commit here to compare with"
        return
    fi
    out=$(git-clang-format-14 --binary clang-format-14 --extensions c,h,cu --diff "$base" 2>&1) || true
    case $out in
        "" | "no modified files to format" | *"did not modify any files"*) pass ;;
        *)
            echo "$out" | head -n 60
            fail "formatting of the lines changed since ${base:0:12} (mend with: git-clang-format-14 $base)"
            ;;
    esac
}

for part in $parts; do
    case $part in
        sources) check_sources ;;
        ci)
            check_sources
            command -v nvcc >/dev/null || skip "CUDA sources: no nvcc, so they are not compiled"
            if build ci; then run_ctest build-ci; fi
            ;;
        asan)
            export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0}
            export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
            if build cpu-asan; then run_ctest build-cpu-asan -L '^(unit|property|fault)$'; fi
            ;;
        mutants)
            log=$(mktemp)
            if tests/mutants/run.py | tee "$log"; then :; fi
            read -r p f < <(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$log")
            passed=$((passed + ${p:-0})) failed=$((failed + ${f:-1}))
            rm -f "$log"
            ;;
        coverage)
            if build coverage; then
                run_ctest build-coverage
                gcovr --root . --object-directory build-coverage --filter '(harness|results|workloads)/' --print-summary \
                    --gcov-ignore-parse-errors 2>/dev/null || fail "gcovr"
            fi
            ;;
    esac
done

echo "$passed passed, $failed failed$([ $skipped -eq 0 ] || echo ", $skipped skipped")"
[ $failed -eq 0 ]
