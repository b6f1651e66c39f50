#!/usr/bin/env python3
"""Rows of niah, babilong and helmet: the published programs and ours on the same invented texts.

  needles_compare.py --write SUITE_ROWS NEEDLEHAYSTACK BABILONG HELMET   run the originals (checkouts), count differences, write needles_rows.json
  needles_compare.py --replay SUITE_ROWS                                 make the same rows, compare with needles_rows.json

No text is the data sets' own; all come from a seed, as in suites_compare.py. Needle in a haystack: the class
LLMNeedleHaystackTester chooses the depths and makes the contexts, whole (generate_context), with the ids of two tokenizers: the
code points, and the BPE of tests/fixtures/tokenizer/gpt2.json (package tokenizers). Its files are read in order of name, which
the original leaves to the file system. Needs numpy. BABILong: prompts.get_formatted_input, on invented texts and on the
original's own as import_babilong.py imports them (the latter are counted, not kept). HELMET: data.load_data and the cut of
model_utils.tokenize, with the original's templates (read from data.py when it runs; ours get them as a file) and `datasets`
as far as it is used: its shuffle is numpy's. A hash in needles_rows.json is over the originals' texts; for HELMET the texts are
invented, put in the place of the original's.
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
from suites_compare import Anything, Draw, digest, lines, ours, stub  # noqa: E402

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


# ---- HELMET ----

HELMET_TEXTS = {
    "ruler_niah": ("N {type_needle_v}|{context}|{query}", "s {type_needle_v} {query}"),
    "ruler_niah_many": ("M {type_needle_v}|{context}|{query}", "are {type_needle_v} {query}"),
    "ruler_vt": ("{example}V {context}|{query}", "{num_v} have {query}"),
    "ruler_cwe": ("{example}C {context}|", "ten"),
    "ruler_fwe": ("F {context}|", "three"),
    "ruler_qa": ("Q {context}|{question}", "A:"),
    "json_kv": ("{context}|{demos}K {question}", "V:"),
    "kilt": ("D {demos}{context}|{question}", "A:"),
    "msmarco": ("R {demos}{context}|{question}", "Ranking:")}
HELMET_PARTS = {
    "json_kv": {"demo": "Key: {key}\nCorresponding value: {value}"},
    "kilt": {"passage": "Document (Title: {title}): {text}", "demo": "{documents}\n\nQuestion: {question}\nAnswer: {answer}"},
    "msmarco": {"passage": "[ID: {id}] Document: {text}", "passage_with_title": "[ID: {id}] Document (Title: {title}): {text}",
                "demo": "{documents}\n\nQuery: {question}\nRanking: {answer}"}}
HELMET_TASKS = {"ruler_niah_s_1": "ruler_niah", "ruler_niah_mv": "ruler_niah_many", "ruler_niah_mq": "ruler_niah_many", "ruler_vt": "ruler_vt",
                "ruler_cwe": "ruler_cwe", "ruler_fwe": "ruler_fwe", "ruler_qa_1": "ruler_qa", "json_kv": "json_kv", "kilt_nq": "kilt",
                "kilt_popqa_3": "kilt", "msmarco_rerank_psg": "msmarco"}
HELMET_GEN = {"ruler_niah_mq": 100, "ruler_cwe": 100, "json_kv": 100, "kilt_nq": 20, "kilt_popqa_3": 20, "msmarco_rerank_psg": 200}


def helmet_row(task, d, i):
    docs = [{"id": str(k), "title": d.text(0, 2), "text": d.text(0, 9), "label": d.below(4)} for k in range(1 + d.below(6))]
    if task.startswith("kilt"):
        return {"id": f"q{d.below(30)}", "question": d.text(0, 5), "answers": [d.text(1, 3) for _ in range(1 + d.below(3))],
                "s_pop": 1 + d.below(900), "ctxs": [{"title": c["title"], "text": c["text"]} for c in docs]}
    if task.startswith("msmarco"):
        return {"qid": f"q{d.below(30)}", "query": d.text(0, 5), "ctxs": docs}
    if task == "json_kv":
        return {"context": d.text(0, 200), "question": d.text(0, 3), "answer": d.text(1, 3), "num_kvs": 3,
                "demos": [[d.text(0, 3), d.text(0, 3)] for _ in range(3)]}
    return {"context": d.text(0, 200), "query": d.text(0, 3), "type_needle_v": d.text(0, 2), "num_v": d.below(9), "example": d.text(0, 3),
            "outputs": [d.text(1, 3) for _ in range(1 + d.below(3))]}


def helmet_sets(folder):
    texts = {k: {"user": u, "system": y, **HELMET_PARTS.get(k, {})} for k, (u, y) in HELMET_TEXTS.items()}
    os.makedirs(folder + "/helmet", exist_ok=True)
    pathlib.Path(folder + "/helmet/texts.json").write_text(json.dumps(texts))
    for task in HELMET_TASKS:
        d = Draw("helmet", task)
        rows = [helmet_row(task, d, i) for i in range(12)]
        demos = [helmet_row(task, d, i) for i in range(40)]
        for name, made in ((task, rows), ("demos", demos[:20]), ("many", demos)):
            pathlib.Path(f"{folder}/helmet/{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in made))
        for length, many in ((0, "demos"), (330, "demos"), (0, "many")):
            args = dict(task=task, data=f"{folder}/helmet/{task}.jsonl", demos=f"{folder}/helmet/{many}.jsonl",
                        templates=folder + "/helmet/texts.json", shots=0 if length else 2)
            if length:
                args.update(tok="points", length=length, prefix_tokens=1)
            yield f"helmet/{task}/{length}/{many}", task, length, args


class Rows(list):
    """What data.py uses of a Dataset."""

    @property
    def column_names(self):
        return list(self[0])

    def __getitem__(self, k):
        return [r[k] for r in self] if isinstance(k, str) else list.__getitem__(self, k)

    def filter(self, f, **_):
        return Rows(r for r in self if f(r))

    def map(self, f, remove_columns=(), **_):
        return Rows({**{k: v for k, v in r.items() if k not in remove_columns}, **f(dict(r))} for r in self)

    def shuffle(self, seed):
        import numpy
        return Rows(list.__getitem__(self, int(i)) for i in numpy.random.default_rng(seed).permutation(len(self)))

    def select(self, indices):
        return Rows(list.__getitem__(self, i) for i in indices)


class Points:
    """A token a code point, and one before every text."""
    is_fast = True

    def __call__(self, texts, return_offsets_mapping=False, **_):
        ids = [None] + list(texts[0])
        if return_offsets_mapping:
            return {"input_ids": [ids], "offset_mapping": [[(0, 0)] + [(i, i + 1) for i in range(len(texts[0]))]]}
        return types.SimpleNamespace(input_ids=types.SimpleNamespace(size=lambda _: len(ids)), text=texts[0])


class Helmet:
    def __init__(self, checkout):
        stub("datasets", load_from_disk=None,
             load_dataset=lambda _, data_files: {"train": Rows(json.loads(x) for x in open(data_files, encoding="utf-8"))})
        stub("torch", no_grad=Anything(), inference_mode=Anything(), bfloat16=None), stub("torch.utils"), stub("torch.utils.data", Dataset=object)
        stub("transformers", AutoTokenizer=None, PreTrainedTokenizer=type("none", (), {}), set_seed=None)
        stub("tqdm", tqdm=None), stub("tqdm.contrib"), stub("tqdm.contrib.concurrent", thread_map=None)
        stub("utils", calculate_metrics=None, parse_output=None, parse_rankings=None, calculate_retrieval_metrics=None)
        self.data, self.model = types.ModuleType("data"), types.ModuleType("mu")
        exec(pathlib.Path(checkout + "/data.py").read_text(encoding="utf-8"), self.data.__dict__)
        exec(pathlib.Path(checkout + "/model_utils.py").read_text(encoding="utf-8"), self.model.__dict__)

    def rows(self, task, length, args):
        a = types.SimpleNamespace(max_test_samples=None, shots=args["shots"] if not task.startswith("ruler") else 0, seed=42)
        got = self.data.load_data(a, task, args["data"], args["demos"])
        user, system = HELMET_TEXTS[HELMET_TASKS[task]]
        got["prompt_template"] = user + "\n" + system
        out = []
        for sample in got["data"]:
            sample = dict(sample)
            if length:
                made = self.model.tokenize(sample, got, Points(), length, HELMET_GEN.get(task, 50))
                prompt = made.text
            else:
                prompt = got["prompt_template"].format(**sample)
            refs = [c[0] for c in sample["qrel"]] if "qrel" in sample else sample["answer"]
            out.append({"prompt": prompt, "outputs": refs if isinstance(refs, list) else [refs]})
        return out


def helmet_ours(program, args):
    return [{"prompt": r.get("prompt", str(r)), "outputs": r.get("outputs")} for r in ours(program, "helmet", **args)]


# ---- all of it ----

def count(name, want, got):
    bad = abs(len(want) - len(got)) + sum(w != g for w, g in zip(want, got))
    for i, (w, g) in enumerate(zip(want, got)):
        if w != g:
            print(f"{name} row {i}: {w!r:.300}\n   ours {g!r:.300}")
    return bad


def write(program, needlehaystack, babilong, helmet):
    golden, n, bad = {}, {"niah": 0, "babilong": 0, "official": 0, "helmet": 0}, 0
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
        original = Helmet(helmet)
        for name, task, length, args in helmet_sets(folder):
            want = original.rows(task, length, args)
            bad += count(name, want, helmet_ours(program, args))
            n["helmet"] += len(want)
            golden[name] = digest(want)
    print(f"{n}, {bad} differ")
    if bad == 0:
        about = {"originals": "gkamradt/LLMTest_NeedleInAHaystack@7b90d28, booydar/babilong@7a6efee, princeton-nlp/HELMET@4526dfb", "command": "needles_compare.py --write",
                 "rows": n, "different": 0}
        GOLDEN.write_text(json.dumps({"about": about, "sha256": golden}, indent=0) + "\n")
    return bad != 0


def replay(program):
    golden = json.loads(GOLDEN.read_text())["sha256"]
    checks = failures = 0
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder + "/babi.json").write_text(json.dumps(babi_texts()))
        made = [(name, digest(niah_ours(program, where, case))) for name, where, _, case in niah_sets(folder)]
        made += [(name, digest(helmet_ours(program, args))) for name, _, _, args in helmet_sets(folder)]
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
    modes = {"--write": (write, 5), "--replay": (replay, 2)}
    if not args or args[0] not in modes or len(args) < modes[args[0]][1]:
        print(__doc__, file=sys.stderr)
        return 2
    return modes[args[0]][0](*args[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
