#!/usr/bin/env bash
# The worked queries of results/README.md: each is run as it stands there, and its output is what stands below it. The statements of
# Python too; the one with pandas where that is installed, else it says that it was left out.
#   tests/cli/worked_queries.sh SPANBENCH
set -euo pipefail
spanbench=$1
here=$(cd "$(dirname "$0")/../.." && pwd)
cd "$here"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/cli/cases.sh
. tests/cli/cases.sh

# KIND.NUMBER.code and KIND.NUMBER.want: a block marked worked, pandas or plain, and the plain block behind it.
awk -v out="$work/" '
    /^```(sql worked|python pandas|python plain)$/ {kind = $2; n++; file = sprintf("%s%s.%02d.code", out, kind, n); next}
    /^```$/ && file != "" {close(file); want = file ~ /code$/ ? substr(file, 1, length(file) - 4) "want" : ""; file = ""; next}
    /^```$/ && want != "" {file = want; printf "" >file; want = ""; next}
    file != "" {print >file}' results/README.md

n=0
for code in "$work"/worked.*.code; do
    db=$(sed -n '1s/^-- //p' "$code")
    n=$((n + 1))
    "$spanbench" query "$db" -- "$(sed 1d "$code")" >"$work/got" 2>&1 || true
    case_is "worked query $n" "$(cat "${code%code}want")" "$(cat "$work/got")"
done
case_is "there are ten" "10" "$n"

for code in "$work"/plain.*.code "$work"/pandas.*.code; do
    if [[ $code == */pandas.* ]] && ! python3 -c 'import pandas' 2>/dev/null; then
        echo "pandas is not installed: its statements are left out"
        continue
    fi
    python3 "$code" >"$work/got" 2>&1 || true
    case_is "python: $(basename "$code")" "$(cat "${code%code}want")" "$(cat "$work/got")"
done
cases_end
