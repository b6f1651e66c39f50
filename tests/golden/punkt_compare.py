#!/usr/bin/env python3
"""NLTK's sentence splitter against workloads/ruler/punkt.c, on texts made from seeds.

  punkt_compare.py --write DUMP PYTHON...     by hand: PYTHON are interpreters with an NLTK each, DUMP the test binary punkt_dump;
                                              compares every text and rewrites tests/golden/punkt.json
  punkt_compare.py --replay DUMP DIR DATA     a ctest: DUMP must still cut as NLTK did; DATA is small or english, DIR the inputs
  punkt_compare.py --nltk PUNKT               texts on stdin, NLTK's ranges on stdout: what --write runs in each interpreter
  punkt_compare.py --file DUMP PUNKT PYTHON FILE...   by hand: count the differences on real texts
"""
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ruler_inputs  # noqa: E402

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "punkt.json")
N_ESSAYS, N_SOUPS = 300, 6000
PIECES = list("aAbZ.?!,;:'\"()[]{}-*@#&`1 5 . . - ") + ["Mr.", "e.g.", "U.S.", "...", "--", ". .", " ", "  ", "\u201c", "\u2019", "\u00bb",
         "\u00ab", "\u00e9", "\u0130", "\u4e2d", "3.5", "they", "The", "No.", "$", "_", "~", "\u0661", "J.", "St. Paul", "\u00c9."]


def one_line(text):
    return re.sub(r"\s+", " ", text).strip()


def texts():
    for seed in range(N_ESSAYS):
        yield one_line(ruler_inputs.essay_text(seed, 120))
    r = random.Random(1)
    for _ in range(N_SOUPS):
        yield one_line("".join(r.choice(PIECES) for _ in range(r.randint(1, 120)))) or "x"


def with_nltk(folder):
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer
    p = PunktParameters()

    def lines(name):
        with open(os.path.join(folder, name), encoding="utf-8", newline="") as h:
            return h.read().split("\n")
    p.abbrev_types = set(lines("abbrev_types.txt"))
    p.collocations = {tuple(x.split("\t")) for x in lines("collocations.tab")}
    p.sent_starters = set(lines("sent_starters.txt"))
    for x in lines("ortho_context.tab"):
        key, value = x.split("\t")
        p.ortho_context[key] = int(value)
    tokenizer = PunktSentenceTokenizer()
    tokenizer._params = p
    for text in sys.stdin.buffer.read().decode().split("\n")[:-1]:
        ends = [0]
        for c in text:
            ends.append(ends[-1] + len(c.encode()))
        print("".join(f"{ends[a]} {ends[b]} " for a, b in tokenizer.span_tokenize(text)))


def run(command, data):
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def data_of_texts():
    return "".join(t + "\n" for t in texts()).encode()


def nltk_of(python):
    version = subprocess.run([python, "-c", "import nltk; print(nltk.__version__)"], capture_output=True, text=True,
                             check=True).stdout.strip()
    return version, ".".join(version.split(".")[:2])


def write(dump, pythons):
    out, bad, data = [], 0, data_of_texts()
    with tempfile.TemporaryDirectory() as inputs:
        ruler_inputs.small(os.path.join(inputs, "small"))
        ruler_inputs.punkt(os.path.join(inputs, "punkt"))
        for python in pythons:
            version, rules = nltk_of(python)
            for name, folder in [("small", "small/punkt"), ("english", "punkt")]:
                want = run([python, os.path.abspath(__file__), "--nltk", os.path.join(inputs, folder)], data)
                got = run([dump, os.path.join(inputs, folder), rules], data)
                pairs = list(zip(want.split(b"\n"), got.split(b"\n"), data.split(b"\n")))
                differ = [p for p in pairs if p[0] != p[1]]
                bad += len(differ)
                for w, g, t in differ[:3]:
                    print(f"{t.decode()}\n  nltk {w.decode()}\n  ours {g.decode()}")
                print(f"nltk {version} {name}: {len(differ)} of {len(pairs) - 1} texts differ, {len(want.split()) // 2} sentences")
                out.append({"nltk": version, "rules": rules, "data": name, "texts": len(pairs) - 1, "sentences": len(want.split()) // 2,
                            "texts_that_differ": len(differ), "sha256": hashlib.sha256(want).hexdigest()})
    with open(GOLDEN, "w", encoding="ascii") as h:
        h.write("[\n" + ",\n".join(json.dumps(x) for x in out) + "\n]\n")
    return 1 if bad else 0


def replay(dump, inputs, name):
    if name == "english":
        ruler_inputs.punkt(os.path.join(inputs, "punkt"))
    else:
        ruler_inputs.small(os.path.join(inputs, "small"))
    folder = os.path.join(inputs, "punkt" if name == "english" else "small/punkt")
    with open(GOLDEN, encoding="ascii") as h:
        todo = [x for x in json.load(h) if x["data"] == name]
    data, bad = data_of_texts(), 0
    for x in todo:
        if hashlib.sha256(run([dump, folder, x["rules"]], data)).hexdigest() != x["sha256"]:
            bad += 1
            print(f"{name} {x['rules']}: other sentences than NLTK {x['nltk']}'s")
    print(f"{100 * (len(todo) - bad) // len(todo)}%: Checks: {len(todo)}, Failures: {bad}, Errors: 0")
    return 1 if bad else 0


def files(dump, folder, python, names):
    lines = []
    for name in names:
        with open(name, encoding="utf-8", errors="ignore") as h:
            lines.append(one_line(h.read().replace("\0", " ")) or "x")
    data = "".join(t + "\n" for t in lines).encode()
    want = run([python, os.path.abspath(__file__), "--nltk", folder], data)
    got = run([dump, folder, nltk_of(python)[1]], data)
    differ = sum(a != b for a, b in zip(want.split(b"\n"), got.split(b"\n")))
    print(f"{differ} of {len(lines)} texts differ ({len(data)} bytes, {len(want.split()) // 2} sentences)")
    return 1 if differ else 0


def main(args):
    if len(args) >= 3 and args[0] == "--write":
        return write(args[1], args[2:])
    if len(args) == 4 and args[0] == "--replay" and args[3] in ("small", "english"):
        return replay(*args[1:])
    if len(args) == 2 and args[0] == "--nltk":
        return with_nltk(args[1])
    if len(args) >= 5 and args[0] == "--file":
        return files(args[1], args[2], args[3], args[4:])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
