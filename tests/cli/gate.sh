#!/usr/bin/env bash
# `spanbench compare` as its users call it: the two examples of results/gate/README.md as they stand there, baselines by file, by
# commit and by git, every exit code, damaged databases.
#   tests/cli/gate.sh SPANBENCH
set -euo pipefail
spanbench=$(realpath "$1")
here=$(cd "$(dirname "$0")/../.." && pwd)
cd "$here"
# shellcheck source=slurm/lib/mpi_env.sh
. slurm/lib/mpi_env.sh
command -v sqlite3 >/dev/null && command -v git >/dev/null || { echo "sqlite3 or git is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/cli/cases.sh
. tests/cli/cases.sh
export OMP_NUM_THREADS=1
mkdir "$work/bin" "$work/hosted" "$work/slurm"
ln -s "$spanbench" "$work/bin/spanbench"
# srun without a cluster: the command itself
cat >"$work/bin/srun" <<'X'
#!/usr/bin/env bash
while [ "${1#-}" != "$1" ]; do shift; done
exec "$@"
X
chmod +x "$work/bin/srun"
export PATH=$work/bin:$PATH

cat >"$work/sweep.yaml" <<'Y'
sweep: gate
experiment: attention
backend: cpu
inputs:
  - {distribution: random, heads: 2, kv_heads: 1, head_dim: 64, lengths: [256], seed: 7, samples: 2}
methods:
  - dense
  - {name: streaming_llm, sink_tokens: 16, window_tokens: 64}
timing: {warmup: 1, repetitions: 6}
Y
# This machine may be busy: only a ratio of 20 counts here. tests/unit/results/gate/test_trials.c has the statistics.
cat >"$work/gate.yaml" <<'Y'
gate: loose
latency: {max_ratio: 20, phases: attention}
memory: {max_ratio: 1}
Y

# ---- the examples of the page, each block a script named by its first comment ----
awk -v out="$work/" '/^```bash/ {on = 1; n++; next} /^```/ {on = 0} on {print > (out "example" n ".sh")}' results/gate/README.md
case_is "the page has its examples" "3" "$(find "$work" -name 'example*.sh' | wc -l)"

export SWEEP=$work/sweep.yaml GATES=$work/gate.yaml RUNS=4
cd "$work/hosted"
export GITHUB_STEP_SUMMARY=$work/hosted/summary.md
: >"$GITHUB_STEP_SUMMARY"
case_is "hosted: equal programs pass" "0" "$(BASE_PROGRAM=$spanbench NEW_PROGRAM=$spanbench code_of bash "$work/example1.sh")"
case_is "hosted: the summary" "1" "$(grep -c '^## Gate loose: passed' summary.md)"
case_is "hosted: JUnit is XML, a case a verdict" "0 failures" "$(python3 - gate.xml <<'P'
import sys, xml.etree.ElementTree as e
s = e.parse(sys.argv[1]).getroot().find("testsuite")
assert len(s.findall("testcase")) == int(s.get("tests")) > 4
print(len(s.findall("testcase/failure")), "failures")
P
)"
# a program whose method takes 100 times as long
cp new.db slow.db
sqlite3 slow.db "UPDATE timing SET ns = 100 * ns WHERE sample_id IN (SELECT s.id FROM sample s JOIN point p ON p.id = s.point_id WHERE p.method = 'streaming_llm')"
case_is "a slow method fails" "1" "$(code_of spanbench compare base.db slow.db -g "$GATES" -j slow.xml)"
case_is "and is named" "1" "$(grep -c '^fail  *latency attention  streaming_llm' "$work/out")"
case_is "once in JUnit" "1" "$(grep -c '<failure type="fail"' slow.xml)"
sqlite3 slow.db "DELETE FROM timing; DELETE FROM quality; DELETE FROM memory; DELETE FROM comm; DELETE FROM device_state; DELETE FROM energy; DELETE FROM sample WHERE point_id = (SELECT id FROM point WHERE method = 'streaming_llm')"
case_is "a missing cell fails" "1" "$(code_of spanbench compare base.db slow.db -g "$GATES")"
case_is "and is named" "1" "$(grep -c '^missing  *coverage  streaming_llm' "$work/out")"
sed 's/^gate: .*/gate: soft\nmissing: warn/' "$GATES" >soft.yaml
case_is "unless missing: warn" "0" "$(code_of spanbench compare base.db slow.db -g soft.yaml)"
sed 's/^gate: .*/gate: strict\ninconclusive: fail/; s/max_ratio: 20/max_ratio: 20, min_repetitions: 100000/' "$GATES" >strict.yaml
case_is "inconclusive: fail" "1" "$(code_of spanbench compare base.db new.db -g strict.yaml)"
case_is "says why" "2" "$(grep -c 'too few repetitions' "$work/out")"

# ---- an array job into one database with a history, the baseline by git ----
cd "$work/slurm"
git init -q repo
g() { git -C repo -c user.name=n -c user.email=e "$@"; }
for m in one two three; do g commit -q --allow-empty -m $m; done
commit() { g rev-parse --short=12 "$1"; }
for k in 0 1 2 3; do SLURM_ARRAY_TASK_ID=$k bash "$work/example2.sh" >/dev/null 2>&1; done
spanbench db merge history.db runs/*.db >/dev/null
sqlite3 history.db "UPDATE run SET commit_id = '$(commit HEAD~2)'"
rm -r runs
export REPO=$work/slurm/repo
for k in 0 1 2 3; do
    case_is "array element $k" "0" "$(SLURM_ARRAY_TASK_ID=$k code_of bash "$work/example2.sh")"
    sqlite3 "runs/$k.db" "UPDATE run SET commit_id = '$(commit HEAD)'"
done
case_is "judge: equal programs pass" "0" "$(code_of bash "$work/example3.sh")"
case_is "the nearest ancestor with runs" "1" "$(grep -c "baseline: commit $(commit HEAD~2), nearest ancestor of $(commit HEAD)" "$work/err")"
compare() { code_of spanbench compare history.db -g "$GATES" -C repo "$@"; }
case_is "by name" "0" "$(compare --new HEAD --base HEAD~2)"
case_is "by first characters" "0" "$(compare --new "$(commit HEAD | cut -c1-6)" --base "$(commit HEAD~2 | cut -c1-8)")"
case_is "a commit without runs" "2" "$(compare --base HEAD~1)"
case_is "tells those that have" "1" "$(grep -c "allowed one with runs there: $(commit HEAD), $(commit HEAD~2)" "$work/err")"
case_is "one commit is not two" "2" "$(compare --base HEAD --new HEAD)"
case_is "no ancestor" "2" "$(compare --new HEAD~2)"
case_is "without git, the recorded order" "0" "$(code_of spanbench compare history.db -g "$GATES" -C "$work/hosted")"
case_is "and it says so" "1" "$(grep -c 'recorded last before' "$work/err")"

# ---- usage, bad gates, damaged databases ----
cd "$work/hosted"
case_is "help" "0" "$(code_of spanbench compare --help)"
case_is "no database" "2" "$(code_of spanbench compare)"
case_is "three databases" "2" "$(code_of spanbench compare a b c)"
case_is "unknown option" "2" "$(code_of spanbench compare base.db new.db --gate)"
printf 'gate: x\nlatency: {max_ratio: 0.5}\n' >bad.yaml
case_is "bad gate" "2" "$(code_of spanbench compare base.db new.db -g bad.yaml)"
case_is "with its place" "1" "$(grep -c '^bad.yaml:2:22: latency.max_ratio: found `0.5`, allowed' "$work/err")"
case_is "no gate file" "2" "$(code_of spanbench compare base.db new.db -g none.yaml)"
case_is "no such database" "1" "$(code_of spanbench compare base.db none.db)"
case_is "unwritable report" "1" "$(code_of spanbench compare base.db new.db -j /nonexistent/x.xml)"
case_is "markdown to standard output alone" "## Gate loose: passed" "$(spanbench compare base.db new.db -g "$GATES" -m - | head -n 1)"
size=$(stat -c %s new.db)
for k in 1 2 3 4 5 6 7 8 9 10 11 12; do
    cp new.db hurt.db
    dd if=/dev/urandom of=hurt.db bs=1 seek=$((size * k / 13)) count=2000 conv=notrunc 2>/dev/null
    rc=$(code_of spanbench compare base.db hurt.db -g "$GATES")
    case_is "damage $k ends in 0, 1 or 2" "ok" "$([ "$rc" -le 2 ] && echo ok || echo "$rc")"
done
head -c $((size / 2)) new.db >cut.db
case_is "a cut database" "1" "$(code_of spanbench compare base.db cut.db)"
cases_end
