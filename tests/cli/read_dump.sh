#!/usr/bin/env bash
# Our files in other hands: numpy and the safetensors package write q, k, v, spanbench attends, configs/capture/read_dump.py computes
# every row again from the dumped index. Needs python3 and, once, the package index (a virtual environment of 100 MB in DIR).
#   tests/cli/read_dump.sh SPANBENCH DIR
set -euo pipefail
spanbench=$1 venv=$2/test-venv
here=$(cd "$(dirname "$0")/../.." && pwd)
cd "$here"
# shellcheck source=slurm/lib/mpi_env.sh
. slurm/lib/mpi_env.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/cli/cases.sh
. tests/cli/cases.sh

if ! "$venv/bin/python" -c 'import numpy, safetensors' 2>/dev/null; then
    { rm -rf "$venv" && python3 -m venv "$venv" && timeout 200 "$venv/bin/pip" install -q --disable-pip-version-check numpy safetensors; } \
        >"$work/pip.log" 2>&1 || { echo "skipped: no numpy and safetensors for python3: $(tail -n 1 "$work/pip.log")" && exit 77; }
fi
python=$venv/bin/python

cat >"$work/make.py" <<'P'
import sys
import numpy as np
from safetensors.numpy import save_file
rng = np.random.default_rng(5)
for name, queries, dtype, batch in (("whole", 700, np.float32, 0), ("chunk", 150, np.float16, 1)):
    q, k, v = (rng.standard_normal((h, n, 32)) * s for h, n, s in ((4, queries, 2), (2, 700, 2), (2, 700, 1)))
    save_file({n: (x[None] if batch else x).astype(dtype) for n, x in {"model.q": q, "model.k": k, "model.v": v}.items()},
              f"{sys.argv[1]}/{name}.safetensors", metadata={"made": "by numpy"})
P
"$python" "$work/make.py" "$work"
cat >"$work/sweep.yaml" <<Y
sweep: read_dump
experiment: attention
backend: cpu
inputs:
  - {tensors: [$work/whole.safetensors, $work/chunk.safetensors], q: model.q, k: model.k, v: model.v, scale: 0.15}
methods:
  - dense
  - {name: a_shape, sink_tokens: 5, window_tokens: 77}
  - {name: power_attention, block_tokens: 32}
  - {name: minference, vertical_tokens: 40, slash_tokens: 100}
  - {name: xattention, block_tokens: 32, stride_tokens: 4, tau: 0.7}
  - {name: anchor_attention, block_tokens: 16, step_blocks: 3, theta: 3}
  - {name: anchor_attention, block_tokens: 16, step_blocks: 3, theta: 3, windows: released}
  - {name: power_attention, pattern: moa, alpha_tokens: 40, beta: 0.1, granularity_tokens: 32}
  - {name: power_attention, pattern: neighborhood, window_tokens: 50, stride_tokens: 7, dilation_tokens: 3}
  - {name: power_attention, pattern: blockrank, instruction_tokens: 30, document_tokens: 64, query_tokens: 40}
  - {name: pbs_attn, block_tokens: 16, segment_tokens: 64, tau: 0.6}
  - {name: flexprefill, block_tokens: 32, gamma: 0.7, min_budget_tokens: 64}
  - {name: hip, top_k_tokens: 64, window_tokens: 64, block_q_tokens: 32}
timing: {warmup: 0, repetitions: 1}
dump: {dir: $work/dump, what: [index, o, lse]}
Y
case_ok "files of numpy run" mpirun -np 2 "$spanbench" run "$work/sweep.yaml" --db "$work/out.db" --no-table
case_is "methods that judge by all queries refuse a chunk" "flexprefill,pbs_attn" \
    "$(sqlite3 "$work/out.db" "select group_concat(method) from (select method from coverage where status = 'unsupported' and task = 'chunk.safetensors' order by 1)")"
case_is "a dump each" "24" "$(find "$work/dump" -name '*.safetensors' | wc -l)"
for dump in "$work"/dump/*.safetensors; do
    name=${dump##*/}
    input=$work/${name%%.*}.safetensors
    case_ok "$name computed again" "$python" configs/capture/read_dump.py "$dump" "$input" model.q model.k model.v
    point=$(sed -E 's/^.*_([0-9a-f]{12})_r0\.safetensors$/\1/' <<<"$name")
    stored=$(sqlite3 "$work/out.db" "select printf('%.4f', 1.0 * rho_num / rho_den) from quality join sample on sample.id = sample_id
        join point on point.id = point_id where substr(hash, 1, 12) = '$point' and task = '${name%%.*}.safetensors' and head is null")
    case_is "$name: its density is the database's" "$stored" "$(awk '$1 == "density" {print $2}' "$work/case.log")"
done
# The comparison can fail: with the keys for values.
case_is "another input is noticed" "1" \
    "$(code_of "$python" configs/capture/read_dump.py "$(find "$work/dump" -name 'whole*_dense_*')" "$work/whole.safetensors" model.q model.k model.k)"
cases_end
