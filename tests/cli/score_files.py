#!/usr/bin/env python3
"""Files of predictions of known quality, as the programs of others write them: for tests/cli/score.sh.

  score_files.py DIR                    write them
  score_files.py --fill DIR QUALITY     predictions into the rows that spanbench gen wrote there: right, half, wrong, empty
  score_files.py --summary              RULER's averages of the files under DIR/all
"""
import csv
import json
import os
import sys

RULER = {"niah_single_1": 1, "niah_single_2": 1, "niah_single_3": 1, "niah_multikey_1": 1, "niah_multikey_2": 1, "niah_multikey_3": 1,
         "niah_multivalue": 4, "niah_multiquery": 4, "vt": 5, "cwe": 10, "fwe": 3, "qa_1": 2, "qa_2": 2}
LENGTHS = [4096, 8192, 16384, 32768, 65536, 131072]
ROWS = 40
RIGHT = [497, 488, 476, 454, 440, 400]  # of 13 * ROWS, near the row of Llama-3.1-8B in RULER's README


def lines(path, rows):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        for r in rows:
            f.write((r if isinstance(r, str) else json.dumps(r)) + "\n")


def answers(task, i, n):
    return [f"A{i:03d}z{k:02d}q" for k in range(n)]


def quality(i, refs):
    """right (in another case), half of the answers, none, nothing"""
    return [", ".join(refs).lower(), " ".join(refs[:len(refs) // 2]) or "none", "I do not know.", " \n\x01 "][i % 4]


def ruler_row(task, i, n, pred):
    return {"index": 7, "pred": pred, "input": f"{task} {i} ...Answer:", "outputs": answers(task, i, n), "others": {}, "truncation": -1,
            "length": 4000}


def ruler(root):
    for task, n in RULER.items():
        lines(f"{root}/ruler/4096/pred/{task}.jsonl", [ruler_row(task, i, n, quality(i, answers(task, i, n))) for i in range(8)])
    for at, length in enumerate(LENGTHS):
        left = RIGHT[at]
        for place, (task, n) in enumerate(RULER.items()):
            right = min(ROWS, -(-left // (13 - place)))
            left -= right
            lines(f"{root}/all/{length}/pred/{task}.jsonl",
                  [ruler_row(task, i, n, " ".join(answers(task, i, n)) if i < right else "no") for i in range(ROWS)])
    # a file in two chunks, and one whose name says nothing
    rows = [ruler_row("vt", i, 5, quality(i, answers("vt", i, 5))) for i in range(8)]
    lines(f"{root}/chunks/8192/vt-0.jsonl", rows[:5])
    lines(f"{root}/chunks/8192/vt-1.jsonl", rows[5:])
    lines(f"{root}/named/mine.jsonl", rows)


def lm_eval(root):
    def sample(task, i, n, filt="none"):
        refs = answers(task, i, n)
        pred = quality(i, refs)
        return {"doc_id": i, "doc": {"input": f"q {i}", "outputs": refs, "length": 4000, "max_length": 4096 * (1 + i // 4), "gen_prefix": ""},
                "target": refs[0], "arguments": {"gen_args_0": {"arg_0": f"q {i}", "arg_1": {"until": []}}}, "resps": [["raw " + pred]],
                "filtered_resps": [pred], "filter": filt, "metrics": ["4096", "8192"], "doc_hash": "0", "4096": -1.0}
    stamp = "2026-01-02T03-04-05.678901"
    lines(f"{root}/lmeval/samples_ruler_qa_squad_{stamp}.jsonl", [sample("qa_1", i, 2) for i in range(8)])
    lines(f"{root}/lmeval/samples_niah_multivalue_{stamp}.jsonl", [sample("niah_multivalue", i, 4) for i in range(8)])
    lines(f"{root}/lmeval_filters/samples_ruler_vt_{stamp}.jsonl",
          [sample("vt", i, 5, f) for i in range(4) for f in ("none", "strict")])
    lines(f"{root}/lmeval/samples_longbench_hotpotqa_{stamp}.jsonl",
          [{"doc_id": i, "doc": {"input": "q", "context": "c", "answers": ["alpha beta"], "length": 5, "dataset": "hotpotqa", "language": "en",
                                 "all_classes": [], "_id": "x"}, "target": "alpha beta", "resps": [[p]], "filtered_resps": [p], "filter": "none"}
           for i, p in enumerate(["Alpha, beta!", "alpha", "gamma", ""])])
    lines(f"{root}/lmeval_other/samples_mytask_{stamp}.jsonl",
          [{"doc_id": i, "doc": {"q": 1}, "target": "Paris", "resps": [[p]], "filtered_resps": [p]} for i, p in enumerate(["paris", "Rome"])])


def kvpress(root):
    folder = f"{root}/kvpress/ruler__4096__meta--llama__snapkv__0.50"
    os.makedirs(folder)
    with open(f"{folder}/predictions.csv", "w", newline="", encoding="utf-8") as f:
        w = csv.writer(f, lineterminator="\n")
        w.writerow(["question", "predicted_answer", "answer", "task", "answer_prefix", "max_new_tokens", "compression_ratio"])
        for i in range(8):
            for task, n in (("niah_multivalue", 4), ("qa_2", 2)):
                refs = answers(task, i, n)
                pred = ["\n".join(refs) + ', said "he"', refs[0] + ",\r\n" + "x", "none", ""][i % 4]
                shown = repr(refs) if i % 2 else "[" + "\n ".join(repr(r) for r in refs) + "]"  # Python's list, numpy's array
                w.writerow([f'a "quoted", question\n{i}', pred, shown, task, "Answer:", 128, 0.5])
        w.writerow(["q", "ends with \x02control", "['with control']", "niah_single_1", "", 128, 0.5])


def longbench(root):
    f1 = ["Alpha, beta!", "alpha", "gamma", ""]
    lines(f"{root}/longbench/pred/m/hotpotqa.jsonl",
          [{"pred": p, "answers": ["zeta", "alpha beta"], "all_classes": None, "length": 10 + i} for i, p in enumerate(f1)])
    classes = ["Number", "Number of", "Number of something", "Food"]
    lines(f"{root}/longbench/pred/m/trec.jsonl",
          [{"pred": p, "answers": ["Number of something"], "all_classes": classes, "length": 10}
           for p in ["\n\nFood or Number of something\nNumber", "Number of something", "Food", ""]])
    lines(f"{root}/longbench/pred/m/multifieldqa_zh.jsonl",
          [{"pred": p, "answers": ["\u5317\u4eac\u5927\u5b66"], "all_classes": None, "length": 10} for p in ["\u5317\u4eac\u5927\u5b66\u3002", "\u4e0a\u6d77"]])
    lines(f"{root}/longbench/pred_e/m/hotpotqa.jsonl",
          [{"pred": p, "answers": ["alpha beta"], "all_classes": None, "length": n}
           for p, n in zip(f1 + f1[:2], [3999, 4000, 7999, 3, 8000, 9000])])
    v2 = [("easy", "short", "A", "The correct answer is (A)."), ("hard", "short", "B", "**The correct answer is B**"),
          ("easy", "medium", "C", "The correct answer is (D)"), ("hard", "medium", "D", "I cannot say."), ("hard", "long", "A", "")]
    lines(f"{root}/v2/results/m.jsonl",
          [{"_id": f"id{i}", "domain": "d", "sub_domain": "s", "difficulty": d, "length": n, "question": "q", "choice_A": "a", "choice_B": "b",
            "choice_C": "c", "choice_D": "d", "answer": a, "context": "...", "response": r, "pred": None, "judge": False}
           for i, (d, n, a, r) in enumerate(v2)])


def infinitebench(root):
    folder = f"{root}/infinitebench/results/m"
    lines(f"{folder}/preds_passkey.jsonl",
          [{"id": i, "prediction": p, "ground_truth": "71432"} for i, p in enumerate(["It is 71432.", "071432", "none", ""])])
    lines(f"{folder}/preds_code_debug_0-3.jsonl",
          [{"id": i, "prediction": p, "ground_truth": ["run_it", "B"]} for i, p in enumerate(["The answer is: Option B", "A.", "run_it"])])
    lines(f"{folder}/preds_math_calc.jsonl", [{"id": 0, "pred": "1, 2, 4, 4", "label": [1, 2, 3, 4]}])
    lines(f"{folder}/preds_code_run.jsonl", [{"id": 0, "prediction": "so -5", "ground_truth": -5}])


def own(root):
    """Rows that somebody wrote by hand, without hash and place."""
    def row(i, pred, **more):
        return {"task": "mine", "input": f"q {i}", "answer_prefix": "", "outputs": ["Paris", "the city"], "metric": "qa_f1@1", "max_gen": 5,
                "pred": pred, **more}
    lines(f"{root}/own/mine.jsonl", [row(0, "paris"), row(1, "The city of light", length=4096), row(2, "Rome"), row(3, "")])
    lines(f"{root}/own/list.jsonl",
          [{"suite": "loft", "task": "nq", "outputs": ["Paris"], "metric": "loft_em@1", "pred": p, "id": str(i)}
           for i, p in enumerate([["Paris", "Rome"], ["Rome"], []])])


def bad(root):
    good = [ruler_row("vt", i, 5, quality(i, answers("vt", i, 5))) for i in range(8)]
    wrong = []
    for change in ({"pred": None}, {"pred": 5}, {"outputs": "x"}, {"outputs": ["a"]}, {"outputs": ["a", "b", "", "d", "e"]}, {"input": []}):
        wrong.append({**good[len(wrong)], "input": f"other {len(wrong)}", **change})
    no_pred = {k: v for k, v in good[6].items() if k != "pred"}
    no_pred["input"] = "no pred"
    rows = [json.dumps(r) for r in good] + [json.dumps(r) for r in wrong] + [json.dumps(no_pred), json.dumps(good[0]), "not json", "[1]"]
    path = f"{root}/bad/4096/vt.jsonl"
    os.makedirs(os.path.dirname(path))
    with open(path, "wb") as f:
        f.write(("\n".join(rows) + "\n").encode())
        f.write(b'{"pred": "nul \x00", "outputs": []}\n{"pred": "utf8 \xff"}\n\n')
        f.write(json.dumps(good[1]).encode()[:60])  # cut off
    folder = f"{root}/badcsv"
    os.makedirs(folder)
    with open(f"{folder}/4096.csv", "wb") as f:
        f.write(b'\xef\xbb\xbftask,answer,predicted_answer\r\n'
                b'vt,"[\'a1\', \'b2\', \'c3\', \'d4\', \'e5\']","a1 b2\r\nc3"\r\n'
                b'vt,x\r\n'
                b'vt,"[\'a1\']",say "a1"\r\n'
                b'vt,"[\'a1\']","x" y\r\n'
                b'vt,"[]",y\r\n'
                b'vt,plain,\xff\r\n'
                b'vt,plain,nul \x00\r\n'
                b'\r\n'
                b'niah_single_1,plain, plain text \r\n'
                b'vt,"plain","open')
    lines(f"{root}/unknown/x.jsonl", [{"question": "a", "reply": "b"}])
    lines(f"{root}/empty/vt.jsonl", [])
    lines(f"{root}/v2bad/m.jsonl",
          [{"_id": "1", "difficulty": "easy", "length": "short", "answer": "A", "response": "The correct answer is (A)"},
           {"_id": "2", "difficulty": "simple", "length": "short", "answer": "A", "response": "x"},
           {"_id": "3", "difficulty": "easy", "length": "short", "answer": "E", "response": "x"},
           {"_id": "1", "difficulty": "easy", "length": "short", "answer": "A", "response": "again"}])


def fill(root, quality_of):
    """pred into rows that spanbench gen wrote: every row right, half right, wrong or empty."""
    for folder, _, names in os.walk(root):
        for name in names:
            if name.endswith("rows.jsonl") or name == "validation.jsonl":
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8") as f:
                    rows = [json.loads(line) for line in f]
                for r in rows:
                    refs = r["outputs"]
                    r["pred"] = {"right": "\x01".join(refs).upper(), "wrong": "I do not know.", "empty": "",
                                 "half": " ".join(refs[:len(refs) // 2])}[quality_of]
                lines(path, rows)


def summary():
    """average, wavg_inc, wavg_dec of the files under all/, to two decimals"""
    s = [100 * r / (13 * ROWS) for r in RIGHT]
    return [sum(s) / 6, sum((i + 1) * x for i, x in enumerate(s)) / 21, sum((6 - i) * x for i, x in enumerate(s)) / 21]


def main(args):
    if args[0] == "--summary":
        print(" ".join(f"{x:.2f}" for x in summary()))
    elif args[0] == "--fill":
        fill(args[1], args[2])
    else:
        for write in (ruler, lm_eval, kvpress, longbench, infinitebench, own, bad):
            write(args[0])


if __name__ == "__main__":
    main(sys.argv[1:])
