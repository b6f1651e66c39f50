#!/usr/bin/env python3
"""A dump of `experiment: attention`, read and checked: which keys each query saw, and what attention to them gives.

    python read_dump.py DUMP.safetensors [INPUT.safetensors [q k v]]       # needs numpy, safetensors

Alone it prints what the file holds and the density of the index. With the input that was attended to it computes attention over
the indexed keys in float64 and compares o and lse: the exit code is 1 when they differ by more than bf16 explains.
"""
import json
import struct
import sys

import numpy as np
from safetensors import safe_open


def load(path):
    """{name: array} and {key: text}. numpy has no bfloat16: such a tensor comes as float32."""
    tensors = {}
    with open(path, "rb") as f:
        header_bytes = struct.unpack("<Q", f.read(8))[0]
        header = json.loads(f.read(header_bytes))
        for name, entry in header.items():
            if name != "__metadata__" and entry["dtype"] == "BF16":
                begin, end = entry["data_offsets"]
                f.seek(8 + header_bytes + begin)
                bits = np.frombuffer(f.read(end - begin), dtype="<u2").astype("<u4") << 16
                tensors[name] = bits.view("<f4").reshape(entry["shape"])
    with safe_open(path, framework="np") as f:
        for name in f.keys():
            if name not in tensors:
                tensors[name] = f.get_tensor(name)
        return tensors, f.metadata() or {}


def round_to_bf16(x):
    """To nearest, ties to even: what the operator sees of float16 and float32 files."""
    bits = np.ascontiguousarray(x, dtype="<f4").view("<u4").astype(np.uint64)
    bits = (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000
    return bits.astype("<u4").view("<f4").astype(np.float64)


def multiplicity(dump, notes, head, query):
    """How often each key counts in the softmax of query `query` (a token's number) of query head `head`: 0, 1, or, where the index
    says so, 2."""
    keys, listed = np.zeros((2, int(notes["keys"])), dtype=np.int64)
    if notes["window"] == "yes":
        window = notes["window_tokens"]
        keys[:int(notes["sink_tokens"])] = 1
        keys[0 if window == "all" else max(0, query + 1 - int(window)):query + 1] = 1
    if notes["window"] == "rows":  # a window of its own for every query
        at = head if len(dump["index.window.sinks"]) > 1 else 0
        step, first = int(notes["window.step"]), int(dump["index.window.first"][at, query - int(notes["first_query"])])
        keys[:dump["index.window.sinks"][at]] = 1
        keys[first + (query - first) % step:query + 1:step] = 1
    for part in ("tiles", "tokens"):
        heads = int(notes[part + ".heads"])
        if heads == 0:
            continue
        row = np.searchsorted(dump["index.row_id"], query // int(notes["row_tokens"]))
        at = (head if heads > 1 else 0) * len(dump["index.row_id"]) + row
        begin, end = dump[f"index.{part}.row_ptr"][at:at + 2]
        ids = dump[f"index.{part}.id"][begin:end].astype(np.int64)
        if part == "tiles":
            unit, width = int(notes["tiles.unit_tokens"]), int(notes["tiles.width_tokens"])
            ids = (ids[:, None] * unit + np.arange(width)).ravel()
            ids = ids[ids < len(keys)]
        if "index.slots" in dump:  # ids count slots of an order of their own
            slots = dump["index.slots"]
            ids = slots[head if len(slots) > 1 else 0][ids]
        listed[ids] = 1
    keys = keys + listed if notes["overlap"] == "twice" else keys | listed
    keys[query + 1:] = 0  # causality, always
    return keys


def visible(dump, notes, head, query):
    """Key numbers that query `query` of query head `head` attends to, ascending."""
    return np.flatnonzero(multiplicity(dump, notes, head, query))


def density(dump, notes, heads):
    first, n = int(notes["first_query"]), int(notes["keys"])
    seen = sum(len(visible(dump, notes, h, i)) for h in range(heads) for i in range(first, n))
    return seen / (heads * sum(range(first + 1, n + 1)))


def attend(q, k, v, notes, dump, head, query):
    """o and lse of one row over its indexed keys, in float64 from bf16 inputs."""
    kv = head // (q.shape[0] // k.shape[0])
    times = multiplicity(dump, notes, head, query)
    keys = np.flatnonzero(times)
    logits = k[kv, keys] @ q[head, query - int(notes["first_query"])] * float(notes["scale"])
    top = logits.max()
    weights = times[keys] * np.exp(logits - top)
    return weights @ v[kv, keys] / weights.sum(), top + np.log(weights.sum())


def compare(dump, notes, tensors, names, step=1):
    """Largest |lse difference| and relative L2 error of o over every step-th row."""
    worst, error, size = 0.0, 0.0, 0.0
    q, k, v = (round_to_bf16(tensors[n]) for n in names)
    q, k, v = (x[0] if x.ndim == 4 else x for x in (q, k, v))
    heads, rows = dump["lse"].shape
    for h in range(heads):
        for i in range(0, rows, step):
            o, lse = attend(q, k, v, notes, dump, h, i + int(notes["first_query"]))
            worst = max(worst, abs(lse - float(dump["lse"][h, i])))
            error += np.sum((o - dump["o"][h, i]) ** 2)
            size += np.sum(o ** 2)
    return worst, (error / size) ** 0.5


def main(args):
    if not args:
        print(__doc__, file=sys.stderr)
        return 2
    dump, notes = load(args[0])
    for name in sorted(dump):
        print(f"{name:22} {dump[name].dtype!s:8} {list(dump[name].shape)}")
    for key in sorted(notes):
        print(f"{key:22} {notes[key][:100]}")
    if "window" in notes and "lse" in dump:
        print(f"density                {density(dump, notes, dump['lse'].shape[0]):.4f}")
    if len(args) > 1 and not ("window" in notes and "lse" in dump and "o" in dump):
        print("nothing to compare: the dump lacks index, o or lse", file=sys.stderr)
        return 2
    if len(args) > 1:
        tensors, _ = load(args[1])
        worst, relative = compare(dump, notes, tensors, args[2:5] or ["q", "k", "v"])
        print(f"against the input      lse within {worst:.2g}, o within {relative:.2g} (relative L2)")
        return 0 if worst < 1e-4 and relative < 4e-3 else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
