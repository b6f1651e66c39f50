#!/usr/bin/env python3
"""Compares our ids and texts with those of the Python packages `sentencepiece` (tokenizer.model, GGUF) and `tokenizers`
(tokenizer.json), document by document, for SentencePiece BPE. No difference passes.

  sp_compare.py TOKENIZER_IDS fixtures     the vocabularies of tests/fixtures/tokenizer/sp_*, and larger ones trained on the spot
  sp_compare.py TOKENIZER_IDS FILE...      any tokenizer.model, GGUF file of model "llama", or tokenizer.json; the first two are
                                           also compared as tokenizer.json in every shape
  sp_compare.py TOKENIZER_IDS golden       as fixtures, and writes tests/golden/sp_golden.h, which CI replays without Python

Text and SPAN_WHEELS as in tokenizer_compare.py; exit code 77 without the packages. What one byte that is no UTF-8 decodes to is
sentencepiece's rule; `tokenizers` replaces the whole run of such tokens, so texts with U+FFFD are compared with the former alone.
Not compared as text: "normalized" added tokens, which tokenizers 0.23 decodes to their normalised text; sentencepiece's " \u2047 " for the
unknown token is taken away, for special tokens are no text here.
"""
import glob
import hashlib
import os
import random
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "fixtures", "tokenizer")]
import sp_files as files  # noqa: E402
import sp_make as fixtures  # noqa: E402
import tokenizer_compare as base  # noqa: E402
import tokenizer_hf as hf  # noqa: E402

SEEDS = [0, 1]


def pieces_of(path):
    if not path.endswith(".gguf"):
        with open(path, "rb") as f:
            return files.from_model(f.read())
    k = hf.gguf_keys(path)
    names = ["tokens", "scores", "token_type"]
    return list(zip(*[k["tokenizer.ggml." + n] for n in names])), k.get("tokenizer.ggml.add_space_prefix", True)


def one_unknown(pieces):
    """sentencepiece wants exactly one; some GGUF files have none or many."""
    at = [i for i, p in enumerate(pieces) if p[2] == files.UNKNOWN] or [0]
    kinds = [files.UNKNOWN if i == at[0] else files.CONTROL if k == files.UNKNOWN else k for i, (_, _, k) in enumerate(pieces)]
    return [(t, s, k) for (t, s, _), k in zip(pieces, kinds)]


def file_for(path, pieces, prefix):
    """What sentencepiece reads: the file itself where it is one of its own."""
    if path.endswith(".gguf"):
        return files.to_model(pieces, prefix)
    with open(path, "rb") as f:
        return f.read()


def pack(ids):
    return [struct.pack(f"<{len(i)}i", *i) for i in ids]


def report(name, docs, ours, theirs, what):
    wrong = [i for i in range(len(docs)) if ours[i] != theirs[i]]
    for i in wrong[:4]:
        a, b = ours[i], theirs[i]
        if what == "ids":
            a, b = (list(memoryview(x).cast("i"))[:30] for x in (a, b))
        print(f"{name}: {what}: document {i} {docs[i][:80]!r}:\n  ours   {a[:120]}\n  theirs {b[:120]}")
    return len(wrong)


def random_ids(n_tokens, skip):
    """Lists of any tokens: most of their bytes are no UTF-8."""
    r = random.Random(5)
    usable = [i for i in range(n_tokens) if i not in skip]
    return [[r.choice(usable) if r.random() < .3 else r.choice(usable[:300]) for _ in range(r.randrange(1, 40))] for _ in range(4000)]


def with_sentencepiece(sp, program, name, path, sets):
    pieces, prefix = pieces_of(path)
    tok = sp.SentencePieceProcessor(model_proto=file_for(path, one_unknown(pieces), prefix))
    bad = n_bytes = n_tokens = 0
    for what, docs in sets:
        theirs = pack(tok.encode([d.decode("utf-8", errors="replace") for d in docs]))
        bad += report(f"{name}: {what}", docs, hf.our_ids(program, path, docs, "--literal"), theirs, "ids")
        if what == "seed 1":
            text = [t.replace(" \u2047 ", "").encode() for t in tok.decode([list(memoryview(i).cast("i")) for i in theirs])]
            bad += report(f"{name}: {what}", docs, hf.our_text(program, path, theirs), text, "text")
        n_bytes += sum(map(len, docs))
        n_tokens += sum(map(len, theirs)) // 4
    # <0x20> at the beginning is a blank to us and a byte to them; no text is encoded so
    skip = {i for i, (t, _, k) in enumerate(pieces) if k in (files.UNKNOWN, files.CONTROL) or t == "<0x20>"} | {0}
    lists = random_ids(len(pieces), skip)
    bad += report(name, lists, hf.our_text(program, path, pack(lists)), [t.encode() for t in tok.decode(lists)], "text")
    print(f"{name}, sentencepiece: {n_bytes} bytes, {n_tokens} tokens, {bad} documents differ")
    return bad


def with_tokenizers(t, program, name, path, sets):
    tok = t.Tokenizer.from_file(path)
    normalized = {i for i, a in tok.get_added_tokens_decoder().items() if a.normalized}
    bad = n_bytes = n_tokens = 0
    for what, docs in sets + [("literal", sets[1][1])]:
        tok.encode_special_tokens = what == "literal"
        ours, theirs = hf.our_ids(program, path, docs, *(["--literal"] if what == "literal" else [])), hf.their_ids(tok, docs)
        bad += report(f"{name}: {what}", docs, ours, theirs, "ids")
        if what == "seed 1":
            text = [x.encode() for x in tok.decode_batch([list(memoryview(i).cast("i")) for i in theirs])]
            mine = hf.our_text(program, path, theirs)
            same = [i for i in range(len(docs)) if b"\xef\xbf\xbd" not in text[i] + mine[i] and
                    not normalized & set(memoryview(theirs[i]).cast("i"))]
            bad += report(f"{name}: {what}", [docs[i] for i in same], [mine[i] for i in same], [text[i] for i in same], "text")
        n_bytes += sum(map(len, docs))
        n_tokens += sum(map(len, theirs)) // 4
    print(f"{name}, tokenizers: {n_bytes} bytes, {n_tokens} tokens, {bad} documents differ")
    return bad


def in_shapes(t, program, name, pieces, sets):
    bad = 0
    for shape in files.SHAPES:
        path = os.path.join(hf.scratch(), "tokenizer.json")
        with open(path, "w", encoding="utf-8") as f:
            f.write(files.to_json(pieces, shape, fixtures.ADDED))
        bad += with_tokenizers(t, program, f"{name} as {shape}", path, sets)
    return bad


def compare(t, sp, program, name, path, sets, shapes):
    if path.endswith(".json"):
        return with_tokenizers(t, program, name, path, sets)
    bad = with_sentencepiece(sp, program, name, path, sets)
    return bad + (in_shapes(t, program, name, pieces_of(path)[0], sets[:2]) if shapes else 0)


def trained(sp, program):
    """Larger vocabularies on the licences, Python's sources and the seeded text."""
    text = base.files("/usr/share/common-licenses/*", 1 << 19) + base.files(os.path.join(os.path.dirname(os.__file__), "[a-h]*.py"), 1 << 20)
    text = [d.decode("utf-8", errors="replace") for d in text + hf.seeded_docs(program, 99, 1 << 19)]
    for name in fixtures.TRAINED:
        pieces, prefix = fixtures.train(sp, name, text, 8000)
        path = os.path.join(hf.scratch(), "vocab.gguf")
        with open(path, "wb") as f:
            f.write(files.to_gguf(pieces, prefix))
        yield f"{name}, 8000 trained", path


def write_golden(t, sp, program):
    rows = []
    for path in FIXTURES:
        for seed in SEEDS:
            docs = hf.seeded_docs(program, seed, base.SEED_BYTES)
            if path.endswith(".json"):
                theirs = hf.their_ids(t.Tokenizer.from_file(path), docs)
            else:
                tok = sp.SentencePieceProcessor(model_proto=file_for(path, *pieces_of(path)))
                theirs = pack(tok.encode([d.decode("utf-8", errors="replace") for d in docs]))
            digest = hashlib.sha256(b"".join(theirs)).hexdigest()
            rows.append(f'    {{"{path}", {seed}, {len(docs)}, {sum(map(len, docs))}, {sum(map(len, theirs)) // 4},\n     "{digest}"}},')
    with open(os.path.join(hf.ROOT, "tests/golden/sp_golden.h"), "w", encoding="utf-8") as f:
        f.write(f"/* Ids of the Python packages sentencepiece {sp.__version__} (.gguf and .model, special tokens literal) and\n"
                f" * tokenizers {t.__version__} (.json, special tokens parsed) on the seeded text of tokenizer_text.c, bytes\n"
                " * that are no UTF-8 replaced as Python does; our ids differed in 0 documents. SHA-256 of all ids as\n"
                " * little-endian int32. sp_compare.py TOKENIZER_IDS golden writes this file. */\n"
                "/* clang-format off */\n"
                "static const golden_row sp_golden[] = {\n" + "\n".join(rows) + "\n};\n/* clang-format on */\n")


FIXTURES = [os.path.join("tests/fixtures/tokenizer", n) for n in fixtures.NAMES]


def main(program, *what):
    t, sp = hf.tokenizers(), hf.sentencepiece()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    program = os.path.abspath(program)
    named = [os.path.abspath(w) for w in what]
    os.chdir(hf.ROOT)
    print(f"tokenizers {t.__version__}, sentencepiece {sp.__version__}")
    if what in (("fixtures",), ("golden",)):
        jobs = [(p, p, False) for p in FIXTURES] + [(*x, True) for x in trained(sp, program)]
    else:
        jobs = [(os.path.basename(p), p, True) for p in named]
    sets = base.texts(program)
    bad = sum(compare(t, sp, program, name, path, sets, shapes) for name, path, shapes in jobs)
    if what == ("golden",) and bad == 0:
        write_golden(t, sp, program)
    return 1 if bad else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
