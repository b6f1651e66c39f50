#!/usr/bin/env python3
"""q, k, v of a layer of a Hugging Face model, as `experiment: attention` reads them.

    python capture_qkv.py MODEL PROMPT.txt OUT_DIR [LAYER ...]       # needs torch, transformers, safetensors

Writes OUT_DIR/layerN.safetensors with q [1][heads][tokens][head_dim] and k, v [1][kv_heads][tokens][head_dim], after RoPE and
before any repetition of KV heads, and the scale of the logits as metadata. One prefill of the whole prompt, no cache, batch 1.

How: transformers calls every attention through a table of functions; this puts one of its own there that keeps its arguments and
hands on to the one that was meant. So it works for any model whose attention goes through that table (transformers >= 4.56).
"""
import os
import sys

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS


def capture(model, input_ids, out_dir, layers=None, inner="sdpa"):
    """Run one prefill and write a file for each layer of `layers` (None: all). Returns the paths."""
    inner_fn, paths = ALL_ATTENTION_FUNCTIONS[inner], []
    os.makedirs(out_dir, exist_ok=True)

    def keep(module, query, key, value, attention_mask, scaling=None, **kwargs):
        if layers is None or module.layer_idx in layers:
            scale = scaling if scaling is not None else query.shape[-1] ** -0.5
            paths.append(os.path.join(out_dir, f"layer{module.layer_idx}.safetensors"))
            tensors = {"q": query, "k": key, "v": value}
            save_file({n: t.detach().to(torch.bfloat16).cpu().contiguous() for n, t in tensors.items()}, paths[-1],
                      metadata={"scale": repr(float(scale))})
        return inner_fn(module, query, key, value, attention_mask, scaling=scaling, **kwargs)

    ALL_ATTENTION_FUNCTIONS["capture"] = keep
    before = model.config._attn_implementation
    model.config._attn_implementation = "capture"
    try:
        with torch.no_grad():
            model.base_model(input_ids, use_cache=False)  # without the head: no logits of every token
    finally:
        model.config._attn_implementation = before
    return paths


def main(args):
    if len(args) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    name, prompt, out_dir, layers = args[0], args[1], args[2], [int(x) for x in args[3:]] or None
    tokenizer = AutoTokenizer.from_pretrained(name)
    model = AutoModelForCausalLM.from_pretrained(name, dtype="auto")
    with open(prompt, encoding="utf-8") as f:
        ids = tokenizer(f.read(), return_tensors="pt").input_ids
    for path in capture(model, ids, out_dir, layers):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
