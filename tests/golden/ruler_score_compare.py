#!/usr/bin/env python3
"""RULER's own scorers against ours (ruler_all@1, ruler_part@1), on random and adversarial strings made from a seed.

  ruler_score_compare.py --write RULER DUMP   by hand: RULER is a checkout of NVIDIA/RULER at c3f5e3b, DUMP the test binary score_dump;
                                              compares every row and rewrites tests/golden/ruler_scores.json
  ruler_score_compare.py --replay DUMP        a ctest: DUMP must still print what the original gave
"""
import ast
import hashlib
import importlib.util
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import unicodedata

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ruler_scores.json")
SEED, N = 20, 20000
# Characters whose lower case is the same in every Unicode version that Python 3.8 (12.1) to 3.13 (15.1) has
PIECES = (["", " ", "  ", "\n", "\t", "\r", "\x0b", "\x0c", "\x1c", "\x1f", "\x01", "\x02", "\x7f", "\u0085", "\u00a0", "\u2003", "\u3000",
           "\u200b", "\ufeff", "\u0130", "\u0131", "i", "I", "\u03a3", "\u03c2", "\u03c3", "\u03a3\u0301", "A\u03a3", "\u00df", "\u1e9e",
           "SS", "ss", "\u00c9", "\u00e9", "e\u0301", "\ufb01", "FI", "fi", "\u01c5", "\U00010400", "\U00010428", "\U0001f600", "\u4e2d",
           ".", ",", "-", "'", '"', "\\", "/", "0", "00", "7", "12", "123", "1234567", "7654321"]
          + "paris Paris PARIS new york New-York The the answer yes no None VHFUP ilrnu a b ab ABC abc".split())


def rows():
    r = random.Random(SEED)
    for _ in range(N):
        pred = "".join(r.choice(PIECES) + r.choice(["", "", " ", "\n"]) for _ in range(r.choice([0, 1, 2, 5, 12, 40])))
        refs = []
        for _ in range(r.choice([1, 1, 1, 2, 3, 4, 5, 10])):
            if pred and r.random() < 0.5:  # a piece of the prediction, perhaps in another case
                at = r.randrange(len(pred))
                ref = pred[at:at + r.randint(1, 8)]
                ref = r.choice([str, str.upper, str.lower, str.swapcase, str.strip])(ref)
            else:
                ref = "".join(r.choice(PIECES) for _ in range(r.randint(1, 3)))
            refs.append(ref)
        yield {"pred": pred, "refs": refs}


def original(ruler):
    spec = importlib.util.spec_from_file_location("ruler_constants", os.path.join(ruler, "scripts/eval/synthetic/constants.py"))
    metrics = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(metrics)
    # evaluate.py imports NeMo and parses arguments: only its function is run
    with open(os.path.join(ruler, "scripts/eval/evaluate.py"), encoding="utf-8") as h:
        tree = ast.parse(h.read())
    tree.body = [x for x in tree.body if isinstance(x, ast.FunctionDef) and x.name == "postprocess_pred"]
    names = {"re": re}
    exec(compile(tree, "evaluate.py", "exec"), names)
    return metrics, names["postprocess_pred"]


def dump(program, data):
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="ascii") as h:
        for row in data:
            h.write(json.dumps(row) + "\n")
        h.flush()
        return subprocess.run([program, h.name], capture_output=True, text=True, check=True).stdout


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def write(ruler, program):
    metrics, clean = original(ruler)
    data = list(rows())
    cleaned = [clean(row["pred"], {}) for row in data]
    refs = [row["refs"] for row in data]
    want = [f"{metrics.string_match_all([p], [r]):.2f} {metrics.string_match_part([p], [r]):.2f} {int(len(p) == 0)} {json.dumps(p)}"
            for p, r in zip(cleaned, refs)]
    want.append(f"{metrics.string_match_all(cleaned, refs):.2f} {metrics.string_match_part(cleaned, refs):.2f}")
    got = dump(program, data).split("\n")[:-1]
    differ = [(a, b) for a, b in zip(want, got) if a != b]
    for a, b in differ[:5]:
        print(f"RULER {a}\nours  {b}")
    bad = len(differ) + abs(len(want) - len(got))
    print(f"{bad} of {N} rows differ; figures {want[-1]}")
    with open(GOLDEN, "w", encoding="ascii") as h:
        json.dump({"what": "string_match_all, string_match_part and postprocess_pred of NVIDIA/RULER c3f5e3b; written by "
                           "tests/golden/ruler_score_compare.py --write", "seed": SEED, "rows": N, "rows_that_differ": bad,
                   "figures": want[-1], "python": sys.version.split()[0], "unicode": unicodedata.unidata_version,
                   "sha256_of_rows": sha("".join(json.dumps(x) + "\n" for x in data)),
                   "sha256": sha("".join(x + "\n" for x in want))}, h, indent=1)
        h.write("\n")
    return 1 if bad else 0


def replay(program):
    with open(GOLDEN, encoding="ascii") as h:
        golden = json.load(h)
    data = list(rows())
    same_rows = sha("".join(json.dumps(x) + "\n" for x in data)) == golden["sha256_of_rows"]
    same = sha(dump(program, data)) == golden["sha256"]
    print("rows as they were" if same_rows else "this Python makes other rows", "; scores", "equal" if same else "differ")
    bad = (not same_rows) + (not same)
    print(f"{50 * (2 - bad)}%: Checks: 2, Failures: {bad}, Errors: 0")
    return 1 if bad else 0


def main(args):
    if len(args) == 3 and args[0] == "--write":
        return write(*args[1:])
    if len(args) == 2 and args[0] == "--replay":
        return replay(args[1])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
