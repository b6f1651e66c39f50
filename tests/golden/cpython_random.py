#!/usr/bin/env python3
"""Streams of Python's own `random` (and numpy's legacy one), against workloads/base/rng_cpython.c.

  cpython_random.py --write           rewrite tests/golden/cpython_random.h (needs numpy)
  cpython_random.py --compare DUMP    run DUMP (the test binary rng_dump) and compare its text with Python's; a ctest

tests/unit/workloads/base/rng_streams.c draws the same in C.
"""
import hashlib
import os
import platform
import random
import subprocess
import sys

SEEDS = [0, 1, 42, 43, 46, 2**31, 2**32 - 1, 2**32, 123456789012345, 2**64 - 1]
NUMPY_SEEDS = [0, 1, 42, 43, 2**32 - 1]
SIZES = [(21, 5), (22, 5), (40, 4), (85, 6), (86, 6), (100, 5), (277, 21), (278, 22), (1000, 340), (8169, 239), (20000, 5000),
         (1000000, 7)]


def stream(seed):
    r = random.Random(seed)
    out = []
    for _ in range(5):
        line = [r.getrandbits(32) for _ in range(300)]
        line += [r.getrandbits(k) for k in range(1, 65)]
        line += [int(r.random() * 9007199254740992.0) for _ in range(100)]
        n = 1
        while n < 4000000000000000000:
            line.append(r.randrange(n))
            n = n * 3 + 1
        line += [r.randint(1000000, 9999999) for _ in range(100)]
        for _ in range(100):
            line += r.choices(range(26), k=1)
        line += ["%032x" % r.getrandbits(128) for _ in range(10)]
        out.append(line)
        out += [r.sample(range(n), k) for n, k in SIZES]
        n = 0
        while n <= 4000:
            items = list(range(n))
            r.shuffle(items)
            out.append(items)
            n = n * 5 + 1
    return "".join("".join(f"{x} " for x in line) + "\n" for line in out)


def numpy_stream(seed):
    import numpy
    r = numpy.random.RandomState(seed)
    return "".join(f"{r.randint(10000, 99999)} {r.randint(0, 1 + i)}\n" for i in range(2000))


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def write():
    import numpy
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cpython_random.h")
    with open(path, "w", encoding="ascii") as h:
        h.write(f"/* sha256 of random streams: {{seed, digest}}. Written by tests/golden/cpython_random.py --write with CPython "
                f"{platform.python_version()}\n * and numpy {numpy.__version__}. */\n")
        h.write("static const struct rng_golden { uint64_t seed; const char *sha256; } python_golden[] = {\n")
        h.writelines(f'    {{{s}u, "{sha(stream(s))}"}},\n' for s in SEEDS)
        h.write("}, numpy_golden[] = {\n")
        h.writelines(f'    {{{s}u, "{sha(numpy_stream(s))}"}},\n' for s in NUMPY_SEEDS)
        h.write("};\n")


def compare(program):
    bad = 0
    for seed in SEEDS:
        got = subprocess.run([program, str(seed)], capture_output=True, text=True, check=True).stdout
        want = stream(seed)
        if got != want:
            bad += 1
            pair = next((i, a, b) for i, (a, b) in enumerate(zip(got.split() + [""], want.split() + [""])) if a != b)
            print(f"seed {seed}: item {pair[0]} is {pair[1]}, Python {platform.python_version()} gives {pair[2]}")
    print(f"{100 * (len(SEEDS) - bad) // len(SEEDS)}%: Checks: {len(SEEDS)}, Failures: {bad}, Errors: 0")
    return 1 if bad else 0


def main(args):
    if args == ["--write"]:
        return write()
    if len(args) == 2 and args[0] == "--compare":
        return compare(args[1])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
