#!/usr/bin/env python3
"""RULER's own generators against workloads/ruler.

  ruler_compare.py --write RULER GEN [PYTHON...]   by hand: run the original generators (RULER: a checkout of NVIDIA/RULER at c3f5e3b;
                                                   PYTHON: interpreters with numpy, scipy, tqdm, nltk and wonderwords 2.2.0, one per
                                                   NLTK version) and GEN (the test binary ruler_gen) over cases(), compare every row,
                                                   and rewrite tests/golden/ruler_rows.json; what it has of the originals is not run again
  ruler_compare.py --replay GEN DIR KIND           a ctest: GEN must still write what the originals wrote; KIND is made, words or
                                                   punkt, by what the cases need from PyPI; DIR holds the inputs (ruler_inputs.py)

Both sides count tokens in the same simple ways; the original's tokenizer.py is replaced for that, nothing else of it is.
"""
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ruler_inputs  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "ruler_rows.json")
OFFICIAL = os.path.join(HERE, "..", "..", "configs", "templates", "ruler_official")
ESSAY = ["niah_single_2", "niah_single_3", "niah_multikey_1", "niah_multivalue", "niah_multiquery"]
WORDS = ["niah_single_1", "niah_multikey_2", "cwe"] + ESSAY

# Stands in for the package wonderwords where a case has small lists: reads them as the package does.
WORDS_STUB = '''
import os
def _get_words_from_text_file(name):
    with open(os.path.join(os.path.dirname(__file__), name), encoding="utf-8") as h:
        return [word.rstrip() for word in h.readlines()]
'''
STUB = '''
def count(kind, text):
    if kind == "words":
        return len(text.split())
    n = len(text) if kind == "characters" else len(text.encode("utf-8"))
    return -(-n // 4) if kind == "bytes/4" else n

class Counter:
    def __init__(self, kind):
        self.kind = kind
    def text_to_tokens(self, text):
        return range(count(self.kind, text))

def select_tokenizer(tokenizer_type, tokenizer_path):
    return Counter(tokenizer_path)
'''


def case(task, seed, length, rows=5, counter="bytes/4", wrapper="base", punkt=None, question=0, wrapped=0, rules="3.9"):
    return {"task": task, "seed": seed, "length": length, "rows": rows, "counter": counter, "wrapper": wrapper,
            "punkt": punkt or ("small" if task in ESSAY else ""), "question": question, "wrapped": wrapped,
            "rules": rules if task in ESSAY else ""}


def cases():
    out = []
    for task in ["niah_single_1", "niah_multikey_2", "niah_multikey_3", "vt", "cwe", "fwe", "qa_1", "qa_2"] + ESSAY:
        out.append(case(task, 42, 8192))
        out.append(case(task, 7, 4096, counter="words", wrapper="meta-llama3"))
        # vt's example has 500 tokens: characters or bytes would not hold it
        out.append(case(task, 43, 20000, counter="words" if task == "vt" else "bytes", wrapper="chatglm-chat"))
    for task in ["niah_single_1", "niah_multikey_2", "niah_multikey_3", "fwe"]:
        out.append(case(task, 2024, 4000, rows=20, counter="characters", wrapper="vicuna-chat"))
    out.append(case("cwe", 2024, 2048, rows=20, wrapper="vicuna-chat"))
    # no prompt fits: the original runs for ever, ours says so
    out += [case("vt", 8, 2048, rows=1, counter="characters"), case("niah_multikey_3", 8, 300, rows=1)]
    out += [case("vt", s, 1500, rows=50, counter="words", wrapper="lwm-chat") for s in (1, 2, 3)]
    out += [case(t, 99, 32768, rows=3) for t in ("niah_multikey_3", "vt", "fwe", "cwe", "niah_single_1", "niah_multivalue")]
    out += [case("niah_multikey_3", 5, 131072, rows=2, counter="words"), case("fwe", 5, 131072, rows=2)]
    out += [case("cwe", 5, 131072, rows=2, counter="words")]  # more words than the lists have: english_words.json
    out += [case("qa_1", 44, 3000, rows=8, counter="words", question=6), case("qa_2", 44, 3000, rows=8, question=9),
            case("qa_2", 1, 500, rows=1, counter="words")]  # ten documents do not fit: the original runs for ever
    out += [case("niah_single_1", 3, 4500, wrapped=300), case("vt", 3, 4500, wrapped=100), case("fwe", 3, 4500, wrapped=100)]
    for task in ESSAY:
        out.append(case(task, 11, 8192, rows=8, punkt="english"))
        out.append(case(task, 12, 60000, rows=4, counter="characters", wrapper="lwm-chat", punkt="english", rules="3.10"))
    out.append(case("niah_multiquery", 13, 65536, rows=3, counter="words", punkt="english"))  # longer than the essay: repeated
    for task in WORDS:  # with lists made here: replayed without a network
        out.append({**case(task, 21, 4096 if task == "cwe" else 6000, rows=6, wrapper="Phi3"), "words": "small"})
        out.append({**case(task, 2**32 - 1, 9000, rows=6, counter="characters", rules="3.10"), "words": "small"})
    return out


def kind_of(c):
    return "punkt" if c["punkt"] == "english" else "words" if c["task"] in WORDS and "words" not in c else "made"


def sha(data):
    return hashlib.sha256(data).hexdigest()


def ours(gen, c, inputs):
    small = os.path.join(inputs, "small")
    args = [gen, f"task={c['task']}", f"seed={c['seed']}", f"length={c['length']}", f"rows={c['rows']}", f"counter={c['counter']}",
            f"templates={OFFICIAL}/ruler.json", f"chat={OFFICIAL}/chat.json", f"wrapper={c['wrapper']}",
            f"question={c['question']}", f"wrapped={c['wrapped']}", f"english={small}/english_words.json",
            f"words={inputs}/{'small/words' if 'words' in c else 'words'}", f"essay={small}/essay.json", f"rules={c['rules'] or '3.9'}",
            f"punkt={inputs}/punkt" if c["punkt"] == "english" else f"punkt={small}/punkt",
            f"qa={small}/{'squad' if c['task'] == 'qa_1' else 'hotpotqa'}.json"]
    got = subprocess.run(args, capture_output=True)
    if got.returncode != 0 and not (c["rows"] == 1 and b"no prompt fits" in got.stderr):
        print(f"{c}: {got.stderr.decode()}")
        return b"failed"
    return got.stdout


def label(c):
    return f"{c['task']} seed {c['seed']} length {c['length']} {c['counter']} {c['wrapper']} {c['punkt']} {c['rules']}"


# ---- by hand: the originals ----

def prepare(ruler, inputs, scratch):
    data = os.path.join(scratch, "data")
    shutil.copytree(os.path.join(ruler, "scripts", "data"), data)
    with open(os.path.join(data, "tokenizer.py"), "w", encoding="utf-8") as h:
        h.write(STUB)
    for name, to in [("essay", "PaulGrahamEssays"), ("squad", "squad"), ("hotpotqa", "hotpotqa"), ("english_words", "english_words")]:
        shutil.copy(os.path.join(inputs, "small", name + ".json"), os.path.join(data, "synthetic", "json", to + ".json"))
    for name, source in [("small", os.path.join(inputs, "small", "punkt")), ("english", os.path.join(inputs, "punkt"))]:
        shutil.copytree(source, os.path.join(scratch, "nltk_" + name, "tokenizers", "punkt_tab", "english"))
    stub = os.path.join(scratch, "small_words", "wonderwords")
    shutil.copytree(os.path.join(inputs, "small", "words"), stub)
    for name, text in [("__init__.py", "from . import random_word\n"), ("random_word.py", WORDS_STUB)]:
        with open(os.path.join(stub, name), "w", encoding="utf-8") as h:
            h.write(text)
    return data


def module(path):
    spec = importlib.util.spec_from_file_location(os.path.basename(path)[:-3], path)
    m = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(m)
    return m


# scripts/synthetic.yaml and constants.py in the form of command lines
NIAH = {"niah_single_1": "noise words numbers 1 1 1", "niah_single_2": "essay words numbers 1 1 1",
        "niah_single_3": "essay words uuids 1 1 1", "niah_multikey_1": "essay words numbers 4 1 1",
        "niah_multikey_2": "needle words numbers 1 1 1", "niah_multikey_3": "needle uuids uuids 1 1 1",
        "niah_multivalue": "essay words numbers 1 4 1", "niah_multiquery": "essay words numbers 1 1 4"}
OTHERS = {"vt": ("variable_tracking", "--type_haystack noise --num_chains 1 --num_hops 4"),
          "cwe": ("common_words_extraction", "--freq_cw 30 --freq_ucw 3 --num_cw 10"), "fwe": ("freq_words_extraction", "--alpha 2.0"),
          "qa_1": ("qa", "--dataset squad"), "qa_2": ("qa", "--dataset hotpotqa")}


def theirs(python, data, c, scratch):
    constants = module(os.path.join(data, "synthetic", "constants.py")).TASKS
    wrapper = module(os.path.join(data, "template.py")).Templates[c["wrapper"]]
    if c["task"] in NIAH:
        base, values = "niah", NIAH[c["task"]].split()
        names = ["type_haystack", "type_needle_k", "type_needle_v", "num_needle_k", "num_needle_v", "num_needle_q"]
        extra = [x for n, v in zip(names, values) for x in ("--" + n, v)]
    else:
        base, extra = OTHERS[c["task"]][0], OTHERS[c["task"]][1].split()
    texts = constants[base]
    if c["question"]:
        extra += ["--pre_samples", str(c["question"])]
    if c["wrapped"]:
        extra += ["--model_template_token", str(c["wrapped"])]
    save = os.path.join(scratch, "out")
    env = {**os.environ, "NLTK_DATA": os.path.join(scratch, "nltk_" + (c["punkt"] or "small"))}
    if "words" in c:
        env["PYTHONPATH"] = os.path.join(scratch, "small_words")
    command = [python, os.path.join(data, "synthetic", base + ".py"), "--save_dir", save, "--save_name", c["task"],
               "--tokenizer_path", c["counter"], "--tokenizer_type", "stub", "--max_seq_length", str(c["length"]),
               "--tokens_to_generate", str(texts["tokens_to_generate"]), "--num_samples", str(c["rows"]), "--random_seed",
               str(c["seed"]), "--template", wrapper.format(task_template=texts["template"]) + texts["answer_prefix"], *extra]
    shutil.rmtree(save, ignore_errors=True)
    try:
        got = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60 if c["rows"] == 1 else 900)
    except subprocess.TimeoutExpired:
        return b""
    if got.returncode != 0:
        print(f"{label(c)}: the original fails: {got.stderr[-600:]}")
        return b""
    with open(os.path.join(save, c["task"], "validation.jsonl"), "rb") as h:
        return h.read()


def versions(python):
    code = "import sys, numpy, scipy, nltk; print(sys.version.split()[0], numpy.__version__, scipy.__version__, nltk.__version__)"
    return dict(zip(["python", "numpy", "scipy", "nltk"], subprocess.run([python, "-c", code], capture_output=True, text=True,
                                                                        check=True).stdout.split()))


def write(ruler, gen, pythons):
    by_rules = {".".join(versions(p)["nltk"].split(".")[:2]): p for p in pythons}
    done, bad, known = [], 0, {}
    if os.path.exists(GOLDEN):
        with open(GOLDEN, encoding="ascii") as h:
            for c in json.load(h)["cases"]:
                if c.pop("rows_that_differ") == 0:
                    digest = c.pop("sha256")
                    known[json.dumps(c)] = digest
    with tempfile.TemporaryDirectory() as scratch:
        inputs = os.path.join(scratch, "inputs")
        for what in ("words", "punkt", "small"):
            sub = {"words": "words", "punkt": "punkt", "small": "small"}[what]
            ruler_inputs.main([what, os.path.join(inputs, sub)])
        data = prepare(ruler, inputs, scratch)
        for c in cases():
            python = by_rules.get(c["rules"] or "3.9", pythons[0])
            if json.dumps(c) in known:
                differ = 0 if sha(ours(gen, c, inputs)) == known[json.dumps(c)] else c["rows"]
                bad += differ
                done.append({**c, "sha256": known[json.dumps(c)], "rows_that_differ": differ})
                print(f"{label(c)}: {differ} of {c['rows']} rows differ from the original's of an earlier run", flush=True)
                continue
            want = theirs(python, data, c, scratch).split(b"\n")
            got = ours(gen, c, inputs).split(b"\n")
            rows = 0 if c["rows"] == 1 else c["rows"]  # one row: the original does not end
            differ = sum(a != b for a, b in zip(want, got)) + abs(len(want) - len(got)) + (len(want) != rows + 1)
            bad += differ
            done.append({**c, "sha256": sha(b"\n".join(want)), "rows_that_differ": differ})
            print(f"{label(c)}: {differ} of {c['rows']} rows differ", flush=True)
            save(done, pythons)
    save(done, pythons)
    return 1 if bad else 0


def save(done, pythons):
    result = {"what": "rows of NVIDIA/RULER c3f5e3b's own generators; written by tests/golden/ruler_compare.py --write",
              "pythons": [versions(p) for p in pythons], "rows": sum(c["rows"] for c in done if c["rows"] > 1),
              "rows_that_differ": sum(c["rows_that_differ"] for c in done)}
    with open(GOLDEN, "w", encoding="ascii") as h:
        h.write(json.dumps(result)[:-1] + ', "cases": [\n' + ",\n".join(json.dumps(c) for c in done) + "\n]}\n")


# ---- the ctest ----

def replay(gen, inputs, kind):
    ruler_inputs.main(["small", os.path.join(inputs, "small")])
    if kind != "made":
        ruler_inputs.main(["words", os.path.join(inputs, "words")])
    if kind == "punkt":
        ruler_inputs.main(["punkt", os.path.join(inputs, "punkt")])
    with open(GOLDEN, encoding="ascii") as h:
        todo = [c for c in json.load(h)["cases"] if kind_of(c) == kind]
    bad = 0
    for c in todo:
        if sha(ours(gen, c, inputs)) != c["sha256"]:
            bad += 1
            print(f"{label(c)}: other rows than the original's")
    print(f"{100 * (len(todo) - bad) // len(todo)}%: Checks: {len(todo)}, Failures: {bad}, Errors: 0")
    return 1 if bad else 0


def main(args):
    if len(args) >= 4 and args[0] == "--write":
        return write(args[1], args[2], args[3:])
    if len(args) == 4 and args[0] == "--replay" and args[3] in ("made", "words", "punkt"):
        return replay(*args[1:])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
