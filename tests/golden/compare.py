#!/usr/bin/env python3
"""What the methods select, held against what their published code selected (tests/golden/README.md). Needs numpy.

    compare.py SPANBENCH [--quiet]

Makes the inputs again, checks their hashes, runs spanbench on them and compares the indexes it dumps with indexes.npz, cell by cell: a
cell is a choice the method had, most often a block of keys for a block of queries. Prints the share of equal cells and fails where one is
below its method's floor, and where the comparison would not notice other parameters.
"""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

import inputs

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = [case for case in inputs.CASES if case[1] <= 5000]
BLOCK = 128
SUPER = 16 * BLOCK  # anchor_attention: queries that share their stripes
LINE_BLOCK = 64     # minference: queries that share their lines


# ---- dumps ----

def read_safetensors(path):
    """{name: array} of the index, {key: text}."""
    with open(path, "rb") as f:
        data = f.read()
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:begin])
    notes = header.pop("__metadata__")
    kinds = {"I32": "<i4", "I64": "<i8"}
    return {name: np.frombuffer(data[begin + e["data_offsets"][0]:begin + e["data_offsets"][1]], kinds[e["dtype"]]).reshape(e["shape"])
            for name, e in header.items()}, notes


def write_safetensors(path, q, k):
    """q, k and, for values, zeros: no method looks at them when it selects."""
    header, at, parts = {}, 0, (("q", q), ("k", k), ("v", np.zeros_like(k)))
    for name, x in parts:
        header[name] = {"dtype": "BF16", "shape": list(x.shape), "data_offsets": [at, at + x.nbytes]}
        at += x.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        for _, x in parts:
            f.write(x.tobytes())


class Dump:
    def __init__(self, path):
        self.tensors, self.notes = read_safetensors(path)
        self.case = os.path.basename(path).split(".")[0]
        self.params = json.loads(self.notes["method_params"])

    def is_for(self, case, method, params):
        return (self.case, self.notes["method"]) == (inputs.name(case), method) and all(
            self.params[key] == value for key, value in params.items())

    def lists(self, part):
        """[head][row block]: ids."""
        rows = len(self.tensors["index.row_id"])
        ptr, ids = (self.tensors[f"index.{part}.{x}"] for x in ("row_ptr", "id"))
        return [[ids[ptr[h * rows + r]:ptr[h * rows + r + 1]] for r in range(rows)] for h in range(int(self.notes[part + ".heads"]))]

    def blocks(self, n, size):
        """[head][row block][key block]."""
        assert int(self.notes["row_tokens"]) == size and int(self.notes["tiles.unit_tokens"]) == size
        rows = -(-n // size)
        found = np.zeros((int(self.notes["tiles.heads"]), rows, rows), dtype=bool)
        for head, lists in enumerate(self.lists("tiles")):
            for row, ids in enumerate(lists):
                found[head, row, ids] = True
        return found


# ---- what is compared: cells of a case, from golden bits and from a dump ----

def line_keys(vertical, slash, n):
    """[row block][key]: keys of the published conversion of columns and diagonals, up to the row block's own."""
    rows = -(-n // LINE_BLOCK)
    seen = np.zeros((rows, rows * LINE_BLOCK), dtype=bool)
    for row in range(rows):
        end = (row + 1) * LINE_BLOCK
        ends = np.maximum(end - np.sort(slash[slash < end])[::-1], LINE_BLOCK)
        seen[row, vertical[vertical < end - LINE_BLOCK]] = True
        begin, stop = ends[0] - LINE_BLOCK, ends[0]
        for e in ends[1:]:  # ranges grow by whole blocks
            if e > stop + LINE_BLOCK:
                seen[row, begin:stop] = True
                begin, stop = e - LINE_BLOCK, e
            elif e > stop:
                stop += LINE_BLOCK
        seen[row, begin:stop] = True
        seen[row, end:] = False
    return seen[:, :n]


class Blocks:
    """Blocks of keys up to a row block's own (or, `segment` blocks wide, its own segment's last)."""
    def __init__(self, size=BLOCK, segment=1):
        self.size, self.segment = size, segment

    def cells(self, case):
        group = np.arange(-(-case[1] // self.size)) // self.segment
        return np.broadcast_to(group[None, :] <= group[:, None], (case[2], len(group), len(group)))

    def found(self, dump, case):
        return dump.blocks(case[1], self.size)[self.cells(case)]

    def golden(self, take, case):
        return take(int(self.cells(case).sum()))


class Members:
    """pbs_attn: which of the two blocks of its segment a key lies in, once it is sorted."""
    def found(self, dump, case):
        whole = case[1] // (2 * BLOCK) * 2 * BLOCK
        slots = dump.tensors["index.slots"].astype(np.int64)
        return (np.argsort(slots, axis=1, kind="stable")[:, :whole] // BLOCK % 2 == 1).ravel()

    def golden(self, take, case):
        return take(case[2] * (case[1] // (2 * BLOCK)) * 2 * BLOCK)


class Lines:
    """minference: keys of a row block of 64. Golden are the columns and diagonals; their conversion was compared when they were made."""
    def found(self, dump, case):
        n, heads = case[1], []
        assert int(dump.notes["row_tokens"]) == int(dump.notes["tiles.width_tokens"]) == LINE_BLOCK
        for tiles, tokens in zip(dump.lists("tiles"), dump.lists("tokens")):
            seen = np.zeros((len(tiles), len(tiles) * LINE_BLOCK + LINE_BLOCK), dtype=bool)
            for row, ids in enumerate(tiles):
                seen[row, (ids[:, None] + np.arange(LINE_BLOCK)).ravel()] = True
                seen[row, tokens[row]] = True
                seen[row, (row + 1) * LINE_BLOCK:] = False
            heads.append(seen[:, :n])
        return self.causal(np.array(heads))

    def golden(self, take, case):
        n, heads = case[1], case[2]
        lines = [(np.flatnonzero(take(n)), np.flatnonzero(take(n))) for _ in range(heads)]
        return self.causal(np.array([line_keys(v, s, n) for v, s in lines]))

    @staticmethod
    def causal(seen):
        heads, rows, n = seen.shape
        return seen[np.broadcast_to(np.arange(n) // LINE_BLOCK <= np.arange(rows)[:, None], seen.shape)]


class Stripes:
    """anchor_attention: candidate keys of a super-block."""
    def found(self, dump, case):
        out = []
        for lists in dump.lists("tokens"):
            for group in range(1, case[1] // SUPER):
                seen = np.zeros(case[1], dtype=bool)
                seen[lists[group]] = True
                out.append(seen[BLOCK:group * SUPER - BLOCK])
        return np.concatenate(out)

    def golden(self, take, case):
        return take(case[2] * sum(group * SUPER - 2 * BLOCK for group in range(1, case[1] // SUPER)))


class Series:
    """Published selections of one kind. Floors: least share of equal cells, compat official and clean (None: no such switch)."""
    def __init__(self, name, method, form, variants, official, clean, cases=CASES):
        self.name, self.method, self.form, self.variants = name, method, form, variants
        self.floors, self.cases = {"official": official, "clean": clean}, cases

    def golden(self, bits):
        """{(case, variant): cells}: cases in order, and in each the variants in order."""
        at = 0

        def take(count):
            nonlocal at
            at += count
            return bits[at - count:at]
        out = {(case, i): self.form.golden(take, case) for case in self.cases for i in range(len(self.variants))}
        assert len(bits) - 8 < at <= len(bits), f"{self.name}: {at} cells of {len(bits)}"
        return out

    def found(self, dumps, case, variant, compat):
        params = dict(self.variants[variant], **({} if self.floors["clean"] is None else {"compat": compat}))
        one = [d for d in dumps if d.is_for(case, self.method, params)]
        assert len(one) == 1, f"{len(one)} dumps of {self.method} {params}, {inputs.name(case)}"
        return self.form.found(one[0], case)


LONG = [case for case in CASES if case[1] >= 2 * SUPER]
# Floors lie just below what README.md has measured and explained.
SERIES = (
    Series("flexprefill", "flexprefill", Blocks(), [{"gamma": g, "tau": t} for g in (0.9, 0.95) for t in (0, 0.1, 0.84)], .998, .996),
    Series("xattention", "xattention", Blocks(), [{"stride_tokens": s, "tau": 0.9} for s in (16, 8)], .995, .90),
    Series("pbs_attn", "pbs_attn", Blocks(segment=2), [{"tau": t} for t in (0.9, 0.5)], .996, .985),
    Series("pbs_attn_members", "pbs_attn", Members(), [{"tau": 0.9}], .9999, .996),
    Series("minference_lines", "minference", Lines(), [{"pattern": "vertical_slash", "vertical_tokens": v, "slash_tokens": s}
                                                       for v, s in ((100, 800), (500, 700))], .9999, None),
    Series("minference_blocks", "minference", Blocks(LINE_BLOCK), [{"pattern": "block_sparse", "top_k_blocks": 8}], .9999, None),
    Series("anchor_attention", "anchor_attention", Stripes(), [{"theta": t, "windows": "partition"} for t in (12, 5)], .999, .989, LONG),
    Series("anchor_released", "anchor_attention", Stripes(), [{"theta": t, "windows": "released"} for t in (12, 5)], .994, .98, LONG),
)


# ---- the run ----

def sweep(work, files):
    methods = []
    for s in SERIES:
        for params in s.variants:
            both = dict(params, **({} if s.floors["clean"] is None else {"compat": ["clean", "official"]}))
            line = f"  - {json.dumps(dict(name=s.method, **both))}"
            if line not in methods:
                methods.append(line)
    return "\n".join([
        "sweep: golden", "experiment: attention", "backend: cpu", "inputs:", f"  - {json.dumps({'tensors': files})}", "methods:", *methods,
        "quality: none", "timing: {warmup: 0, repetitions: 1}", f"dump: {json.dumps({'dir': os.path.join(work, 'dump'), 'what': ['index']})}", ""])


def run(spanbench, work, files):
    path = os.path.join(work, "sweep.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(sweep(work, files))
    done = subprocess.run([spanbench, "run", path, "--db", os.path.join(work, "out.db"), "--no-table"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{spanbench} run: exit code {done.returncode}\n{done.stderr[-3000:]}")
    return [Dump(os.path.join(work, "dump", name)) for name in sorted(os.listdir(os.path.join(work, "dump")))]


class Checks:
    def __init__(self):
        self.made = self.failed = 0

    def that(self, right, text):
        self.made += 1
        self.failed += not right
        if not right:
            print("FAILED", text)


def compare(series, golden, dumps, checks, quiet):
    for case in series.cases:
        for i, params in enumerate(series.variants):
            want = golden[case, i]
            line = f"{series.name:18} {inputs.name(case):15} {' '.join(f'{k}={v}' for k, v in params.items()):55} kept {want.mean():.4f}"
            for compat, floor in series.floors.items():
                if floor is None:
                    continue
                equal = series.found(dumps, case, i, compat) == want
                line += f"   {compat} {equal.mean():.5f} ({int((~equal).sum())} of {equal.size})"
                checks.that(equal.mean() >= floor, f"{series.name} {inputs.name(case)} {params} {compat}: {equal.mean():.5f}, at least {floor}")
            if not quiet:
                print(line)


def other_is_noticed(series, golden, dumps, checks):
    """A floor that any selection clears says nothing: what belongs to other parameters, or else to the next head, must not."""
    case = next(c for c in series.cases if c[0] == "structured" and c[1] >= 4096)
    want, last = golden[case, 0], len(series.variants) - 1
    found = series.found(dumps, case, last, "official")
    if last == 0:
        found = np.roll(found, found.size // case[2])
    share = (found == want).mean()
    checks.that(share < series.floors["official"], f"{series.name}: {share:.5f} of another selection's cells are equal, too many to tell them apart")


def main(args):
    if not args:
        print(__doc__, file=sys.stderr)
        return 2
    packed, checks = np.load(os.path.join(HERE, "indexes.npz")), Checks()
    with tempfile.TemporaryDirectory() as work:
        files = []
        for case in CASES:
            q, k = inputs.make(case)
            checks.that(inputs.sha256(q, k) == inputs.SHA256[inputs.name(case)], f"{inputs.name(case)}: other inputs than the published code had")
            files.append(os.path.join(work, inputs.name(case) + ".safetensors"))
            write_safetensors(files[-1], q, k)
        dumps = run(args[0], work, files)
    for series in SERIES:
        golden = series.golden(np.unpackbits(packed[series.name], bitorder="little").astype(bool))
        compare(series, golden, dumps, checks, "--quiet" in args)
        other_is_noticed(series, golden, dumps, checks)
    print(f"{100 * (checks.made - checks.failed) // checks.made}%: Checks: {checks.made}, Failures: {checks.failed}, Errors: 0")
    return checks.failed > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
