#!/usr/bin/env python3
"""Rows of niah and babilong: the published programs and ours on the same invented texts.

  needles_compare.py --write SUITE_ROWS NEEDLEHAYSTACK BABILONG   run the originals (checkouts), count differences, write needles_rows.json
  needles_compare.py --replay SUITE_ROWS                          make the same rows, compare with needles_rows.json

No text is the data sets' own; all come from a seed, as in suites_compare.py. Needle in a haystack: the class
LLMNeedleHaystackTester chooses the depths and makes the contexts, whole (generate_context), with the ids of two tokenizers: the
code points, and the BPE of tests/fixtures/tokenizer/gpt2.json (package tokenizers). Its files are read in order of name, which
the original leaves to the file system. Needs numpy. BABILong: prompts.get_formatted_input, on invented texts and on the
original's own as import_babilong.py imports them (the latter are counted, not kept). A hash in needles_rows.json is over the
originals' texts.
"""
import asyncio
import glob
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import types

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from suites_compare import Draw, digest, lines, ours, stub  # noqa: E402

HERE = pathlib.Path(__file__).parent
GOLDEN = HERE / "needles_rows.json"
BPE = str(HERE.parent / "fixtures/tokenizer/gpt2.json")
SETS = 30  # of each tokenizer
BABI_ROWS = 12
PIECES = ["the ", "of ", "rain falls", ". ", ".", ".", "...", "? ", "\n", "\r\n", "\n\n", "e.g. ", "a.b", " ", "1.5 ", "caf\u00e9", "\u4e2d\u6587", "\U0001f600",
          "{", "}", "Mr. ", "\"x.\" ", "end"]


def text(d, least, most):
    return "".join(d.one(PIECES) for _ in range(least + d.below(most - least + 1)))


# ---- needle in a haystack ----

def niah_sets(folder):
    for tok in ("characters", BPE):
        for k in range(SETS):
            d = Draw("niah", os.path.basename(tok), k)
            files = {f"{name}.txt": text(d, 1, 200) + "x" for name in ("b", "a", "c")[:1 + d.below(3)]}
            needle = {"needle": text(d, 1, 12) + d.one([".", "!", "\n"]), "question": "Which?", "answer": "x"}
            buffer = 150 + d.below(100)
            case = {"tok": tok, "length": buffer + 4 * len(needle["needle"]) + d.below(500), "buffer_tokens": buffer,
                    "depths": 1 + d.below(9), "interval": d.one(["linear", "sigmoid"])}
            where = f"{folder}/{os.path.basename(tok)}.{k}"
            os.makedirs(where + "/text")
            for name, content in files.items():
                pathlib.Path(f"{where}/text/{name}").write_bytes(content.encode())
            pathlib.Path(where + "/needle.json").write_text(json.dumps(needle))
            pathlib.Path(where + "/words.json").write_text('{"prompt": "{context}|{question}", "chat": false}')
            yield f"niah/{os.path.basename(tok)}/{k}", where, needle, case


def niah_ours(program, where, case):
    got = ours(program, "niah", corpus=where + "/text", needle=where + "/needle.json", templates=where + "/words.json", **case)
    return [r["prompt"] if "prompt" in r else str(r) for r in got]


class Provider:
    model_name = "any"

    def __init__(self, tok):
        self.bpe = None
        if tok != "characters":
            import tokenizers
            self.bpe = tokenizers.Tokenizer.from_file(tok)

    def encode_text_to_tokens(self, s):
        return self.bpe.encode(s, add_special_tokens=False).ids if self.bpe else [ord(c) for c in s]

    def decode_tokens(self, tokens, context_length=None):
        tokens = tokens[:context_length]
        return self.bpe.decode(tokens, skip_special_tokens=True) if self.bpe else "".join(map(chr, tokens))


class Niah:
    def __init__(self, checkout):
        stub("needlehaystack.evaluators", Evaluator=object)
        stub("needlehaystack.providers", ModelProvider=object)
        path = checkout + "/needlehaystack/llm_needle_haystack_tester.py"
        self.m = types.ModuleType("needlehaystack.tester")
        self.m.__package__ = "needlehaystack"
        self.m.__file__ = path
        exec(compile(pathlib.Path(path).read_text(), path, "exec"), self.m.__dict__)
        self.m.glob = types.SimpleNamespace(glob=lambda p: sorted(glob.glob(p)))

    def rows(self, where, needle, case):
        t = self.m.LLMNeedleHaystackTester(
            model_to_test=Provider(case["tok"]), needle=needle["needle"], haystack_dir=where + "/text", retrieval_question=needle["question"],
            context_lengths=[case["length"]], document_depth_percent_intervals=case["depths"],
            document_depth_percent_interval_type=case["interval"], final_context_length_buffer=case["buffer_tokens"])
        return [asyncio.run(t.generate_context(case["length"], d)) + "|" + needle["question"] for d in t.document_depth_percents]


# ---- BABILong ----

def babi_texts():
    out = {}
    for i in range(1, 21):
        d = Draw("babi text", i)
        out[f"qa{i}"] = {k: d.text(0, 9) for k in ("instruction", "examples", "post_prompt")}
    d = Draw("babi template")
    plain = [p for p in PIECES if p not in "{}"]
    out["template"] = "".join("{" + name + "}" + d.one(plain) for name in ("instruction", "examples", "post_prompt", "context", "question"))
    return out


def babi_rows(task):
    d = Draw("babi", task)
    return [{"input": d.text(0, 200), "question": d.text(0, 12), "target": d.text(1, 3)} for _ in range(BABI_ROWS)]


def babi_sets(folder, templates):
    for i in range(1, 21):
        task = f"qa{i}"
        d = Draw("babi parts", task)
        parts = {k: d.one(["yes", "no"]) for k in ("instruction", "examples", "post_prompt")}
        rows = babi_rows(task)
        lines(f"{folder}/{task}.jsonl", rows)
        yield f"babilong/{task}", rows, parts, dict(task=task, data=folder, templates=templates, **parts)


def babi_original(m, texts, task, rows, parts):
    kept = {k: texts[task][k] if v == "yes" else "" for k, v in parts.items()}
    return [{"prompt": m.get_formatted_input(r["input"], r["question"], kept["examples"], kept["instruction"], kept["post_prompt"],
                                             template=texts["template"]), "outputs": [r["target"]]} for r in rows]


def babi_ours(program, args):
    return [{"prompt": r.get("prompt"), "outputs": r.get("outputs")} for r in ours(program, "babilong", **args)]


# ---- all of it ----

def count(name, want, got):
    bad = abs(len(want) - len(got)) + sum(w != g for w, g in zip(want, got))
    for i, (w, g) in enumerate(zip(want, got)):
        if w != g:
            print(f"{name} row {i}: {w!r:.300}\n   ours {g!r:.300}")
    return bad


def write(program, needlehaystack, babilong):
    golden, n, bad = {}, {"niah": 0, "babilong": 0, "official": 0}, 0
    original = Niah(needlehaystack)
    prompts = types.ModuleType("prompts")
    exec(pathlib.Path(babilong + "/babilong/prompts.py").read_text(encoding="utf-8"), prompts.__dict__)
    with tempfile.TemporaryDirectory() as folder:
        for name, where, needle, case in niah_sets(folder):
            want = original.rows(where, needle, case)
            bad += count(name, want, niah_ours(program, where, case))
            n["niah"] += len(want)
            golden[name] = digest(want)
        texts = babi_texts()
        pathlib.Path(folder + "/babi.json").write_text(json.dumps(texts))
        for name, rows, parts, args in babi_sets(folder, folder + "/babi.json"):
            want = babi_original(prompts, texts, args["task"], rows, parts)
            bad += count(name, want, babi_ours(program, args))
            n["babilong"] += len(want)
            golden[name] = digest(want)
        with open(folder + "/official.json", "w", encoding="utf-8") as f:
            subprocess.run([sys.executable, HERE.parents[1] / "configs/templates/import_babilong.py", babilong + "/babilong/prompts.py"],
                           stdout=f, check=True)
        texts = {"template": prompts.DEFAULT_TEMPLATE, **prompts.DEFAULT_PROMPTS}
        for name, rows, parts, args in babi_sets(folder, folder + "/official.json"):
            want = babi_original(prompts, texts, args["task"], rows, parts)
            bad += count(name, want, babi_ours(program, args))
            n["official"] += len(want)
    print(f"{n}, {bad} differ")
    if bad == 0:
        about = {"originals": "gkamradt/LLMTest_NeedleInAHaystack@7b90d28, booydar/babilong@7a6efee", "command": "needles_compare.py --write",
                 "rows": n, "different": 0}
        GOLDEN.write_text(json.dumps({"about": about, "sha256": golden}, indent=0) + "\n")
    return bad != 0


def replay(program):
    golden = json.loads(GOLDEN.read_text())["sha256"]
    checks = failures = 0
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder + "/babi.json").write_text(json.dumps(babi_texts()))
        made = [(name, digest(niah_ours(program, where, case))) for name, where, _, case in niah_sets(folder)]
        made += [(name, digest(babi_ours(program, args))) for name, _, _, args in babi_sets(folder, folder + "/babi.json")]
    for name, sha in made:
        checks += 1
        if golden.get(name) != sha:
            failures += 1
            print(f"{name}: other rows than the original's")
    failures += checks != len(golden)
    print(f"{100 * (checks - min(failures, checks)) // checks}%: Checks: {checks}, Failures: {failures}, Errors: 0")
    return failures != 0


def main(args):
    modes = {"--write": (write, 4), "--replay": (replay, 2)}
    if not args or args[0] not in modes or len(args) < modes[args[0]][1]:
        print(__doc__, file=sys.stderr)
        return 2
    return modes[args[0]][0](*args[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
