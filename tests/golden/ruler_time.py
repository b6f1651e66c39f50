#!/usr/bin/env python3
"""By hand: RULER's own generator and mode ruler_compat with the same real tokenizer, on this machine: rows compared, times printed.

  ruler_time.py RULER BENCH TOKENIZER.json WORK [PYTHON]   RULER: a checkout of NVIDIA/RULER at c3f5e3b; BENCH: build-ci/tests/bench_ruler;
                                                           WORK: a folder for inputs and outputs; PYTHON: with numpy, scipy, tqdm, nltk,
                                                           tokenizers and wonderwords 2.2.0

Two rows a case, one process each, all of its CPU time (other work on the machine hardly counts): the start of the program, the vocabulary,
the length fit. Exit 1 when a row differs.
"""
import json
import os
import resource
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ruler_compare as rc  # noqa: E402
import ruler_inputs  # noqa: E402

STUB = '''
from tokenizers import Tokenizer

class Counter:
    def __init__(self, path):
        self.tokenizer = Tokenizer.from_file(path)
    def text_to_tokens(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).tokens

def select_tokenizer(tokenizer_type, tokenizer_path):
    return Counter(tokenizer_path)
'''
CASES = [("niah_single_1", 4096), ("niah_multikey_2", 4096), ("vt", 4096), ("niah_single_1", 131072), ("niah_multikey_2", 131072)]


def cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(ruler, bench, tokenizer, work, python=sys.executable):
    os.makedirs(work, exist_ok=True)
    for kind, make in [("small", ruler_inputs.small), ("words", ruler_inputs.words), ("punkt", ruler_inputs.punkt)]:
        make(os.path.join(work, kind))
    differ = 0
    with tempfile.TemporaryDirectory() as scratch:
        data = rc.prepare(ruler, work, scratch)
        with open(os.path.join(data, "tokenizer.py"), "w", encoding="utf-8") as h:
            h.write(STUB)
        for task, length in CASES:
            start = cpu()
            got = rc.theirs(python, data, rc.case(task, 42, length, rows=2, counter=tokenizer), scratch)
            theirs, start = cpu() - start, cpu()
            own = subprocess.run([bench, tokenizer, "mode=ruler_compat", f"templates={rc.OFFICIAL}/ruler.json", f"words={work}/words",
                                  f"tasks={task}", f"lengths={length}", "print=1"], capture_output=True, check=True).stdout
            ours = cpu() - start
            a, b = [json.loads(x) for x in got.splitlines()], [json.loads(x) for x in own.splitlines()]
            same = len(a) == len(b) == 2 and all(
                (x["input"], x["answer_prefix"], x["outputs"], x["length"]) ==
                (y["input"], y["answer_prefix"], y["outputs"], y["n_tokens"] + y["max_gen"]) for x, y in zip(a, b))
            differ += not same
            print(f"{task:16} {length:7}  original {theirs:8.2f} s  ruler_compat {ours:6.2f} s  {theirs / ours:6.0f}x  "
                  f"{'rows equal' if same else 'ROWS DIFFER'}", flush=True)
    return differ > 0


if __name__ == "__main__":
    if len(sys.argv) < 5:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    sys.exit(main(*sys.argv[1:]))
