#!/usr/bin/env python3
"""Score the cases of metrics_cases with the published code, and count the differences.

  build/tests/metrics_cases NAME | originals.py --longbench DIR --infinitebench DIR --helmet DIR --loft DIR --babilong DIR
                                                --ruler DIR --kvpress DIR --lmeval DIR NAME

The folders are checkouts at the commits that workloads/metrics/README.md names; the packages rouge 1.0.1, fuzzywuzzy 0.18.0,
jieba 0.42.1, rouge-score 0.1.2, Levenshtein, scipy and pytrec-eval-terrier come from PyPI. Prints one line: the name, the
number of cases, of differences, and the SHA-256 over "%.12f\\n" of every value: the line of expected.h. "NAME" may be unicode:
then every code point's properties are compared with this Python's.
"""
import argparse
import ast
import contextlib
import hashlib
import importlib.util
import io
import json
import re
import sys
import types


def load(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def stub(name, **members):
    sys.modules[name] = types.ModuleType(name)
    for k, v in members.items():
        setattr(sys.modules[name], k, v)


def text(h):
    return bytes.fromhex(h).decode("utf-8", "replace")


def frames():
    n, f = 0, sys._getframe(1)
    while f is not None:
        n, f = n + 1, f.f_back
    return n


# ---- LongBench ----

def longbench(args, name):
    if name.startswith("code_sim"):
        # fuzzywuzzy takes Levenshtein when it is there
        hide = name == "code_sim@1"
        if hide:
            sys.modules["Levenshtein"] = None
        elif name == "code_sim_indel@1":
            sys.path.insert(0, args.levenshtein012)
    m = load(args.longbench + "/LongBench/metrics.py", "lb_metrics")
    fn = {"qa_f1@1": m.qa_f1_score, "qa_f1_zh@1": m.qa_f1_zh_score, "rouge_l@1": m.rouge_score, "rouge_zh@1": m.rouge_zh_score,
          "classification@1": m.classification_score, "retrieval@1": m.retrieval_score, "retrieval_zh@1": m.retrieval_zh_score,
          "count@1": m.count_score}.get(name, m.code_sim_score)

    def score(c):
        best = 0.0
        for ref in c["refs"]:
            # as in eval.py: the module, scorer(), the metric
            sys.setrecursionlimit(1000 + frames() - 2)
            best = max(best, fn(c["preds"][0], ref, all_classes=c["classes"]))
            sys.setrecursionlimit(5000)
        return best
    return score


def functions_of(path, *names):
    """Single functions of a script that runs when it is imported."""
    tree = ast.parse(open(path, encoding="utf-8").read())
    tree.body = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name in names]
    space = {"re": re}
    exec(compile(tree, path, "exec"), space)
    return [space[n] for n in names]


def longbench_v2(args, name):
    extract, = functions_of(args.longbench + "/pred.py", "extract_answer")

    def score(c):
        pred = extract(c["preds"][0].strip())
        if name == "longbench_v2_compensated@1" and pred is None:
            return 0.25
        return int(pred == c["refs"][0])
    return score


# ---- InfiniteBench ----

def infinitebench(args, name):
    from rouge_score import rouge_scorer

    class Rouge: # what evaluate.load("rouge").compute does without an aggregator
        def compute(self, predictions, references, use_aggregator):
            s = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL", "rougeLsum"], use_stemmer=False)
            if isinstance(references[0], list):
                return {"rougeLsum": [s.score_multi(references[0], predictions[0])["rougeLsum"].fmeasure]}
            return {"rougeLsum": [s.score(references[0], predictions[0])["rougeLsum"].fmeasure]}

    stub("evaluate", load=lambda what: Rouge())
    stub("tqdm", tqdm=lambda x: x)
    stub("args", parse_args=None)
    m = load(args.infinitebench + "/src/compute_scores.py", "ib_scores")

    def number(s):
        return int(s) if re.fullmatch(r"[+-]?\d+", s) else float(s)

    def score(c):
        pred, refs = c["preds"][0], c["refs"]
        try:
            if name == "infbench_first_int@1":
                return m.get_score_one_passkey(pred, refs, "")
            if name == "infbench_kv_retrieval@1":
                return m.get_score_one_kv_retrieval(pred, refs[0], "")
            if name == "infbench_book_choice@1":
                return m.get_score_one_longbook_choice_eng(pred, refs, "")
            if name == "infbench_dialogue_qa@1":
                return m.get_score_one_longdialogue_qa_eng(pred, refs, "")
            if name == "infbench_f1_chars_zh@1":
                return m.get_score_one_longbook_qa_chn(pred, refs, "")
            if name == "infbench_rouge_lsum@1":
                return m.get_score_one_longbook_sum_eng(pred, refs, "")
            if name == "infbench_math_find@1":
                return m.get_score_one_math_find(pred, [number(refs[0])], "")
            if name == "infbench_math_calc@1":
                return m.get_score_one_math_calc(pred, [int(x) for x in refs], "gpt4" if c["drop"] else "")
            if name == "infbench_code_run@1":
                return m.get_score_one_code_run(pred, int(refs[0]), "")
            if name == "infbench_code_debug@1":
                return m.get_score_one_code_debug(pred, refs, "")
        except ValueError: # int("3.5"): our SB_SCORE_RAISES
            c["raises"] = True
            return 0.0
        raise KeyError(name)
    return score


# ---- the others ----

def helmet(args, name):
    stub("torch", Tensor=type("Tensor", (), {}))
    u = load(args.helmet + "/utils.py", "utils")
    if name == "helmet_ndcg_10@1":
        def ndcg(c):
            qrels = {"q": dict(zip(c["refs"], c["relevance"]))}
            return u.calculate_retrieval_metrics({"q": u.parse_rankings(c["preds"][0])}, qrels, [10])["NDCG@10"]
        return ndcg
    if name == "helmet_recall@1":
        def recall(c): # a nested function there, of one line
            return sum([a.lower() in c["preds"][0].lower() for a in c["refs"]]) / len(c["refs"])
        return recall
    key = {"helmet_em@1": "exact_match", "helmet_sub_em@1": "substring_exact_match", "helmet_f1@1": "f1",
           "helmet_choice_em@1": "exact_match", "helmet_label_em@1": "exact_match", "helmet_rouge_l_f1@1": "rougeL_f1",
           "helmet_rouge_l_recall@1": "rougeL_recall", "helmet_rouge_lsum_f1@1": "rougeLsum_f1",
           "helmet_rouge_lsum_recall@1": "rougeLsum_recall"}[name]

    def score(c):
        pred, refs = c["preds"][0], c["refs"]
        parsed = u.parse_output(pred, c["prefix"] or ("label:" if name == "helmet_label_em@1" else "Answer:"))
        if name == "helmet_label_em@1":
            return float(u.calculate_metrics(parsed, refs)[key])
        best = max(u.calculate_metrics(pred, refs)[key], u.calculate_metrics(parsed, refs)[key])
        if name == "helmet_choice_em@1" and refs[1].lower() in pred.lower():
            best = True
        return float(best)
    return score


def loft(args, name):
    sys.path.insert(0, args.loft)
    stub("evaluation.sql", SqlEvaluation=lambda config: None)
    import evaluation
    sys.modules["evaluation.sql"].__package__ = "evaluation"
    task = "retrieval" if "recall" in name else "multi_value_rag" if "multi" in name else "rag"
    key = name[len("loft_"):-len("@1")].replace("multi_", "")
    if task == "retrieval":
        key = key[:-2] + "@" + key[-1] # recall_5 is recall@5 there

    def score(c):
        e = evaluation.EVALUATION_TASKS[task]
        gold = [[r, 1] for r in c["refs"]] if task == "retrieval" else c["refs"]
        row = evaluation.loft_evaluation.EvaluationInstance(qid="q", gold_answers=gold, model_output=[c["preds"]], num_turns=1,
                                                            metadata={})
        with contextlib.redirect_stdout(io.StringIO()):
            return float(e.evaluate(row)[0].get(key, 0.0))
    return score


def babilong(args, name):
    m = load(args.babilong + "/babilong/metrics.py", "babi_metrics")
    return lambda c: float(m.compare_answers(c["refs"][0], c["preds"][0], c["question"][0], m.TASK_LABELS[c["task"]]))


def ruler(args, name):
    path, post = args.ruler + "/scripts/eval/synthetic/constants.py", None
    if name.startswith("ruler"):
        post, = functions_of(args.ruler + "/scripts/eval/evaluate.py", "postprocess_pred")
        both = functions_of(path, "string_match_all", "string_match_part")
        clean = lambda s: post(s, None)
    elif name.startswith("kvpress"):
        both = functions_of(args.kvpress + "/evaluation/benchmarks/ruler/calculate_metrics.py", "string_match_all",
                            "string_match_part")
        clean = lambda s: re.sub(r"[\x00-\x1f]", "", s.strip()).strip() # a lambda there
    else:
        both = functions_of(args.lmeval + "/lm_eval/tasks/ruler/common_utils.py", "string_match_all", "string_match_part",
                            "postprocess_pred")
        clean = lambda s: both[2]([s])[0]
    fn = both[1] if "part" in name else both[0]
    fn.__globals__["round"] = lambda v, n: v # per cent of one sample, not yet rounded
    scale = 1 if name.startswith("lmeval") else 100
    return lambda c: fn([clean(c["preds"][0])], [c["refs"]]) / scale


def key_phrase(args, name): # our own definition, in other words
    plain = lambda s: " ".join(s.lower().split())
    return lambda c: float(any(plain(r) in plain(c["preds"][0]) for r in c["refs"]))


def scorer_of(args, name):
    for start, make in (("longbench_v2", longbench_v2), ("infbench", infinitebench), ("helmet", helmet), ("loft", loft),
                        ("babilong", babilong), ("ruler", ruler), ("kvpress", ruler), ("lmeval", ruler),
                        ("key_phrase", key_phrase)):
        if name.startswith(start):
            return make(args, name)
    return longbench(args, name)


def unicode_rows():
    import unicodedata
    n = bad = 0
    for line in sys.stdin:
        c, space, word, digit, lower, upper, nfd = json.loads(line)
        s = chr(c)
        if unicodedata.category(s) == "Cn":
            continue # this Python's Unicode does not know it; the library's may
        n += 1
        want = [int(s.isspace()), int(bool(re.match(r"\w", s))), unicodedata.decimal(s, -1) if re.match(r"\d", s) else -1,
                [ord(x) for x in s.lower()], [ord(x) for x in s.upper()], [ord(x) for x in unicodedata.normalize("NFD", s)]]
        if want != [space, word, digit, lower, upper, nfd]:
            bad += 1
            if bad <= 20:
                print("U+%04X" % c, "ours", [space, word, digit, lower, upper, nfd], "Python", want)
    print("unicode %d code points of Unicode %s, %d differences" % (n, unicodedata.unidata_version, bad))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for folder in ("longbench", "infinitebench", "helmet", "loft", "babilong", "ruler", "kvpress", "lmeval", "levenshtein012"):
        p.add_argument("--" + folder, default="")
    p.add_argument("--show", type=int, default=5, help="differences to print")
    p.add_argument("name")
    args = p.parse_args()
    if args.name == "unicode":
        return unicode_rows()
    score = scorer_of(args, args.name)
    sys.setrecursionlimit(5000)
    n = bad = bits = raises = 0
    digest = hashlib.sha256()
    for line in sys.stdin:
        c = json.loads(line)
        for k in ("preds", "refs", "classes", "question"):
            c[k] = [text(h) for h in c[k]]
        want = float(score(c))
        digest.update(("%.12f\n" % want).encode())
        n += 1
        bits += want != c["value"]
        raises += bool(c.get("raises")) != bool(c["flags"] & 4) and args.name.startswith("infbench")
        if "%.12f" % want != "%.12f" % c["value"] or c["status"]:
            bad += 1
            if bad <= args.show:
                print("case %d: ours %r %s, original %r; preds %r refs %r classes %r task %s question %r prefix %r" % (
                    c["i"], c["value"], c["status"], want, [x[:300] for x in c["preds"]], [x[:300] for x in c["refs"]],
                    c["classes"], c["task"], c["question"], c["prefix"]), file=sys.stderr)
    print('{"%s", %d, "%s"}, // %d differences, %d in a last bit, %d raise otherwise' % (
        args.name, n, digest.hexdigest(), bad, bits, raises))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
