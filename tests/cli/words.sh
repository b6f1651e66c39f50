#!/usr/bin/env bash
# What the program says to people: each error once, nothing without content, lines that a terminal can hold.
#   tests/cli/words.sh SPANBENCH
set -euo pipefail
spanbench=$1
here=$(cd "$(dirname "$0")/../.." && pwd)
cd "$here"
# shellcheck source=slurm/lib/mpi_env.sh
. slurm/lib/mpi_env.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/cli/cases.sh
. tests/cli/cases.sh

cat >"$work/s.yaml" <<'Y'
sweep: words
experiment: task
backend: cpu
model: {name: probe}
workloads:
  - {suite: probe, tasks: [niah_single], lengths: [1K], samples: 1, seed: 3}
methods: [dense, {name: power_attention, pattern: sliding_window, block_tokens: 64}]
timing: {warmup: 0, repetitions: 1}
Y
sed 's/1K/512/' "$work/s.yaml" >"$work/short.yaml"
said() { grep -c "$1" "$work/err" || true; }

# ---- an error stands there once, however many ranks met it ----
case_is "one error: code" 2 "$(code_of "$spanbench" run "$work/short.yaml" --db "$work/x.db")"
case_is "one error: told once" "1" "$(said 'found .512.')"
case_is "one error: counted" "spanbench run: $work/short.yaml: 1 error, listed above" "$(tail -n 1 "$work/err")"
case_is "two errors: code" 2 "$(code_of "$spanbench" run "$work/short.yaml" --db "$work/x.db" --set decode=x)"
case_is "two errors: counted" "1" "$(said ': 2 errors, listed above$')"
case_is "two ranks: code" 2 "$(code_of mpirun --oversubscribe -np 2 "$spanbench" run "$work/short.yaml" --db "$work/x.db")"
case_is "two ranks: told once" "1 1" "$(said 'found .512.') $(said '1 error, listed above')"
case_is "two ranks, a point: code" 2 "$(code_of mpirun --oversubscribe -np 2 "$spanbench" run "$work/s.yaml" --db "$work/x.db" --point 99)"
case_is "two ranks, a point: told once" "1" "$(said 'found .99.')"
case_is "two ranks, an option: code" 2 "$(code_of mpirun --oversubscribe -np 2 "$spanbench" run "$work/s.yaml" --what)"
case_is "two ranks, an option: told once" "1" "$(said 'unknown option')"
case_is "two ranks, help: once" "1" "$(mpirun --oversubscribe -np 2 "$spanbench" run --help | grep -c '^Usage')"
case_is "nothing was made" "no" "$([ -e "$work/x.db" ] && echo yes || echo no)"

# ---- whole numbers ----
for o in "run --row 1.5" "run --threads 1.5" "plan --ranks 1e3" "sbatch --ranks 2.5" "sbatch --array x"; do
    read -r verb option value <<<"$o"
    case_is "$o: code" 2 "$(code_of "$spanbench" "$verb" "$work/s.yaml" "$option" "$value")"
    case_is "$o: words" "1" "$(said "found .$value., allowed a whole number from [01] to [0-9]*\$")"
done

# ---- what was found, and what is allowed ----
case_is "doctor, an option: code" 2 "$(code_of "$spanbench" doctor --what)"
case_is "doctor, an option: words" "spanbench doctor: found \`--what\`, allowed one folder; see --help" "$(cat "$work/err")"
case_is "list, two things: code" 2 "$(code_of "$spanbench" list methods models)"
case_is "list, two things: words" "1" "$(said 'found .models., allowed one of methods')"

# ---- a table without rows is not printed ----
case_is "dense alone: code" 0 "$(code_of "$spanbench" run "$work/s.yaml" --db "$work/x.db" --point 0)"
case_is "dense alone: tables" "accuracy latency" "$(grep -oE '^(accuracy|loss|latency)' "$work/out" | xargs)"
case_is "tasks by their names" "1" "$(grep -c '  niah_single  ' "$work/out")"
case_is "one sample" "1" "$(said '^1 sample run, 0 stored before$')"

# ---- more ranks than cores: said before the table has blanks ----
# 300: more callers than OpenBLAS has room for, which must not end the process.
case_is "crowded: code" 0 "$(code_of "$spanbench" run "$work/s.yaml" --db "$work/crowd.db" --threads 300 --point 0)"
case_is "crowded: warned" "1" "$(said '^warning: 1 rank of 300 threads: more than the cores')"

# ---- on a terminal ----
TERM=xterm script -qec "stty cols 60; '$spanbench' run '$work/s.yaml' --db '$work/x.db' --no-table" "$work/tty" >/dev/null </dev/null
case_ok "progress: shown" grep -q 'row 1/1' "$work/tty"
# Of each text between two clearings: no wrapping while it is written, and what matters lies within the 60 columns.
case_is "progress: never wraps" "0" "$(tr '\r' '\n' <"$work/tty" | grep 'row 1/1' | grep -vc $'\033\[?7l.*\033\[?7h' || true)"
case_is "progress: time comes first" "0" \
    "$(tr '\r' '\n' <"$work/tty" | grep 'row 1/1' | sed 's/\x1b\[[?0-9]*[a-zA-Z]//g' | grep -vcE '^\[2/2\] (first pass|.* left)' || true)"

# ---- one cause that leaves cells undecided is told once; a narrow table does not stand on its head ----
case_is "compare: code" 0 "$(code_of "$spanbench" compare "$work/x.db" "$work/x.db")"
case_is "compare: a cause once" "2 1" "$(grep -c 'too few repetitions' "$work/out") $(grep -c '^inconclusive for a reason told above: 2 more' "$work/out")"
case_is "compare, all: code" 0 "$(code_of "$spanbench" compare "$work/x.db" "$work/x.db" --all)"
case_is "compare, all: each" "4 0" "$(grep -c 'too few repetitions' "$work/out") $(grep -c 'told above' "$work/out")"
case_is "60 columns: code" 0 "$(COLUMNS=60 code_of "$spanbench" report "$work/x.db" --terminal)"
case_is "60 columns: kept" yes "$([ "$(tail -n +2 "$work/out" | LC_ALL=C.UTF-8 wc -L)" -le 60 ] && echo yes || echo no)"
case_is "60 columns: headings of few lines" yes "$([ "$(sed -n '/^What ran where/,/ 20[0-9][0-9]-/p' "$work/out" | wc -l)" -le 7 ] && echo yes || echo no)"

# ---- databases ----
: >"$work/empty.db"
case_is "migrate, an empty file: code" 1 "$(code_of "$spanbench" db migrate "$work/empty.db")"
case_is "migrate, an empty file: untouched" "0" "$(stat -c %s "$work/empty.db")"
case_is "compare, an empty file: code" 1 "$(code_of "$spanbench" compare "$work/empty.db" "$work/x.db")"
case_is "compare, an empty file: words" "1" "$(said 'empty.db: not a spanbench database')"
case_is "check, a missing file: code" 1 "$(code_of "$spanbench" db check "$work/none.db")"
case_is "check, a missing file: told once" "1" "$(cat "$work/out" "$work/err" | grep -c 'none.db: No such file')"

cases_end
