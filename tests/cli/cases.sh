# Sourced by script tests: cases are counted and reported in the form of Check, so that one runner adds all of them up.
#   case_is NAME WANT GOT      case_ok NAME COMMAND...      cases_end
checks=0 failures=0

case_is() {
    checks=$((checks + 1))
    [ "$2" = "$3" ] && return 0
    failures=$((failures + 1))
    printf 'FAILED %s\n  want: %s\n  got:  %s\n' "$1" "$2" "$3"
}

case_ok() {
    local name=$1
    shift
    checks=$((checks + 1))
    local rc=0
    "$@" >"$work/case.log" 2>&1 || rc=$?
    [ $rc -eq 0 ] && return 0
    failures=$((failures + 1))
    printf 'FAILED %s: exit code %d of: %s\n' "$name" "$rc" "$*"
    tail -n 20 "$work/case.log"
}

# The exit code of a command, as a word for case_is; its output stays in $work/out and $work/err.
code_of() {
    local rc=0
    "$@" >"$work/out" 2>"$work/err" || rc=$?
    echo "$rc"
}

cases_end() {
    printf '%d%%: Checks: %d, Failures: %d, Errors: 0\n' $((checks > 0 ? 100 * (checks - failures) / checks : 0)) "$checks" "$failures"
    [ "$failures" -eq 0 ] && [ "$checks" -gt 0 ]
}
