#!/usr/bin/env python3
"""The scaling study: predictions of `spanbench plan` for 8 to 1024 GPUs, as README.md and SVG plots in this folder.

  configs/plan/scaling/study.py SPANBENCH [DIR]      from the root of the sources; needs gnuplot

A model, not a measurement: one H100 has been measured, and the link between two of a host; links between hosts have not (configs/plan/h100.yaml
says which is which).
"""
import json
import os
import re
import subprocess
import sys
import tempfile

SWEEP = "configs/sweeps/scaling.yaml"
MACHINE = "configs/plan/h100.yaml"
RANKS = [8, 16, 32, 64, 128, 256, 512, 1024]
M = 1 << 20
LENGTHS = [1 * M, 2 * M, 4 * M, 10 * M]
BY_HEAD, AT_ONCE = "allgather:1", "allgather:0"
# name in tables, method, parameters it must have, sharding
CASES = [
    ("dense", "dense", {}, BY_HEAD),
    ("flexprefill .9", "flexprefill", {"gamma": 0.9}, BY_HEAD),
    ("flexprefill .95", "flexprefill", {"gamma": 0.95}, BY_HEAD),
    ("xattention", "xattention", {}, BY_HEAD),
    ("pbs_attn", "pbs_attn", {}, BY_HEAD),
    ("minference blocks", "minference", {}, BY_HEAD),
    ("hip", "hip", {}, BY_HEAD),
    ("streaming_llm", "streaming_llm", {}, BY_HEAD),
    ("streaming_llm, fetched", "streaming_llm", {}, "fetch:0"),
    ("power_attention", "power_attention", {}, BY_HEAD),
    ("power_attention, fetched", "power_attention", {}, "fetch:0"),
    ("lightning", "lightning", {}, "state:0"),
]
VARIANTS = {  # of the links: factors of bandwidth inside (I) and between hosts (W), and of latency between hosts (a)
    "as they are": {},
    "inside x 5": {"I": 5},
    "inside x 5, between / 4": {"I": 5, "W": 0.25},
    "inside x 5, between x 4": {"I": 5, "W": 4},
    "latency between x 10": {"a": 10},
}


def machine(text, v, path):
    for name, latency, bandwidth in (("inside", 1, v.get("I", 1)), ("between", v.get("a", 1), v.get("W", 1))):
        text, n = re.subn(rf"\{{name: {name}, latency_s: ([^,]+), bytes_per_s: ([^,]+),",
                          lambda m: (f"{{name: {name}, latency_s: {float(m[1]) * latency:g}, "
                                     f"bytes_per_s: {float(m[2]) * bandwidth:g},"), text)
        assert n == 1, "the machine file has another form"
    with open(path, "w") as f:
        f.write(text)


def plan(program, machine_file, ranks, *more):
    """Points by (method, parameters, length, sharding); exit code 3 (a point does not fit) is an answer too."""
    p = subprocess.run([program, "plan", SWEEP, "--machine", machine_file, "--ranks", str(ranks), "--refused-too", "--format", "json",
                        *more],
                       capture_output=True, text=True)
    if p.returncode not in (0, 3):
        sys.exit(p.stderr)
    points = {}
    for q in json.loads(p.stdout)["points"]:
        sharding = f"{q['sharding']}:{q['asked']}"
        for name, method, params, _ in CASES:
            if q["method"] == method and all(q["params"][k] == v for k, v in params.items()):
                points[name, q["length"], sharding] = q
    return points


def own(points, name, length):
    return points[name, length, next(c[3] for c in CASES if c[0] == name)]


def time_text(s):
    return f"{s * 1e6:.0f} us" if s < 1e-3 else f"{s * 1e3:.3g} ms" if s < 1 else f"{s:.3g} s"


def table(head, rows):
    return "\n".join(["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)] + ["| " + " | ".join(r) + " |" for r in rows])


def plot(path, title, xlabel, ylabel, lines, extra=""):
    """lines: [(name, [(x, y)])], both axes logarithmic."""
    script = [f"set terminal svg size 720,460 font 'sans,12'; set output '{path}'; set title '{title}'; set xlabel '{xlabel}'",
              f"set ylabel '{ylabel}'; set logscale xy; set key outside right; set grid; {extra}"]
    for i, (_, xy) in enumerate(lines):
        script += [f"$d{i} << E"] + [f"{x} {y:.6g}" for x, y in xy] + ["E"]
    script.append("plot " + ", ".join(f"$d{i} using 1:2 with linespoints pt {i % 12 + 1} ps 0.6 title '{name.replace('_', ' ')}'"
                                      for i, (name, _) in enumerate(lines)))
    subprocess.run(["gnuplot"], input="\n".join(script), text=True, check=True)


def half(base, name, length):
    """The fewest GPUs with which communication shows for longer than everything else takes."""
    for r in RANKS:
        s = own(base[r], name, length)["seconds"]
        if s["communicate"] > s["attention"] - s["communicate"]:
            return str(r)
    return "-"


def seconds(q, phase="attention"):
    return q["seconds"][phase]


def main():
    program, out = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else os.path.dirname(__file__)
    with open(MACHINE) as f:
        text = f.read()
    got = {}
    with tempfile.TemporaryDirectory() as tmp:
        for v, change in VARIANTS.items():
            path = os.path.join(tmp, "m.yaml")
            machine(text, change, path)
            got[v] = {r: plan(program, path, r, *([] if v == "as they are" else ["--no-memory"])) for r in RANKS}
    base = got["as they are"]
    names = [c[0] for c in CASES]
    ticks = "set xtics (8,16,32,64,128,256,512,1024)"

    for n in (1, 10):
        plot(os.path.join(out, f"time_{n}M.svg"), f"One attention layer at {n}M tokens (model)", "GPUs", "seconds",
             [(c, [(r, seconds(own(base[r], c, n * M))) for r in RANKS]) for c in names], ticks)
    plot(os.path.join(out, "exposed.svg"), "Share of communication that shows, 4M tokens (model)", "GPUs", "share of attention",
         [(c, [(r, max(seconds(own(base[r], c, 4 * M), "communicate") / seconds(own(base[r], c, 4 * M)), 1e-3)) for r in RANKS])
          for c in names], ticks + "; set yrange [1e-3:1.5]")
    schemes = [("a head at a time", BY_HEAD), ("all keys first", AT_ONCE), ("ring", "ring:0"), ("usp: Ulysses 8, ring", "usp:8")]
    plot(os.path.join(out, "schemes.svg"), "Dense, one layer at 1M tokens, by scheme (model)", "GPUs", "seconds",
         [(n, [(r, seconds(base[r]["dense", M, s])) for r in RANKS if base[r]["dense", M, s]["status"] != "unsupported"])
          for n, s in schemes], ticks)

    times = {n: table(["method"] + [f"{r} GPUs" for r in RANKS],
                      [[c] + [time_text(seconds(own(base[r], c, n * M))) for r in RANKS] for c in names]) for n in (1, 10)}
    crossing = table(["method"] + [f"{n // M}M" for n in LENGTHS] + [f"4M, {v}" for v in VARIANTS if v != "as they are"],
                     [[c] + [half(base, c, n) for n in LENGTHS] + [half(got[v], c, 4 * M) for v in VARIANTS if v != "as they are"]
                      for c in names])
    gain = table(["method"] + list(VARIANTS),
                 [[c] + [f"{seconds(own(got[v][64], 'dense', M)) / seconds(own(got[v][64], c, M)):.1f}" for v in VARIANTS] for c in names])
    shown = table(["scheme"] + [f"{r} GPUs" for r in RANKS],
                  [[n] + [time_text(seconds(base[r]["dense", M, s], "communicate")) if base[r]["dense", M, s]["status"] != "unsupported"
                          else "-" for r in RANKS] for n, s in schemes])
    room = table(["tokens", "scheme"] + [f"{r} GPUs" for r in RANKS],
                 [[f"{n // M}M", s] + [f"{base[r]['dense', n, k]['device_bytes'] / 2**30:.1f}" +
                                       ("" if base[r]["dense", n, k]["device_bytes"] <= 78 * 2**30 else " (no)") for r in RANKS]
                  for n in LENGTHS for s, k in schemes])
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "page.md")) as f:
        page = f.read()
    for key, value in {"TIMES_1M": times[1], "TIMES_10M": times[10], "CROSSING": crossing, "GAIN": gain, "SHOWN": shown,
                       "ROOM": room}.items():
        page = page.replace("{{" + key + "}}", value)
    with open(os.path.join(out, "README.md"), "w") as f:
        f.write(page)


if __name__ == "__main__":
    main()
