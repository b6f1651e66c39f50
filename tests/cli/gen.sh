#!/usr/bin/env bash
# spanbench gen, from sweep file to rows.
#   tests/cli/gen.sh SPANBENCH
set -euo pipefail
spanbench=$1
here=$(cd "$(dirname "$0")/../.." && pwd)
cd "$here"
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
# shellcheck source=tests/cli/cases.sh
. tests/cli/cases.sh
# shellcheck source=slurm/lib/mpi_env.sh
. slurm/lib/mpi_env.sh

export SPAN_CACHE_DIR=$work/cache
gen() { "$spanbench" gen "$@"; }
hash_of() { sha256sum "$1" | cut -c1-16; }
fact() { python3 -c "import json, sys; v = json.load(open(sys.argv[1]))
for k in sys.argv[2].split('.'): v = v[k]
print(v)" "$work/$1/facts.json" "$2"; }

case_is "help" 0 "$(code_of gen --help)"
case_is "no folder is usage" 2 "$(code_of gen configs/gen/ruler.yaml)"
case_is "rows backwards are usage" 2 "$(code_of gen configs/gen/ruler.yaml -o "$work/x" --rows 3-1)"

# all tasks of the example
case_is "the example" 0 "$(code_of gen configs/gen/ruler.yaml -o "$work/a" --rows 0-2 --set 'workloads[0].lengths=[4096]')"
case_is "its last line" "12 sets made, 0 from the cache, 0 there already, 0 unsupported, 0 failed; 36 rows in $work/a" "$(tail -n 1 "$work/err")"
case_is "a file a task" 12 "$(find "$work/a/ruler/4096" -name validation.jsonl | wc -l)"
case_is "three rows each" 36 "$(cat "$work"/a/ruler/4096/*/validation.jsonl | wc -l)"
case_is "nothing half done is left" 0 "$(find "$work/a" -name '*partial*' | wc -l)"
case_is "facts name the rows" "$(sha256sum "$work/a/ruler/4096/vt/validation.jsonl" | cut -d' ' -f1)" "$(fact a/ruler/4096/vt rows_sha256)"
case_is "facts name the mode" native "$(fact a/ruler/4096/vt asked.facts.mode)"

# again: nothing to do; a damaged file is made anew; so is one of another request
again() { gen configs/gen/ruler.yaml -o "$work/a" --rows 0-2 --set 'workloads[0].lengths=[4096]' "$@" 2>&1 | tail -n 1; }
case_is "again" "0 sets made, 0 from the cache, 12 there already, 0 unsupported, 0 failed; 36 rows in $work/a" "$(again)"
before=$(hash_of "$work/a/ruler/4096/fwe/validation.jsonl")
echo '{}' >>"$work/a/ruler/4096/fwe/validation.jsonl"
case_is "a changed file" "0 sets made, 1 from the cache, 11 there already, 0 unsupported, 0 failed; 36 rows in $work/a" "$(again)"
case_is "is as before" "$before" "$(hash_of "$work/a/ruler/4096/fwe/validation.jsonl")"
rm "$work/a/ruler/4096/vt/facts.json"
case_is "rows without facts" "0 sets made, 1 from the cache, 11 there already, 0 unsupported, 0 failed; 36 rows in $work/a" "$(again)"
case_is "another seed" "12 sets made, 0 from the cache, 0 there already, 0 unsupported, 0 failed; 36 rows in $work/a" "$(again --set 'workloads[0].seed=43')"

# rows do not depend on how many are made, nor on ranks
case_is "rows 1-2 alone" 0 "$(code_of gen configs/gen/ruler.yaml -o "$work/b" --rows 1-2 --set 'workloads[0].lengths=[4096]' --set 'workloads[0].seed=43')"
for t in niah_multikey_2 cwe qa_synth; do
    case_is "$t: the same rows" "$(tail -n 2 "$work/a/ruler/4096/$t/validation.jsonl" | sha256sum)" "$(sha256sum <"$work/b/ruler/4096/$t/validation.jsonl")"
done
case_is "three ranks" 0 "$(code_of mpirun --oversubscribe -np 3 "$spanbench" gen configs/gen/ruler.yaml -o "$work/c" --rows 0-2 --set 'workloads[0].lengths=[4096]' --set 'workloads[0].seed=43')"
case_is "add up" "0 sets made, 12 from the cache, 0 there already, 0 unsupported, 0 failed; 36 rows in $work/c" "$(tail -n 1 "$work/err")"
case_is "and write the same" "" "$(cd "$work/a" && find . -name validation.jsonl | while read -r f; do cmp "$f" "$work/c/$f"; done)"

# without the cache, and with one that is damaged or cannot be
fresh() { rm -rf "$work/e"; gen configs/gen/ruler.yaml -o "$work/e" --rows 0-2 --set 'workloads[0].lengths=[4096]' --set 'workloads[0].seed=43' "$@" >"$work/fresh" 2>&1 || true; tail -n 1 "$work/fresh"; }
case_is "no cache" "12 sets made, 0 from the cache, 0 there already, 0 unsupported, 0 failed; 36 rows in $work/e" "$(fresh --no-cache)"
case_is "the same rows" "" "$(cd "$work/a" && find . -name validation.jsonl | while read -r f; do cmp "$f" "$work/e/$f"; done)"
find "$work/cache" -name '*.rows' | while read -r f; do echo x >>"$f"; done
case_is "a damaged cache" "12 sets made, 0 from the cache, 0 there already, 0 unsupported, 0 failed; 36 rows in $work/e" "$(fresh)"
case_is "is told" 12 "$(grep -c '^warning: .*damaged' "$work/fresh")"
case_is "and mended" "0 sets made, 12 from the cache, 0 there already, 0 unsupported, 0 failed; 36 rows in $work/e" "$(fresh)"
case_is "a cache that cannot be" "12 sets made, 0 from the cache, 0 there already, 0 unsupported, 0 failed; 36 rows in $work/e" "$(SPAN_CACHE_DIR=/dev/null/x fresh)"
case_is "is told too" 1 "$(grep -c '^warning: no cache of sets: ' "$work/fresh")"

# RULER's own bytes [workloads 1.9], and what it needs for others
cat >"$work/compat.yaml" <<'Y'
sweep: compat
tokenizer: bytes/4
workloads:
  - {suite: ruler, mode: ruler_compat, tasks: [niah_multikey_3, vt, fwe, niah_single_2, qa_1], lengths: [4096], samples: 3,
     templates: configs/templates/ruler_official/ruler.json}
Y
case_is "unsupported tasks are told" 1 "$(code_of gen "$work/compat.yaml" -o "$work/k")"
case_is "others are made" "3 sets made, 0 from the cache, 0 there already, 2 unsupported, 0 failed; 9 rows in $work/k" "$(tail -n 1 "$work/err")"
case_is "the reason names the file" 1 "$(grep -c 'qa_1 4096: unsupported: .*squad (SQuAD.s dev-v2.0.json)' "$work/err")"
case_is "niah_multikey_3" 7f01007d634ab53b "$(hash_of "$work/k/ruler/4096/niah_multikey_3/validation.jsonl")"
case_is "vt" eb811018e2bb3ca4 "$(hash_of "$work/k/ruler/4096/vt/validation.jsonl")"
case_is "fwe" fd953d8e948b5c2e "$(hash_of "$work/k/ruler/4096/fwe/validation.jsonl")"

# several seeds: folders of their own
cat >"$work/seeds.yaml" <<'Y'
sweep: seeds
tokenizer: words
workloads:
  - {suite: ruler, tasks: [niah_single_1], lengths: [2048, 64], samples: 2, seed: [1, 2]}
Y
case_is "a length that holds no prompt" 1 "$(code_of gen "$work/seeds.yaml" -o "$work/s")"
case_is "is unsupported, the rest is made" "2 sets made, 0 from the cache, 0 there already, 2 unsupported, 0 failed; 4 rows in $work/s" "$(tail -n 1 "$work/err")"
case_is "two folders" 2 "$(find "$work/s" -name validation.jsonl | wc -l)"
case_is "named by seed" 1 "$(find "$work/s" -maxdepth 1 -name 'ruler.seed2.*' | wc -l)"

# our own lines
case_is "our own format" 0 "$(code_of gen "$work/seeds.yaml" -o "$work/o" --format spanbench --set 'workloads[0].lengths=2048' --set 'workloads[0].seed=1')"
case_is "has what a scorer needs" "ruler_all@1 128 1" "$(python3 -c "import json; r = json.loads(open('$work/o/ruler/2048/niah_single_1/rows.jsonl').readline())
print(r['metric'], r['max_gen'], len(r['outputs']))")"

# a file with bad lines
mkdir "$work/data"
printf '%s\n' '{"input": "Who?", "context": "It was Ann.", "answers": ["Ann"], "length": 3, "dataset": "qasper", "language": "en", "all_classes": null, "_id": "1"}' \
    '{"input": "Who?", "context": 5, "answers": ["Ann"], "length": 3, "dataset": "qasper", "language": "en", "all_classes": null, "_id": "2"}' \
    '{"input": "Whe' >"$work/data/qasper.jsonl"
cat >"$work/file.yaml" <<Y
sweep: file
workloads:
  - {suite: longbench, tasks: [qasper, trec], data: $work/data}
Y
case_is "bad lines" 1 "$(code_of gen "$work/file.yaml" -o "$work/f")"
case_is "are told with file, line and field" 1 "$(grep -c "qasper: left out: .*qasper.jsonl: line 2: context: a number, not a string" "$work/err")"
case_is "also the one cut off" 1 "$(grep -c "qasper.jsonl: line 3, byte 14" "$work/err")"
case_is "the good one is written" 1 "$(wc -l <"$work/f/longbench/as_is/qasper/rows.jsonl")"
case_is "a missing file does not stop the rest" 1 "$(grep -c 'longbench trec: ' "$work/err")"

# what cannot be
cat >"$work/bad.yaml" <<'Y'
sweep: bad
tokeniser: words
workloads:
  - {suite: ruler, tasks: [vt], lengths: [4K], wrapper: mine}
Y
case_is "bad keys" 2 "$(code_of gen "$work/bad.yaml" -o "$work/n")"
case_is "with their places" "2:1 4:57" "$(grep -v '^spanbench' "$work/err" | grep -o ':[0-9]*:[0-9]*: ' | sed 's/^:\|: $//g' | tr '\n' ' ' | sed 's/ $//')"
case_is "nothing is made" 0 "$([ -e "$work/n" ] && echo 1 || echo 0)"
cat >"$work/run.yaml" <<'Y'
sweep: run
experiment: task
model: {name: probe}
workloads:
  - {suite: ruler, tasks: [vt], lengths: [4K]}
methods: [dense]
Y
case_is "the probe reads no text" 2 "$(code_of "$spanbench" run "$work/run.yaml" --db "$work/run.db")"
case_is "and the error says what does" 1 "$(grep -v '^spanbench' "$work/err" | grep -c 'found `ruler`, questions for models that read text (model: {path: ...}; `spanbench gen` writes them), allowed a suite that model `probe` can answer: probe')"
touch "$work/plain"
case_is "a folder that cannot be" 1 "$(code_of gen "$work/seeds.yaml" -o "$work/plain/x")"
case_is "is told" 1 "$(grep -c "$work/plain" "$work/err")"

# a stop leaves whole files only, and the next call goes on
("$spanbench" gen configs/gen/ruler.yaml -o "$work/t" --set 'workloads[0].lengths=[131072]' 2>"$work/stopped" & pid=$!
    sleep 1; kill -USR1 "$pid"; wait "$pid" && echo 0 >"$work/code" || echo $? >"$work/code")
case_is "stopped" 75 "$(cat "$work/code")"
case_is "nothing half done" 0 "$(find "$work/t" -name '*partial*' | wc -l)"
case_is "says how to go on" 1 "$(grep -c 'the same command goes on from here' "$work/stopped")"
cases_end
