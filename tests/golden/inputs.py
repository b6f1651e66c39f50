"""Queries and keys of the golden indexes, the same bits with any numpy from 1.17 on: raw PCG64 normals, no matrix product and no sum whose
order is left open. Case n of CASES has seed 1000 + n.

`random` is N(0, 1). `structured` has what attention of language models has: sinks, columns, slashes and locality. Dimensions 0..95 are 48
rotary pairs (j, j + 48), dimension 96 carries sinks and columns, the rest is zero.
"""
import hashlib

import numpy as np

HEAD_DIM = 128
SHAPES = ((2048, 4, 2), (4096, 4, 2), (5000, 4, 2), (8192, 8, 2))  # tokens, query heads, KV heads
CASES = tuple((kind, *shape) for shape in SHAPES for kind in ("random", "structured"))

# q and k as they were when the published code ran.
SHA256 = {
    "random_2048": "c84e7e171260c26e81195622291d2ca5ffc7c67209e06a8872870684d9b1239a",
    "structured_2048": "0c028e72e621de1cebe65746b163c7504048ec984dc2627c120af5e4f18ad0bf",
    "random_4096": "a2354f03e57d8bce93e3a33db52c7cc28c0f3260580de420a9811a8391a54868",
    "structured_4096": "303078f92f2dec12ebdc0faad05eec4089ca6f124ba3cdfcd79ee69cbfb7f302",
    "random_5000": "a760402a01cf78bd4756614dff529ee09be1118a7dad29da3521d39fa3f574f0",
    "structured_5000": "72cc262223612ab53022432fe842e69ab38a3fb43412aefa47869077375c7f6d",
    "random_8192": "10b9799034640d9409df454b5ec9b894065836dc1e475129890cc978df148958",
    "structured_8192": "533b15ebef98d7de3845bd3bbc371afa8346597ac54274308589d26fd2d809bf",
}


def name(case):
    return f"{case[0]}_{case[1]}"


def to_bf16(x):
    """Bits, rounded to nearest, ties to even."""
    bits = np.ascontiguousarray(x, dtype="<f4").view("<u4")
    return ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16).astype("<u2")


def rotate(x, angle):
    """Half-split rotary pairs: x [N][48 * 2], angle [N][48]."""
    c, s = np.cos(angle), np.sin(angle)
    a, b = x[:, :48], x[:, 48:]
    return np.concatenate((a * c - b * s, a * s + b * c), axis=1)


def structured(rng, n, heads, kv_heads):
    root = np.sqrt(float(HEAD_DIM))
    theta = 5e5 ** (-np.arange(48) / 48)
    angle = np.arange(n)[:, None] * theta
    near = theta > 2 * np.pi / 8192
    sigma = 0.7
    q = np.zeros((heads, n, HEAD_DIM))
    k = np.zeros((kv_heads, n, HEAD_DIM))
    for kv in range(kv_heads):
        local, sink, column, slash = rng.uniform([10.5, 11, 7.5, 11.5], [12, 13, 9, 13])  # logits
        gain2 = local * root / near.sum()
        mean = np.zeros(96)
        mean[:48][near] = np.sqrt(gain2)
        k[kv, :, :96] = rotate(sigma * rng.standard_normal((n, 96)) + mean, angle)
        columns = 64 + np.argsort(rng.random(n - 64), kind="stable")[:64]
        k[kv, columns, 96] = column * root / 4
        k[kv, :4, 96] = sink * root / 4
        offsets = 512 + np.floor(rng.random(3) * (n // 2 - 512)).astype(int)
        gain = slash * root / (96 * sigma ** 2 + near.sum() * gain2)
        for h in range(kv * heads // kv_heads, (kv + 1) * heads // kv_heads):
            q[h, :, :96] = rotate(sigma * rng.standard_normal((n, 96)) + mean, angle)
            q[h, :, 96] = 4
            for s in offsets:
                q[h, s:, :96] += gain * k[kv, :n - s, :96]
    return q, k


def make(case):
    """q [heads][N][128], k [kv_heads][N][128] as bf16 bits."""
    kind, n, heads, kv_heads = case
    rng = np.random.Generator(np.random.PCG64(1000 + CASES.index(case)))
    if kind == "random":
        q, k = (rng.standard_normal((h, n, HEAD_DIM)) for h in (heads, kv_heads))
    else:
        q, k = structured(rng, n, heads, kv_heads)
    return to_bf16(q), to_bf16(k)


def sha256(q, k):
    return hashlib.sha256(q.tobytes() + k.tobytes()).hexdigest()
