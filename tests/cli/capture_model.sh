#!/usr/bin/env bash
# configs/capture/capture_qkv.py on a small random Llama: what it keeps gives the attention that the model computed. Runs where python3
# (or SPAN_TEST_PYTHON) has torch and transformers; installing them takes 5.6 GB and some minutes, so no test does.
#   tests/cli/capture_model.sh SPANBENCH
set -euo pipefail
spanbench=$1
python=${SPAN_TEST_PYTHON:-python3}
here=$(cd "$(dirname "$0")/../.." && pwd)
cd "$here"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/cli/cases.sh
. tests/cli/cases.sh

if ! "$python" -c 'import torch, transformers, safetensors' 2>/dev/null; then
    echo "skipped: $python has no torch and transformers (5.6 GB; name a python that has them in SPAN_TEST_PYTHON)"
    exit 77
fi
cat >"$work/capture.py" <<'P'
import sys
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM
sys.path.insert(0, "configs/capture")
import capture_qkv
torch.manual_seed(0)
config = LlamaConfig(vocab_size=128, hidden_size=128, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
                     num_key_value_heads=2, max_position_embeddings=512)
model, ids, seen = LlamaForCausalLM(config).eval(), torch.randint(0, 128, (1, 300)), {}
model.model.layers[1].self_attn.o_proj.register_forward_pre_hook(lambda _, a: seen.update(o=a[0].detach()))
before = model.config._attn_implementation
paths = capture_qkv.capture(model, ids, sys.argv[1], [1])
assert paths == [sys.argv[1] + "/layer1.safetensors"] and model.config._attn_implementation == before
t = load_file(paths[0])
assert t["q"].shape == (1, 4, 300, 32) and t["k"].shape == t["v"].shape == (1, 2, 300, 32)
save_file({"o": seen["o"].reshape(300, 4, 32).transpose(0, 1).contiguous()}, sys.argv[1] + "/model_o.safetensors")
P
cat >"$work/compare.py" <<'P'
import sys
import torch
from safetensors.torch import load_file
ours, model = load_file(sys.argv[1])["o"].float(), load_file(sys.argv[2])["o"].float()
error = ((ours - model).norm() / model.norm()).item()
print("relative L2", error)
sys.exit(not error < 6e-3)
P
mkdir "$work/out"
case_ok "a layer is captured" "$python" "$work/capture.py" "$work/out"
cat >"$work/sweep.yaml" <<Y
sweep: captured
experiment: attention
inputs:
  - {tensors: $work/out/layer1.safetensors}
methods: [dense]
timing: {warmup: 0, repetitions: 1}
dump: {dir: $work/dump, what: o}
Y
case_ok "spanbench attends to it" "$spanbench" run "$work/sweep.yaml" --db "$work/out.db" --no-table
case_ok "and gets what the model got" "$python" "$work/compare.py" "$(find "$work/dump" -name '*.safetensors')" "$work/out/model_o.safetensors"
cases_end
