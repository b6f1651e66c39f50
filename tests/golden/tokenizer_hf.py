"""What the tokenizer scripts share: finding the package `tokenizers`, talking to tokenizer_ids, reading a GGUF vocabulary."""
import glob
import os
import struct
import subprocess
import sys
import tempfile
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_kept = []  # temporary folders live as long as the script


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def wheels(pattern):
    """Wheels in the folders of SPAN_WHEELS (':' between them)."""
    return [w for d in os.environ.get("SPAN_WHEELS", "").split(":") if d for w in sorted(glob.glob(os.path.join(d, pattern)))]


def scratch():
    d = tempfile.TemporaryDirectory()
    _kept.append(d)
    return d.name


def unpack(wheel, member=None):
    d = scratch()
    with zipfile.ZipFile(wheel) as z:
        z.extractall(d, [m for m in z.namelist() if member is None or m.endswith(member)])
    return d


def tokenizers():
    try:
        import tokenizers as t
    except ImportError:
        found = wheels("tokenizers-*.whl")
        if not found:
            skip("no Python package `tokenizers` (pip install it, or put its wheel into a folder named by SPAN_WHEELS)")
        sys.path.insert(0, unpack(found[-1]))
        import tokenizers as t
    return t


def sentencepiece():
    try:
        import sentencepiece as sp
    except ImportError:
        found = wheels("sentencepiece-*.whl")
        if not found:
            skip("no Python package `sentencepiece` (pip install it, or put its wheel into a folder named by SPAN_WHEELS)")
        sys.path.insert(0, unpack(found[-1]))
        import sentencepiece as sp
    return sp


def pack(docs):
    return b"".join(struct.pack("<I", len(d)) + d for d in docs)


def unpack_docs(data, item):
    at, out = 0, []
    while at < len(data):
        n, = struct.unpack_from("<I", data, at)
        out.append(data[at + 4:at + 4 + n * item])
        at += 4 + n * item
    return out


def run(program, *args, data=b""):
    p = subprocess.run([program, *args], input=data, capture_output=True)
    if p.returncode != 0:
        sys.exit(f"{program} {' '.join(args)}: {p.stderr.decode(errors='replace').strip()}")
    return p.stdout


def seeded_docs(program, seed, n_bytes):
    return unpack_docs(run(program, "--text", str(seed), str(n_bytes)), 1)


def our_ids(program, path, docs, *options):
    return unpack_docs(run(program, *options, path, data=pack(docs)), 4)


def our_text(program, path, ids):
    """Decoded; ids as tokenizer_ids writes them."""
    data = b"".join(struct.pack("<I", len(i) // 4) + i for i in ids)
    return unpack_docs(run(program, "--decode", path, data=data), 1)


def their_ids(tok, docs):
    """int32 little-endian, as tokenizer_ids writes them."""
    encoded = tok.encode_batch([d.decode("utf-8", errors="replace") for d in docs], add_special_tokens=False)
    return [struct.pack(f"<{len(e.ids)}i", *e.ids) for e in encoded]


def gguf_keys(path):
    """The metadata of a little-endian GGUF file."""
    small = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
    with open(path, "rb") as f:
        def num(form):
            return struct.unpack(form, f.read(struct.calcsize(form)))[0]

        def value(kind):
            if kind == 8:
                return f.read(num("<Q")).decode("utf-8", errors="replace")
            if kind == 9:
                kind, n = num("<I"), num("<Q")
                return [value(kind) for _ in range(n)]
            return num(small[kind])

        magic, _, _, n = f.read(4), num("<I"), num("<Q"), num("<Q")
        assert magic == b"GGUF", path
        return {value(8): value(num("<I")) for _ in range(n)}


def pre_tokenizer(t, name):
    p, level = t.pre_tokenizers, t.pre_tokenizers.ByteLevel
    llama = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")

    upper, lower = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
    tekken = (rf"[^\r\n\p{{L}}\p{{N}}]?[{upper}]*[{lower}]+|[^\r\n\p{{L}}\p{{N}}]?[{upper}]+[{lower}]*|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*"
              r"|\s*[\r\n]+|\s+(?!\S)|\s+")
    deepseek_v3 = ["\\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
                   "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*"
                   "|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"]
    deepseek_coder = ["[\r\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"]

    def splits(patterns, *more):
        return p.Sequence([*(p.Split(t.Regex(x), "isolated") for x in patterns), *more, level(add_prefix_space=False, use_regex=False)])

    def split(numbers):
        return splits([llama % numbers])
    return {"gpt2": lambda: level(add_prefix_space=False),
            "llama3": lambda: split(r"\p{N}{1,3}"),
            "qwen2": lambda: split(r"\p{N}"),
            "tekken": lambda: splits([tekken]),
            "deepseek_v3": lambda: splits(deepseek_v3),
            "deepseek_coder": lambda: splits(deepseek_coder, p.Digits(individual_digits=True)),
            "smollm": lambda: p.Sequence([p.Digits(individual_digits=True), level(add_prefix_space=False)])}[name]()


def from_gguf(t, path):
    """The same vocabulary in the other program's terms."""
    k = gguf_keys(path)
    name = {"gpt-2": "gpt2", "llama-bpe": "llama3", "qwen2": "qwen2", "smollm": "smollm", "starcoder": "smollm", "tekken": "tekken",
            "deepseek-v3": "deepseek_v3", "deepseek-coder": "deepseek_coder"}[k["tokenizer.ggml.pre"]]
    tokens, kinds = k["tokenizer.ggml.tokens"], k["tokenizer.ggml.token_type"]
    merges = [(m[:i], m[i + 1:]) for m in k["tokenizer.ggml.merges"] for i in [m.index(" ", 1)]]
    tok = t.Tokenizer(t.models.BPE({s: i for i, s in enumerate(tokens)}, merges, ignore_merges=name in ("llama3", "tekken")))
    tok.pre_tokenizer = pre_tokenizer(t, name)
    if name == "qwen2":
        tok.normalizer = t.normalizers.NFC()
    for s, kind in zip(tokens, kinds):
        if kind in (2, 3):
            tok.add_special_tokens([t.AddedToken(s, special=True, normalized=False)])
        elif kind == 4:
            tok.add_tokens([t.AddedToken(s, special=False, normalized=False)])
    return tok
