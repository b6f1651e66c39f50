#!/usr/bin/env bash
# Every statement of results/README.md (but the worked queries, worked_queries.sh) on a database that the program makes: each returns rows, in the stock shell and through
# `spanbench query`; where a row has columns stored and by_hand, the two are equal.
#   tests/cli/readme_sql.sh SPANBENCH
set -euo pipefail
spanbench=$1
here=$(cd "$(dirname "$0")/../.." && pwd)
cd "$here"
# shellcheck source=slurm/lib/mpi_env.sh
. slurm/lib/mpi_env.sh
command -v sqlite3 >/dev/null || { echo "sqlite3 is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/cli/cases.sh
. tests/cli/cases.sh

cat >"$work/s.yaml" <<'Y'
sweep: readme_sql
experiment: task
backend: cpu
model: {name: probe}
workloads:
  - {suite: probe, tasks: [niah_single, niah_multivalue], lengths: [1024], samples: 5, seed: 3}
methods:
  - dense
  - {name: a_shape, sink_tokens: 16, window_tokens: 256}
  - {name: a_shape, sink_tokens: 64, window_tokens: 768}
  - {name: streaming_llm, pos: cache}          # the probe cannot: something for coverage
sharding: [{name: allgather, layout: zigzag}]
quality: {detail: per_head}
timing: {warmup: 0, repetitions: 1}
Y
db=$work/s.db
case_ok "the sweep runs" "$spanbench" run "$work/s.yaml" --db "$db"
sed -n '/^accuracy by task/,/^latency/p' "$work/case.log" >"$work/tables"
case_is "the closing tables have a half width at every score" "3" "$(grep -cE '^(dense|a_shape).* [01]\.[0-9]+ ±[01]\.[0-9]+ .* [01]\.[0-9]+ ±[01]\.[0-9]+ .* 5$' "$work/tables")"
case_is "and losses with pairs and interval" "2" "$(grep -cE '^a_shape.* 2 +10 +-[01]\.[0-9]+ +-[01]\.[0-9]+ \.\. -?\+?[01]\.[0-9]+ +[01]\.[0-9]+ ' "$work/tables")"

# One file a statement: a statement ends where a line of a block ends with a semicolon.
awk -v out="$work/statement" '/^```sql$/ {on = 1; next} /^```/ {on = 0} on {print > (out (n + 0)); if (/;$/) n++}' results/README.md
n=$(find "$work" -name 'statement*' | wc -l)
case_is "the page has its statements" "1" "$((n >= 10))"
compared=0
for f in "$work"/statement*; do
    name=$(head -n 1 "$f")
    rows=$(sqlite3 -readonly -csv -header -nullvalue '' "$db" <"$f" 2>"$work/err") || true
    case_is "no error: $name" "" "$(cat "$work/err")"
    case_is "rows: $name" "1" "$(($(wc -l <<<"$rows") > 1))"
    case_ok "query: $name" "$spanbench" query --format csv "$db" -- "$(cat "$f")"
    if grep -q by_hand <<<"$rows"; then
        compared=$((compared + 1))
        case_is "by hand as stored: $name" "ok" "$(python3 - "$rows" <<'P'
import csv, io, sys
rows = list(csv.DictReader(io.StringIO(sys.argv[1])))
bad = [r for r in rows if not (r["stored"] and abs(float(r["stored"]) - float(r["by_hand"])) < 1e-9)]
print(bad or "ok")
P
)"
    fi
done
case_is "statistics by hand" "6" "$compared"
cases_end
