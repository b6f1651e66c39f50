#!/usr/bin/env python3
"""Prompts of LongBench and InfiniteBench: the published programs and ours on the same invented rows.

  suites_compare.py --write SUITE_ROWS LONGBENCH INFINITEBENCH   run the originals (checkouts), count differences, write suites_rows.json
  suites_compare.py --replay SUITE_ROWS                          make the same rows, compare with suites_rows.json
  suites_compare.py --official SUITE_ROWS LONGBENCH INFINITEBENCH [TOKENIZER_JSON]   the originals' own texts; nothing is written

No row and no text is the data sets' own: rows and prompts come from a seed, full of what could go wrong (braces, marks, white
space of all kinds, characters of one to four bytes). LongBench v1: pred.get_pred runs whole, with a tokenizer and a model that
only take down what they are asked. v2: the same, with a client. InfiniteBench: eval_utils.create_prompt and get_answer, and
eval_yarn_mistral.truncate_by_tokens. Compared: prompt, tokens to generate, stop at a line feed, chat wrapper, references,
classes. A hash in suites_rows.json is over these of the originals.
"""
import contextlib
import hashlib
import io
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import types

GOLDEN = pathlib.Path(__file__).with_name("suites_rows.json")
SEED = 20261126
CUTS = [("none", 0, 0), ("bytes", 301, 0), ("points", 200, 1), ("pairs", 97, 2)]  # counter, length, tokens before every text
V1 = {"narrativeqa": 1, "qasper": 1, "multifieldqa_en": 1, "multifieldqa_zh": 1, "hotpotqa": 1, "2wikimqa": 1, "musique": 1,
      "dureader": 1, "gov_report": 0, "qmsum": 1, "multi_news": 0, "vcsum": 0, "trec": 1, "triviaqa": 1, "samsum": 1, "lsht": 1,
      "passage_count": 0, "passage_retrieval_en": 1, "passage_retrieval_zh": 1, "lcc": 0, "repobench-p": 1}  # needs {input}
V2 = {"0shot": "0shot.txt", "0shot_cot": "0shot_cot.txt", "no_context": "0shot_no_context.txt"}
OPTIONS = ["OPTION_A", "OPTION_B", "OPTION_C", "OPTION_D"]
IB = {"passkey": ["context", "input"], "number_string": ["context", "input"], "kv_retrieval": ["context", "input"],
      "longbook_sum_eng": ["context"], "longbook_choice_eng": ["context", "question"] + OPTIONS,
      "longbook_qa_eng": ["context", "question"], "longbook_qa_chn": ["context", "question"], "longdialogue_qa_eng": ["context"],
      "math_find": ["prefix", "context", "input"], "math_calc": ["context"], "code_run": ["func", "context", "func_call"],
      "code_debug": ["context"] + OPTIONS}
PREFIX = "Look for {target_number} among these."
ROWS = 20


class Draw:
    """A stream that does not change between versions of Python: only random() is used."""

    def __init__(self, *key):
        self.r = random.Random(int.from_bytes(hashlib.sha256(repr((SEED,) + key).encode()).digest()[:8], "big"))

    def below(self, n):
        return int(self.r.random() * n)

    def one(self, items):
        return items[self.below(len(items))]

    PIECES = ["the ", "of ", "Rain", " falls. ", "{", "}", "{context}", "{input}", "{{", "$Q$", "$DOC$", "$C_A$", "$", "\n", "\r\n", "\t", " ",
              "\u00a0", "\u2003", "\u3000", "\u200b", "\x1c", "\x85", "\u00e9", "e\u0301", "\u4e2d", "\u6587\uff0c", "\U0001f600", "\U00010348", "\"",
              "\\", "'", "/", "%s", "%", "<text>", "12", "a", "Z", "\ufeff", "\ufffd", "\u0130", "\u01c5", "The ", "func_1", "(", ")"]

    def text(self, least, most):
        return "".join(self.one(self.PIECES) for _ in range(least + self.below(most - least + 1)))


# ---- counters, as tests/unit/workloads/suites/rig.c has them ----

class Counter:
    eos_token_id = -7

    def __init__(self, name, prefix):
        self.name, self.prefix, self.seen = name, prefix, []

    def split(self, text):
        if self.name == "bytes":
            return [bytes([b]) for b in text.encode()]
        width = 2 if self.name == "pairs" else 1
        return [text[i:i + width].encode() for i in range(0, len(text), width)]

    def encode(self, text, add_special_tokens=True, **_):
        return [None] * (self.prefix if add_special_tokens else 0) + self.split(text)

    def decode(self, ids, skip_special_tokens=False):
        return b"".join(i for i in ids if i is not None).decode("utf-8", "replace")

    def __call__(self, text, **_):
        self.seen.append(text)
        return Encoded(self.encode(text))


class Encoded(dict):
    def __init__(self, ids):
        super().__init__()
        self.input_ids = Ids(ids)

    def to(self, device):
        return self


class Ids(list):
    def __init__(self, ids):
        super().__init__([ids])
        self.shape = (1, len(ids))


class FileTokenizer(Counter):
    """A tokenizer.json, through the package `tokenizers`."""

    def __init__(self, path):
        super().__init__("file", 0)
        import tokenizers
        self.t = tokenizers.Tokenizer.from_file(path)

    def encode(self, text, **_):
        return self.t.encode(text, add_special_tokens=False).ids

    def decode(self, ids, skip_special_tokens=False):
        return self.t.decode(ids, skip_special_tokens=False)


# ---- invented rows and texts ----

def words_of(draw, needed):
    """A str.format template that holds the fields, and literal braces."""
    out = draw.text(0, 6).replace("{", "{{").replace("}", "}}")
    for name in needed:
        out += "{" + name + "}" + draw.text(0, 6).replace("{", "{{").replace("}", "}}")
    return out


def v1_rows(task):
    d = Draw("v1", task)
    return [{"input": d.text(0, 30), "context": d.text(0, 300), "answers": [d.text(0, 5) for _ in range(1 + d.below(3))],
             "length": d.below(12000), "dataset": task, "language": d.one(["en", "zh"]),
             "all_classes": [d.text(1, 3) for _ in range(1 + d.below(5))] if task in ("trec", "lsht") else None,
             "_id": f"{d.below(1 << 30):x}"} for _ in range(ROWS)]


def v1_texts():
    return {t: words_of(Draw("v1 text", t), ["context", "input"][:1 + needs]) for t, needs in V1.items()}


def v2_rows():
    d = Draw("v2")
    return [{"_id": str(i), "domain": d.text(0, 3), "sub_domain": d.text(0, 3), "difficulty": d.one(["easy", "hard"]),
             "length": d.one(["short", "medium", "long"]), "question": d.text(0, 20), **{f"choice_{c}": d.text(0, 9) for c in "ABCD"},
             "answer": d.one("ABCD"), "context": d.text(0, 300)} for i in range(60)]


def v2_texts():
    marks = ["$DOC$", "$Q$", "$C_A$", "$C_B$", "$C_C$", "$C_D$"]
    plain = Draw.PIECES[:4] + ["\n", "{", "}", "\u4e2d", "$"]
    out = {}
    for name in V2:
        d = Draw("v2 text", name)
        out[name] = "".join(m + "".join(d.one(plain) for _ in range(3)) for m in marks[name == "no_context":])
    return out


def ib_row(task, d, i):
    row = {"id": d.one([i, f"row {i}"]), "context": d.text(0, 300), "input": d.text(0, 30), "answer": d.text(1, 5)}
    if task in ("passkey", "number_string", "kv_retrieval") and d.below(3) == 0:
        row["content"] = d.text(0, 300)
    if task in ("longbook_choice_eng", "code_debug"):
        row["options"] = [d.text(1, 5) + str(k) for k in range(4)]
        answer = d.one(row["options"])
        row["answer"] = d.one([answer, [answer], [d.text(1, 4), d.one("ABCD")]])
    elif task == "math_find":
        row["input"] = d.text(0, 9) + "\n" + d.text(0, 9) + "The " + d.text(1, 4).replace("\n", "_") + d.one([" of ", " of a of "]) + d.text(0, 9)
        row["answer"] = d.one([d.below(99), [d.below(99)], d.below(198) / 2, [d.below(198) / 2]])
    elif task == "math_calc":
        values = [d.below(100) for _ in range(1 + d.below(9))]
        row["answer"] = d.one([values, [values]])
    elif task == "code_run":
        row["input"] = d.text(0, 9) + f"func_{d.below(1000)}({d.below(21) - 10})" + d.text(0, 9)
        row["answer"] = d.one([d.below(99) - 40, [d.below(99)]])
    elif d.below(2) == 0:
        row["answer"] = [d.text(1, 5) for _ in range(1 + d.below(3))]
    return row


def ib_rows(task):
    d = Draw("ib", task)
    return [ib_row(task, d, i) for i in range(ROWS)]


def ib_texts():
    return {t: words_of(Draw("ib text", t), fields) for t, fields in IB.items()}


# ---- the originals ----

def stub(name, **members):
    """Every part of a dotted module name exists, and holds what is asked."""
    parts = name.split(".")
    for i in range(len(parts)):
        part = ".".join(parts[:i + 1])
        sys.modules.setdefault(part, types.ModuleType(part))
        if i > 0:
            setattr(sys.modules[".".join(parts[:i])], parts[i], sys.modules[part])
    for k, v in members.items():
        setattr(sys.modules[name], k, v)


def load(path, name, change=None):
    text = pathlib.Path(path).read_text(encoding="utf-8")
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(change(text) if change else text, str(path), "exec"), module.__dict__)
    return module


class Anything:
    def __getattr__(self, name):
        return Anything()

    def __call__(self, *a, **k):
        return Anything()


def stub_all():
    many = Anything()
    stub("torch", device=lambda *_: "cpu", Tensor=object, no_grad=many, bfloat16=None)
    stub("torch.distributed", destroy_process_group=lambda: None)
    stub("torch.multiprocessing")
    stub("datasets", load_dataset=many)
    stub("transformers", AutoTokenizer=many, LlamaTokenizer=many, LlamaForCausalLM=many, AutoModelForCausalLM=many)
    stub("transformers.modeling_outputs", BaseModelOutputWithPast=object)
    stub("llama_flash_attn_monkey_patch", replace_llama_attn_with_flash_attn=many)
    stub("tqdm", tqdm=lambda x, **_: x)
    stub("numpy")
    stub("openai", OpenAI=many)
    stub("tiktoken", encoding_for_model=many)
    stub("rouge", Rouge=many)
    stub("jieba")
    stub("yarn_mistral.modeling_mistral_yarn", MistralForCausalLM=object)
    stub("args", parse_args=many)


class Originals:
    def __init__(self, longbench, infinitebench):
        stub_all()
        self.v1 = load(longbench + "/LongBench/pred.py", "lb_pred")
        self.maxlen = json.loads(pathlib.Path(longbench + "/LongBench/config/dataset2maxlen.json").read_text())
        here = os.getcwd()
        os.chdir(longbench)  # it reads its configuration where it stands
        self.v2 = load("pred.py", "lb2_pred")
        os.chdir(here)
        self.source = infinitebench + "/src/"
        self.load_ib(PREFIX)

    def load_ib(self, prefix):
        def change(text):
            return re.sub(r'prefix = f".*"', lambda _: f"prefix = f{prefix!r}", text) if prefix else text
        load(self.source + "prompt.py", "prompt")
        self.ib = load(self.source + "eval_utils.py", "eval_utils", change)
        self.yarn = load(self.source + "eval_yarn_mistral.py", "ib_yarn")

    def one_v1(self, task, rows, text, tok, length):
        got = []
        wrapped = [0]

        class Model:
            def generate(self, **k):
                got.append({"prompt": tok.seen[-1], "max_gen": k["max_new_tokens"], "stop_newline": int("eos_token_id" in k),
                            "chat": wrapped[0]})
                wrapped[0] = 0
                return [tok.encode(tok.seen[-1])]

        def build_chat(tokenizer, prompt, name):
            wrapped[0] = 1
            return prompt
        self.v1.build_chat = build_chat
        self.v1.load_model_and_tokenizer = lambda *_: (Model(), tok)
        with tempfile.NamedTemporaryFile() as out:
            self.v1.get_pred(0, 1, rows, length or 1 << 40, self.maxlen[task], text, task, "cpu", "any", {"any": ""}, out.name)
            for g, line in zip(got, open(out.name, encoding="utf-8")):
                row = json.loads(line)
                g["outputs"], g["classes"] = row["answers"], row["all_classes"] or []
        return got

    def one_v2(self, variant, rows, texts, tok, length):
        got = []

        def create(model, messages, temperature, max_tokens):
            got.append({"prompt": messages[0]["content"], "max_gen": max_tokens, "stop_newline": 0, "chat": 1})
            return types.SimpleNamespace(choices=[types.SimpleNamespace(message=types.SimpleNamespace(content="The correct answer is (A)"))])
        client = types.SimpleNamespace(chat=types.SimpleNamespace(completions=types.SimpleNamespace(create=create)))
        m = self.v2
        m.OpenAI = lambda **_: client
        m.AutoTokenizer = types.SimpleNamespace(from_pretrained=lambda *_, **__: tok)
        m.maxlen_map, m.model_map = {"any": length or 1 << 40}, {"any": "any"}
        m.template_0shot, m.template_0shot_cot, m.template_no_context = texts["0shot"], texts["0shot_cot"], texts["no_context"]
        m.template_0shot_cot_ans = ""
        args = types.SimpleNamespace(model="any", rag=0, no_context=variant == "no_context", cot=variant == "0shot_cot")
        m.get_pred([dict(r) for r in rows], args, io.StringIO())
        if args.cot:  # each row asks twice; the second time with the model's answer
            got = got[::2]
        for g, r in zip(got, rows):
            g["outputs"], g["classes"] = [r["answer"]], []
        return got

    def one_ib(self, task, rows, texts, tok, length, chat):
        got = []
        self.ib.MODEL_TO_PROMPT_TEMPLATE["any"] = texts
        for r in rows:
            prompt = self.ib.create_prompt(dict(r), task, "any", ".")
            with contextlib.redirect_stdout(io.StringIO()):
                prompt = self.yarn.truncate_by_tokens(prompt, tok, length) if length else prompt
            answer = self.ib.get_answer(r, task)
            if task == "math_calc" and isinstance(answer[0], list):
                answer = answer[0]  # as its scorer does
            got.append({"prompt": prompt, "max_gen": self.ib.DATA_NAME_TO_MAX_NEW_TOKENS[task], "stop_newline": 0, "chat": chat,
                        "outputs": [str(a) for a in (answer if isinstance(answer, list) else [answer])], "classes": []})
        return got


# ---- ours ----

def ours(program, suite, **args):
    run = subprocess.run([program, suite] + [f"{k}={v}" for k, v in args.items()], capture_output=True, text=True, encoding="utf-8")
    if run.returncode != 0:
        sys.exit(f"{suite} {args}: {run.stderr}")
    out = []
    for line in run.stdout.split("\n")[:-1]:
        r = json.loads(line)
        if "error" in r:
            out.append(r)
            continue
        out.append({"prompt": r["input"] + r["answer_prefix"], "max_gen": r["max_gen"], "stop_newline": r.get("stop_newline", 0),
                    "chat": r["chat"], "outputs": r["outputs"], "classes": r.get("classes", [])})
    return out


def lines(path, rows):
    with open(path, "w", encoding="utf-8", newline="\n") as f:
        for i, r in enumerate(rows):
            f.write(json.dumps(r, ensure_ascii=i % 2 == 0) + "\n" + "\n" * (i % 5 == 0))


def cases(folder):
    """name, rows, texts, what ours is called with: for every task and every cut."""
    for sub in ("v1", "v2", "v2/prompts", "ib"):
        os.makedirs(f"{folder}/{sub}", exist_ok=True)
    texts = {"v1": v1_texts(), "v2": v2_texts(), "ib": {"chat": False, "math_find_prefix": PREFIX, **ib_texts()}}
    for name in ("v1", "ib"):
        with open(f"{folder}/{name}/texts.json", "w", encoding="utf-8") as f:
            json.dump(texts[name], f)
    for name, file in V2.items():
        pathlib.Path(f"{folder}/v2/prompts/{file}").write_bytes(texts["v2"][name].encode())
    for task in V1:
        rows = v1_rows(task)
        lines(f"{folder}/v1/{task}.jsonl", rows)
        for cut in CUTS:
            yield ("longbench", task, cut), rows, texts["v1"][task], dict(
                suite="longbench", task=task, data=f"{folder}/v1", templates=f"{folder}/v1/texts.json")
    rows = v2_rows()
    with open(f"{folder}/v2/data.json", "w", encoding="utf-8") as f:
        json.dump(rows, f, ensure_ascii=False, indent=1)
    for variant in V2:
        for cut in CUTS:
            yield ("longbench_v2", variant, cut), rows, texts["v2"], dict(
                suite="longbench_v2", variant=variant, data=f"{folder}/v2", templates=f"{folder}/v2/prompts")
    for task in IB:
        rows = ib_rows(task)
        lines(f"{folder}/ib/{task}.jsonl", rows)
        for cut in CUTS:
            yield ("infinitebench", task, cut), rows, texts["ib"], dict(
                suite="infinitebench", task=task, data=f"{folder}/ib", templates=f"{folder}/ib/texts.json")


def cut_args(cut):
    return {} if cut[0] == "none" else {"tok": cut[0], "length": cut[1], "prefix_tokens": cut[2]}


def digest(rows):
    return hashlib.sha256("\n".join(json.dumps(r, sort_keys=True) for r in rows).encode()).hexdigest()


def different(name, want, got):
    n = abs(len(want) - len(got))
    for i, (w, g) in enumerate(zip(want, got)):
        if w != g:
            n += 1
            print(f"{name} row {i}: {w!r:.400}\n   ours {g!r:.400}")
    return n


def original(o, key, rows, texts, cut, tok=None, chat=0):
    tok = tok or Counter(cut[0], cut[2])
    run = {"longbench": o.one_v1, "longbench_v2": o.one_v2}.get(key[0])
    return run(key[1], rows, texts, tok, cut[1]) if run else o.one_ib(key[1], rows, texts, tok, cut[1], chat)


def write(program, longbench, infinitebench):
    o = Originals(longbench, infinitebench)
    golden, n, bad = {}, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for key, rows, texts, args in cases(folder):
            want = original(o, key, rows, texts, key[2])
            bad += different(key, want, ours(program, **args, **cut_args(key[2])))
            n += len(want)
            golden["/".join([key[0], key[1], key[2][0]])] = digest(want)
    print(f"{n} prompts, {bad} differ")
    if bad == 0:
        about = {"originals": "THUDM/LongBench@2e00731, OpenBMB/InfiniteBench@88b3daa", "command": "suites_compare.py --write",
                 "seed": SEED, "prompts": n, "different": 0}
        GOLDEN.write_text(json.dumps({"about": about, "sha256": golden}, indent=0) + "\n")
    return bad != 0


def replay(program):
    golden = json.loads(GOLDEN.read_text())["sha256"]
    checks = failures = 0
    with tempfile.TemporaryDirectory() as folder:
        for key, _, _, args in cases(folder):
            name = "/".join([key[0], key[1], key[2][0]])
            checks += 1
            if golden.get(name) != digest(ours(program, **args, **cut_args(key[2]))):
                failures += 1
                print(f"{name}: other prompts than the original's")
    failures += checks != len(golden)
    print(f"{100 * (checks - min(failures, checks)) // checks}%: Checks: {checks}, Failures: {failures}, Errors: 0")
    return failures != 0


def official(program, longbench, infinitebench, tokenizer=None):
    """Invented rows in the texts that the originals use, imported as README says."""
    o = Originals(longbench, infinitebench)
    o.load_ib(None)
    n = bad = 0
    cut = ("file", 60, 0) if tokenizer else CUTS[2]
    tok = FileTokenizer(tokenizer) if tokenizer else Counter(cut[0], cut[2])
    extra = {"tok": tokenizer, "length": cut[1]} if tokenizer else cut_args(cut)
    v1 = f"{longbench}/LongBench/config/dataset2prompt.json"
    v2 = {k: open(f"{longbench}/prompts/{f}", encoding="utf-8").read() for k, f in V2.items()}
    importer = pathlib.Path(__file__).parents[2] / "configs/templates/import_infinitebench.py"
    with tempfile.TemporaryDirectory() as folder:
        seen = set()
        models = {}
        for model in ("gpt4", "yarn_mistral", "claude2"):
            models[model] = f"{folder}/{model}.json"
            with open(models[model], "w", encoding="utf-8") as f:
                subprocess.run([sys.executable, importer, f"{infinitebench}/src", model], stdout=f, check=True)
        for key, rows, _, args in cases(folder):
            if key[:2] in seen:
                continue
            seen.add(key[:2])
            if key[0] == "longbench":
                runs = [(json.load(open(v1, encoding="utf-8"))[key[1]], v1, 1)]
            elif key[0] == "longbench_v2":
                runs = [(v2, f"{longbench}/prompts", 1)]
            else:
                runs = [(getattr(sys.modules["prompt"], f"{m}_templates"), p, int(m != "yarn_mistral")) for m, p in models.items()
                        if (m, key[1]) != ("claude2", "longbook_qa_eng")]  # asks for a field that the original does not give it
            for texts, path, chat in runs:
                want = original(o, key, rows, texts, cut, tok, chat)
                bad += different(key, want, ours(program, **dict(args, templates=path), **extra))
                n += len(want)
    print(f"{n} prompts in the originals' texts, {bad} differ")
    return bad != 0


def main(args):
    modes = {"--write": (write, 4), "--replay": (replay, 2), "--official": (official, 4)}
    if not args or args[0] not in modes or len(args) < modes[args[0]][1]:
        print(__doc__, file=sys.stderr)
        return 2
    return modes[args[0]][0](*args[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
