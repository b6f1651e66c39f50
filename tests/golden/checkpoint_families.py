"""Logits of the small Gemma 3 and TransNormerLLM of the unit tests, by others.

    v/bin/python tests/golden/checkpoint_families.py build/tests/make_checkpoint > tests/golden/checkpoint_families.h

(v: tests/golden/checkpoint_smollm2.py.) make_checkpoint writes Hugging Face files with random weights (tests/unit/harness/model/checkpoint/tiny.c).
Gemma 3 is loaded and run by transformers' Gemma3ForCausalLM in fp32, with the embedding's factor rounded to bf16 as in its bf16
runs. TransNormerLLM is written out below in NumPy, double precision, token by token, from its description (lightning 3.1, 3.2, 3.5):
its own code comes with released weights alone. Positions in LRPE are rounded to bf16, as that code does in bf16.
"""
import json, math, os, subprocess, sys, tempfile

import numpy as np
import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

TOKENS, SEED, POSITIONS, EVERY = 300, 5, [0, 1, 23, 24, 25, 149, 299], 8


def ids():  # llama_ids of llama_rig.c
    x, out = SEED + 1, []
    for _ in range(TOKENS):
        x = (x * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append(3 + (x >> 33) % 250)
    return out


def gemma3(folder):
    m = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    m.model.embed_tokens.embed_scale.fill_(float(torch.tensor(m.config.hidden_size**0.5).bfloat16()))
    with torch.no_grad():
        return m(torch.tensor([ids()])).logits[0].double().numpy()


def slopes(heads):
    if heads & (heads - 1) == 0:
        r = 2.0 ** (-8 / heads)
        return [r ** (i + 1) for i in range(heads)]
    p = 2 ** int(math.log2(heads))
    return slopes(p) + slopes(2 * p)[0::2][:heads - p]


def srms(x):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6)


def bf16(x):
    return float(torch.tensor(float(x)).bfloat16())


def transnormer(folder):
    c = json.load(open(f"{folder}/config.json"))
    w = {k: v.double().numpy() for k, v in load_file(f"{folder}/model.safetensors").items()}
    layers, heads, hidden = c["decoder_layers"], c["decoder_attention_heads"], c["hidden_dim"]
    d = hidden // heads
    x = w["model.embed_tokens.weight"][ids()] * bf16(math.sqrt(c["decoder_embed_dim"]))
    for l in range(layers):
        at = f"model.layers.{l}."
        q, k, v, u = np.split(srms(x) @ w[at + "token_mixer.qkvu_proj.weight"].T, 4, axis=1)
        q, k = q / (1 + np.exp(-q)), k / (1 + np.exp(-k))
        q, k, v = (z.reshape(-1, heads, d) for z in (q, k, v))
        if c["linear_use_lrpe_list"][l]:
            angle = w[at + "token_mixer.lrpe.theta"].reshape(1, heads, d) * np.array([bf16(p) for p in range(TOKENS)])[:, None, None]
            q, k = (np.concatenate([z * np.cos(angle), z * np.sin(angle)], -1) for z in (q, k))
        decay = np.exp(-np.array(slopes(heads)) * (1 - l / (layers - 1) + 1e-5))
        state, o = np.zeros((heads, q.shape[-1], d)), np.zeros((TOKENS, heads, d))
        for t in range(TOKENS):
            state = decay[:, None, None] * state + k[t][:, :, None] * v[t][:, None, :]
            o[t] = np.einsum("hk,hkv->hv", q[t], state)
        x = x + (u * srms(o.reshape(TOKENS, hidden))) @ w[at + "token_mixer.out_proj.weight"].T
        z = srms(x)
        x = x + ((z @ w[at + "channel_mixer.l1.weight"].T) * (z @ w[at + "channel_mixer.l2.weight"].T)) @ w[at + "channel_mixer.l3.weight"].T
    return srms(x) @ w["model.embed_tokens.weight"].T


def table(name, logits):
    print(f"static const double {name}_golden[][{len(logits[0][::EVERY])}] = {{")
    for p in POSITIONS:
        values = [f"{v:.7g}" for v in logits[p][::EVERY]]
        lines = [", ".join(values[i:i + 8]) for i in range(0, len(values), 8)]
        print("    {" + ",\n     ".join(lines) + "},")
    print("};")


def main():
    print(f"/* Made by tests/golden/checkpoint_families.py: torch {torch.__version__}, transformers {transformers.__version__},\n"
          f" * numpy {np.__version__}. Logits of every {EVERY}th id after some of {TOKENS} tokens (llama_ids, seed {SEED}). */\n/* clang-format off */")
    print(f"enum {{ GOLDEN_TOKENS = {TOKENS}, GOLDEN_SEED = {SEED}, GOLDEN_EVERY = {EVERY}, GOLDEN_POSITIONS = {len(POSITIONS)} }};")
    print("static const int golden_position[] = {" + ", ".join(map(str, POSITIONS)) + "};")
    for name, by in (("gemma3", gemma3), ("transnormer", transnormer)):
        with tempfile.TemporaryDirectory() as d:
            subprocess.run([sys.argv[1], os.path.join(d, "m"), "-", name], check=True)
            table(name, by(os.path.join(d, "m")))


if __name__ == "__main__":
    main()
