#!/usr/bin/env bash
# spanbench score: predictions of known quality in every format give the figures they must; bad lines are told and cost nothing else;
# what is stored is stored once.
#   tests/cli/score.sh SPANBENCH
set -euo pipefail
spanbench=$1
here=$(cd "$(dirname "$0")/../.." && pwd)
cd "$here"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/cli/cases.sh
. tests/cli/cases.sh
files=tests/cli/score_files.py
python3 $files "$work/in"
cd "$work/in"

# score NAME FILES...: the exit code; the table goes to $work/NAME.csv
score() {
    local rc=0
    "$spanbench" score -F csv "${@:2}" >"$work/$1.csv" 2>"$work/err" || rc=$?
    echo "$rc"
}
# pick NAME KIND TASK METRIC GROUP COLUMN...
pick() {
    awk -F, -v kind="$2" -v task="$3" -v metric="$4" -v group="$5" -v columns="${*:6}" '
        { sub(/\r$/, "") }
        NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; n = split(columns, want, " "); next }
        $at["kind"] == kind && $at["task"] == task && (metric == "" || $at["metric"] == metric) && $at["group"] == group {
            for (i = 1; i <= n; i++) out = out (i > 1 ? " " : (out == "" ? "" : " / ")) ($at[want[i]] == "" ? "-" : $at[want[i]])
        }
        END { print out }' "$work/$1.csv"
}
ask() { sqlite3 "$work/$1.db" "$2"; }

# ---- RULER [workloads 1.11] ----
case_is "ruler" 0 "$(score r ruler/4096/pred/*.jsonl)"
case_is "the last line counts" "104 rows scored, 0 bad" "$(tail -n 1 "$work/err")"
case_is "the format is told" 13 "$(grep -c 'read as ruler .*, length 4096$' "$work/err")"
for t in niah_single_1 niah_single_2 niah_single_3 niah_multikey_1 niah_multikey_2 niah_multikey_3; do
    case_is "$t" "4096 8 0.25 0 2 25.00 wilson" "$(pick r task $t ruler_all@1 "" length n score n_empty n_null figure interval)"
done
for t in niah_multivalue niah_multiquery cwe; do
    case_is "$t" "4096 8 0.375 2 37.50 bootstrap" "$(pick r task $t ruler_all@1 "" length n score n_null figure interval)"
done
case_is "vt" "0.34999999999999998 35.00" "$(pick r task vt ruler_all@1 "" score figure)"
case_is "fwe" "33.33" "$(pick r task fwe ruler_all@1 "" figure)"
for t in qa_1 qa_2; do
    case_is "$t" "8 0.5 50.00 wilson" "$(pick r task $t ruler_part@1 "" n score figure interval)"
done
case_is "Wilson's interval of 4 in 8" "$(python3 -c 'z = 1.95996398454005; h = z * (.25 / 8 + z * z / 256) ** .5 / (1 + z * z / 8); print(f"{.5 - h:.9f} {.5 + h:.9f}")')" \
    "$(pick r task qa_1 "" "" lo hi | xargs printf '%.9f ' | xargs)"
case_is "the mean of 13" "104 33.14" "$(pick r mean "all 13" own "" n figure)"
case_is "no summary without all lengths" "- no mean at 8192 16384 32768 65536 131072" "$(pick r ruler "all 13" own average score reason)"

case_is "all tasks, all lengths" 0 "$(score all all/*/pred/*.jsonl)"
case_is "averages" "$(python3 "$here/$files" --summary)" "$(pick all ruler "all 13" own average figure) $(pick all ruler "all 13" own wavg_inc figure) $(pick all ruler "all 13" own wavg_dec figure)"
case_is "effective length" 32768 "$(pick all ruler "all 13" own effective_length figure)"
case_is "a task missing at one length" 0 "$(score miss all/4096/pred/[a-p]*.jsonl)"
case_is "is named" "missing: qa_1 qa_2 vt" "$(pick miss mean "all 13" own "" reason | tr ' ' '\n' | tail -n +2 | sort | xargs | sed 's/^/missing: /')"
head -n 30 all/4096/pred/vt.jsonl >"$work/vt.jsonl"
case_is "unequal numbers" 0 "$(score uneq all/4096/pred/[a-u]*.jsonl "$work/vt.jsonl" --length 4096)"
case_is "make no mean" "tasks differ in samples: 40 and 30" "$(pick uneq mean "all 13" own "" reason)"

case_is "others' variants beside" 0 "$(score v ruler/4096/pred/{qa_1,cwe}.jsonl -m own -m kvpress -m lm-eval -m helmet_recall@1)"
case_is "each with its name" "0.5 / 0.375 / 0.5" "$(pick v task qa_1 ruler_part@1 "" score) / $(pick v task qa_1 lmeval_part@1 "" score) / $(pick v task qa_1 kvpress_part@1 "" score)"
case_is "and the scorer by name" "0.375 0.375" "$(pick v task qa_1 helmet_recall@1 "" score) $(pick v task cwe helmet_recall@1 "" score)"

case_is "chunks are one task" 0 "$(score c chunks/8192/vt-*.jsonl)"
case_is "of one length" "8192 8 35.00" "$(pick c task vt ruler_all@1 "" length n figure)"
case_is "a name that says nothing" 2 "$(score n named/mine.jsonl)"
case_is "is told" "spanbench score: named/mine.jsonl: neither the file's name nor its folder's is a task of RULER (niah_single_1 ... qa_2): give --task" "$(tail -n 1 "$work/err")"
case_is "and can be given" 0 "$(score n named/mine.jsonl --task vt --length 4096)"
case_is "for the same figure" "4096 35.00" "$(pick n task vt ruler_all@1 "" length figure)"

# ---- lm-evaluation-harness ----
case_is "lm-eval" 0 "$(score l lmeval/samples_{ruler,niah}*.jsonl -m own -m lm-eval -m qa_f1@1)"
case_is "its lengths" "4096 4 0.5 / 8192 4 0.5" "$(pick l task qa_1 ruler_part@1 "" length n score)"
case_is "its own metric" "0.375 / 0.375" "$(pick l task qa_1 lmeval_part@1 "" score)"
case_is "multivalue" "0.375 / 0.375" "$(pick l task niah_multivalue ruler_all@1 "" score)"
case_is "a variant that is none" 1 "$(score l lmeval/samples_longbench*.jsonl -m lm-eval)"
case_is "says so" 4 "$(grep -c 'metric: lm-eval has no variant of qa_f1@1' "$work/err")"
case_is "longbench of lm-eval" 0 "$(score l lmeval/samples_longbench*.jsonl)"
case_is "its figure" "4 41.67" "$(pick l task hotpotqa qa_f1@1 "" n figure)"
case_is "two filters are twice the same" 1 "$(score f lmeval_filters/*.jsonl)"
case_is "one of them" 0 "$(score f lmeval_filters/*.jsonl --filter strict)"
case_is "is chosen" "4 rows scored, 0 bad, 4 of another filter" "$(tail -n 1 "$work/err")"
case_is "a task unknown" 1 "$(score o lmeval_other/*.jsonl)"
case_is "needs a metric" 2 "$(grep -c 'metric: task mytask of lm-eval has none of its own: give --metric' "$work/err")"
case_is "given" 0 "$(score o lmeval_other/*.jsonl --metric qa_f1@1)"
case_is "scores" "2 0.5" "$(pick o task mytask qa_f1@1 "" n score)"

# ---- kvpress ----
case_is "kvpress" 0 "$(score k kvpress/*/predictions.csv -m own -m kvpress)"
case_is "quotes and line breaks" "4096 8 0.3125 2" "$(pick k task niah_multivalue ruler_all@1 "" length n score n_empty)"
case_is "part" "8 0.5" "$(pick k task qa_2 kvpress_part@1 "" n score)"
case_is "control characters break or vanish" "0 1" "$(pick k task niah_single_1 ruler_all@1 "" score) $(pick k task niah_single_1 kvpress_all@1 "" score)"

# ---- LongBench, v2, InfiniteBench [workloads 2.1-2.3, 3] ----
case_is "longbench" 0 "$(score b longbench/pred/m/{hotpotqa,trec}.jsonl longbench/pred_e/m/*.jsonl)"
case_is "f1" "4 41.67 1" "$(pick b task hotpotqa qa_f1@1 "" n figure n_empty | cut -d/ -f1 | xargs)"
case_is "first line, classes" "4 20.83" "$(pick b task trec classification@1 "" n figure)"
case_is "bins of E" "2 50.0 / 2 33.33 / 2 83.33" "$(pick b group hotpotqa qa_f1@1 0-4k n figure) / $(pick b group hotpotqa qa_f1@1 4-8k n figure) / $(pick b group hotpotqa qa_f1@1 8k+ n figure)"
case_is "v2" 0 "$(score w v2/results/m.jsonl)"
case_is "six groups" "40.0 50.0 33.3 100.0 0.0 0.0" "$(for g in overall easy hard short medium long; do pick w group choice longbench_v2@1 $g figure; done | xargs)"
case_is "v2 without an answer" "5 1 2" "$(pick w task choice longbench_v2@1 "" n n_empty n_null)"
case_is "compensated" 0 "$(score w v2/results/m.jsonl -m longbench_v2_compensated@1)"
case_is "is another metric" "50.0" "$(pick w task choice longbench_v2_compensated@1 "" figure)"
case_is "infinitebench" 0 "$(score i infinitebench/results/m/*.jsonl)"
case_is "passkey" "4 25.0" "$(pick i task passkey infbench_first_int@1 "" n figure)"
case_is "code_debug" "3 33.33" "$(pick i task code_debug infbench_code_debug@1 "" n figure)"
case_is "math_calc, code_run" "50.0 100.0" "$(pick i task math_calc "" "" figure) $(pick i task code_run "" "" figure)"
case_is "no mean of 4 in 12" "missing: number_string kv_retrieval longbook_sum_eng longbook_choice_eng longbook_qa_eng longbook_qa_chn longdialogue_qa_eng math_find" "$(pick i mean "all 12" own "" reason)"

mkdir "$work/nothing"
case_is "without jieba's data" 1 "$(score z longbench/pred/m/{multifieldqa_zh,hotpotqa}.jsonl --jieba "$work/nothing")"
case_is "the rows say what is missing" "1" "$(grep -c '^multifieldqa_zh qa_f1_zh@1: 2 rows not scored: .*python3-jieba' "$work/err")"
case_is "the others are scored" "4 41.67" "$(pick z task hotpotqa qa_f1@1 "" n figure)"
if [ -e /usr/lib/python3/dist-packages/jieba/dict.txt ]; then
    case_is "with it" 0 "$(score z longbench/pred/m/multifieldqa_zh.jsonl)"
    case_is "f1 over words" "2 50.0" "$(pick z task multifieldqa_zh qa_f1_zh@1 "" n figure)"
fi

# ---- ours ----
case_is "ours by hand" 0 "$(score m own/*.jsonl)"
case_is "a list of predictions" "3 0.33333333333333331" "$(pick m task nq loft_em@1 "" n score)"
case_is "lengths apart" "3 33.33 / 4096 1 50.0" "$(pick m task mine qa_f1@1 "" length n figure | sed 's/^- //')"
cat >"$work/round.yaml" <<'Y'
sweep: round
tokenizer: bytes/4
workloads:
  - {suite: ruler, tasks: [niah_multikey_3, niah_multivalue, vt, cwe, fwe, qa_synth], lengths: [4096], samples: 6, corpus: default}
Y
sed "s#corpus: default#corpus: $here/configs#" "$work/round.yaml" >"$work/in/round.yaml"
for form in own spanbench; do
    case_ok "gen, $form" "$spanbench" gen "$work/in/round.yaml" -o "$work/gen_$form" --format $form
    for quality in right half wrong empty; do
        dir=$work/${form}_$quality
        cp -r "$work/gen_$form" "$dir"
        python3 "$here/$files" --fill "$dir" $quality
        case_is "round trip $form $quality" 0 "$(score g "$dir"/ruler/4096/*/*.jsonl)"
        case $quality in
            right) want="100.00 100.00 100.00 100.00 100.00" ;;
            half) want="0.00 50.00 40.00 50.00 33.33" ;;
            *) want="0.00 0.00 0.00 0.00 0.00" ;;
        esac
        case_is "figures $form $quality" "$want" "$(for t in niah_multikey_3 niah_multivalue vt cwe fwe; do pick g task $t ruler_all@1 "" figure; done | xargs)"
        case_is "length and n $form $quality" "4096 6" "$(pick g task vt ruler_all@1 "" length n)"
        case_is "empty ones $form $quality" "$([ $quality = empty ] && echo "6 6" || echo "0 0")" "$(pick g task vt ruler_all@1 "" n_empty n_null)"
    done
done
right=$work/spanbench_right/ruler/4096
case_is "with what they were made from" 0 "$(score f "$right"/*/rows.jsonl --db "$work/facts.db" --model m --facts "$work/gen_spanbench")"
case_is "six data sets, each with its own" "6|6|bytes/4" "$(ask facts "select count(*), sum(json_extract(params_json, '\$.facts.task') = task), max(json_extract(params_json, '\$.facts.facts.tokenizer')) from dataset")"
case_is "facts of another task" 1 "$(score f "$right/vt/rows.jsonl" --db "$work/nofacts.db" --model m --facts "$right/cwe/facts.json")"
case_is "are refused" 1 "$(grep -c 'found facts of ruler cwe of 4096 tokens, allowed those of ruler vt of 4096' "$work/err")"
case_is "and nothing is stored" 0 "$(ask nofacts "select count(*) from sample")"
case_is "facts without a database" 2 "$(score f "$right/vt/rows.jsonl" --facts "$right")"
sed 's/"outputs": \["/"outputs": ["Z/' "$work/spanbench_right/ruler/4096/vt/rows.jsonl" >"$work/changed.jsonl"
case_is "rows that were changed" 1 "$(score h "$work/changed.jsonl")"
case_is "are not the rows" 6 "$(grep -c 'sha256: .*prompt, answers or scoring were changed' "$work/err")"

# ---- bad files: each bad line by its number and field, the rest scored ----
case_is "bad lines" 1 "$(score x bad/4096/vt.jsonl)"
case_is "are counted" "8 rows scored, 13 bad" "$(tail -n 1 "$work/err")"
case_is "and told" "9 10 11 12 13 14 15 16 17 18 19 20 22" "$(sed -n 's/^bad[^:]*: line \([0-9]*\).*/\1/p' "$work/err" | xargs)"
case_is "by field" "pred:2 outputs:3 input:1" "$(for f in pred outputs input; do echo "$f:$(sed -n '/line \(9\|10\|11\|12\|13\|14\):/p' "$work/err" | grep -c ": $f: ")"; done | xargs)"
case_is "the rest is scored" "8 35.00" "$(pick x task vt ruler_all@1 "" n figure)"
case_is "bad csv" 1 "$(score y badcsv/4096.csv)"
case_is "its lines" "4 5 6 7 8 9 12" "$(sed -n 's/^bad[^:]*: line \([0-9]*\).*/\1/p' "$work/err" | xargs)"
case_is "its good rows" "1 60.00 1 100.00" "$(pick y task vt ruler_all@1 "" n figure) $(pick y task niah_single_1 ruler_all@1 "" n figure)"
case_is "bad v2 rows" 1 "$(score y v2bad/m.jsonl)"
case_is "groups need their fields" 1 "$(grep -c 'line 2: meta.difficulty: .simple., not one of easy, hard' "$work/err")"
case_is "the same question twice" 1 "$(grep -c 'line 4: the same question as v2bad/m.jsonl line 1' "$work/err")"
case_is "one file twice" 1 "$(score y ruler/4096/pred/vt.jsonl ruler/4096/pred/vt.jsonl)"
case_is "counts once" "8 rows scored, 8 bad" "$(tail -n 1 "$work/err")"
case_is "an unknown format" 2 "$(score y unknown/x.jsonl)"
case_is "names its fields" 1 "$(grep -c 'fields question, reply is of no format known (spanbench, lm-eval, ' "$work/err")"
case_is "no rows" 2 "$(score y empty/vt.jsonl)"
case_is "a file that is not there" 1 "$(score y ruler/4096/pred/vt.jsonl ruler/none.jsonl)"
case_is "leaves the others" "8 35.00" "$(pick y task vt ruler_all@1 "" n figure)"
for wrong in "--metric f1" "--format yaml" "--format-out xml" "--length 4k" "--model m" "--db $work/u.db" "--metric own --metric own" "--task" "--nothing"; do
    # shellcheck disable=SC2086
    case_is "usage: $wrong" 2 "$(score y ruler/4096/pred/vt.jsonl $wrong)"
done
case_is "no file" 2 "$(code_of "$spanbench" score)"
case_is "no database after a usage error" "" "$(ls "$work"/u.db 2>/dev/null || true)"
case_is "help" 0 "$(code_of "$spanbench" score --help)"
case_is "metrics are listed" "$("$spanbench" list metrics | grep -c '^[a-z]')" "$("$spanbench" list metrics | grep -c '^    source: ')"
case_is "fraction or not" 1 "$("$spanbench" list metrics | grep -cE '^ruler_part@1 +0 or 1')"

# ---- output ----
case_is "scores as lines" 0 "$(score s ruler/4096/pred/{vt,qa_1}.jsonl -o "$work/s.jsonl" -m own -m kvpress)"
case_is "one a row and metric" "32 32" "$(wc -l <"$work/s.jsonl") $(python3 -c "import json, sys; print(sum(1 for x in sys.stdin if 0 <= json.loads(x)['score'] <= 1 and len(json.loads(x)['hits']) in (2, 5)))" <"$work/s.jsonl")"
case_is "nothing half done" "" "$(find "$work" -name '*.partial')"
case_is "an output that cannot be" 1 "$(score s ruler/4096/pred/vt.jsonl -o "$work/none/s.jsonl")"
for f in table json markdown; do
    case_ok "as $f" "$spanbench" score ruler/4096/pred/vt.jsonl -F $f
done
case_is "json is json" 6 "$("$spanbench" score ruler/4096/pred/vt.jsonl -F json 2>/dev/null | python3 -c 'import json, sys; print(len(json.load(sys.stdin)))')"

# ---- the database ----
db=(--db "$work/d.db" --model m1 --method dense)
case_is "stored" 0 "$(score d ruler/4096/pred/*.jsonl -m own -m kvpress "${db[@]}")"
case_is "all new" "104 rows scored, 0 bad; $work/d.db: 104 new, 0 known" "$(tail -n 1 "$work/err")"
cp "$work/d.db" "$work/before.db"
case_is "again" 0 "$(score d ruler/4096/pred/*.jsonl -m own -m kvpress "${db[@]}")"
case_is "all known" "104 rows scored, 0 bad; $work/d.db: 0 new, 104 known" "$(tail -n 1 "$work/err")"
case_ok "not a byte differs" cmp "$work/d.db" "$work/before.db"
case_is "sound" 0 "$(code_of "$spanbench" db check "$work/d.db")"
case_is "accuracy shows them" "26|13|0.35|0.5" "$(ask d "select count(*), sum(metric like 'ruler%'), max(score) filter (where task = 'vt'), max(score) filter (where task = 'qa_1' and metric = 'kvpress_part@1') from accuracy where model = 'm1' and method = 'dense' and length = 4096 and suite = 'ruler' and n = 8")"
case_is "with intervals" "26|26" "$(ask d "select count(*), sum(lo <= score and score <= hi) from accuracy")"
case_is "coverage shows them" "13|104" "$(ask d "select count(*), sum(n_ok) from coverage where status = 'ok'")"
case_is "as imported" "import|13" "$(ask d "select mode, count(*) from dataset group by mode")"
case_is "hits as scored" "8|40|14" "$(ask d "select count(distinct sample_id), count(*), sum(hit) from hit join sample on sample.id = sample_id join point on point.id = point_id where task = 'vt'")"
case_is "a mean of two metrics there is none" "1" "$(ask d "select count(*) from ruler_length where score is null and reason like '%metric%'")"
case_is "stored once more, own metric" 0 "$(score d all/4096/pred/*.jsonl --db "$work/own.db" --model m1 --method dense)"
case_is "RULER's mean of a length" "13|40|0.9558|1" "$(ask own "select n_tasks, n, round(score, 4), lo < score and score < hi from ruler_length where length = 4096")"
case_is "another method" 0 "$(score d ruler/4096/pred/*.jsonl --db "$work/d.db" --model m1 --method hip)"
case_is "shares the inputs" "104|208" "$(ask d "select (select count(*) from input), (select count(*) from sample)")"
sed 's/"pred": "[^"]*"/"pred": "other"/' ruler/4096/pred/vt.jsonl >"$work/vt.jsonl"
case_is "other answers of the same" 0 "$(score d "$work/vt.jsonl" --length 4096 "${db[@]}")"
case_is "are the newest" "0.0" "$(ask d "select score from accuracy where task = 'vt' and method = 'dense'")"
case_is "bad lines store the rest" 1 "$(score d bad/4096/vt.jsonl --db "$work/e.db" --model m)"
case_is "eight of them" "8|external" "$(ask e "select count(*), max(method) from sample join point on point.id = point_id")"
case_is "unscored rows are stored with their reason" 1 "$(score d longbench/pred/m/multifieldqa_zh.jsonl --jieba "$work/nothing" --db "$work/j.db" --model m)"
case_is "as unsupported" "unsupported|2|1" "$(ask j "select status, n, reason like '%python3-jieba%' from coverage")"
for f in e j d; do
    case_is "$f sound" 0 "$(code_of "$spanbench" db check "$work/$f.db")"
done

cases_end
