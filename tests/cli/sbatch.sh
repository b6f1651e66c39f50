#!/usr/bin/env bash
# `spanbench sbatch` without a cluster: two scripts that must stay as they are (tests/cli/sbatch/*.sbatch), what is refused, and values
# that a shell could trip over, followed through the script into the program's arguments.
#   tests/cli/sbatch.sh SPANBENCH             UPDATE=1: write the golden files anew
set -euo pipefail
spanbench=$(realpath "$1")
here=$(cd "$(dirname "$0")/../.." && pwd)
golden=$here/tests/cli/sbatch
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/cli/cases.sh
. "$here/tests/cli/cases.sh"
mkdir "$work/folder"
cd "$work/folder"
cp "$golden/sweep.yaml" "$golden/full.yaml" .

# What differs from place to place, and from version to version.
plain() {
    sed -e "s|$work|/home/jane|g; s|$spanbench|/bin/spanbench|g; s|spanbench [0-9][0-9.]* for|spanbench VERSION for|" \
        -e 's|^list=[0-9a-f]*|list=HASH|; s|sweep-[0-9a-f]\{12\}|sweep-HASH|g'
}

# same NAME: the script at $work/out is the golden one
same() {
    plain <"$work/out" >"$work/$1.sbatch"
    [ -z "${UPDATE:-}" ] || cp "$work/$1.sbatch" "$golden/$1.sbatch"
    case_ok "script $1 is the golden one" diff -u "$golden/$1.sbatch" "$work/$1.sbatch"
}

# sound: the script at $work/out is bash, and shellcheck has nothing to say but that single quotes quote (SC2016)
sound() {
    case_ok "$1: bash -n" bash -n "$work/out"
    if command -v shellcheck >/dev/null; then case_ok "$1: shellcheck" shellcheck -e SC2016 "$work/out"; fi
}

case_is "no site" "0" "$(code_of "$spanbench" sbatch --machine none sweep.yaml)"
same plain
sound plain
case_is "the folder of the logs is there" "1" "$(find results -name logs -type d | wc -l)"
touch base.db gates.yaml
full=("$spanbench" sbatch sweep.yaml --site full.yaml --ranks 4 --base base.db --gates gates.yaml --set "workloads[0].samples=2" --set "methods[1].window_tokens=128")
case_is "every key" "0" "$(code_of "${full[@]}")"
same full
sound full
case_is "said on stderr" "18 points in 6 elements of 4 ranks on 2 nodes, at most 9 minutes each; results: /home/jane/folder/out/sweep.db" "$(plain <"$work/err")"

# ---- the shape ----
elements() { sed -n '/^elements=(/,/^)/p' "$work/out" | grep -c '#'; }
case_is "longer elements" "0" "$(code_of "$spanbench" sbatch --machine none sweep.yaml --element-time 100000)"
case_is "short cells share one" "1" "$(elements)"
case_is "throttle" "0" "$(code_of "$spanbench" sbatch --machine none sweep.yaml --array 2)"
case_is "in the array" "1" "$(grep -c '^#SBATCH --array=0-[0-9]*%2$' "$work/out")"

# ---- refused ----
refused() { # NAME CODE TEXT OPTIONS...
    local name=$1 code=$2 text=$3
    shift 3
    case_is "$name" "$code" "$(code_of "$spanbench" sbatch --machine none "$@")"
    case_ok "$name: says why" grep -qF -- "$text" "$work/err"
    case_is "$name: no script" "0" "$(stat -c %s "$work/out")"
}
refused "ranks" 3 "4 ranks at 1 a node need 4 nodes, site default allows 1 (limits.nodes)" sweep.yaml --ranks 4
printf 'site: slow\ntime: {sample_s: 90000}\n' >slow.yaml
refused "time" 3 "one sample and its anchor are predicted to take 90000 s; the longest job of site slow has room for" sweep.yaml --site slow.yaml
printf 'site: short\nlimits: {array: 1, minutes: 60}\ntime: {sample_s: 200}\n' >short.yaml
refused "array" 3 "array elements of at most 2240 s each, site short allows 1 (limits.array" sweep.yaml --site short.yaml
sed 's/backend: cpu/backend: cuda/' sweep.yaml >cuda.yaml
refused "GPUs" 3 "1 ranks a node need 1 GPUs, a node of site default has 0 (node.gpus)" cuda.yaml
printf 'site: x\naccount: a b\n' >bad.yaml
refused "a bad site" 2 'bad.yaml:2:10: account: found `a b`, allowed a word' sweep.yaml --site bad.yaml
refused "no site file" 2 "none.yaml" sweep.yaml --site none.yaml
refused "a bad sweep" 2 "bad.yaml:1:1: site: found an unknown key" bad.yaml
refused "no sweep" 2 "name a sweep file"
refused "two sweeps" 2 "one sweep file at a time" a.yaml b.yaml
refused "gates without a base" 2 "--gates: found no --base" sweep.yaml --gates gates.yaml
refused "no base" 2 "none.db: No such file" sweep.yaml --base none.db
refused "an option" 2 "--rank" sweep.yaml --rankz 4
refused "a number" 2 '--ranks: found `x`' sweep.yaml --ranks x
case_is "help" "0" "$(code_of "$spanbench" sbatch --help)"
case_is "a full disk is told" "1" "$("$spanbench" sbatch sweep.yaml >/dev/full 2>/dev/null || echo $?)"

# ---- predicted by a machine that the program knows ----
predicted() { # MEMORY_GIB OPTIONS...
    printf 'site: p\nmachine: epyc_milan\nnode: {cores: 4, memory_gib: %s}\nlimits: {nodes: 8}\n' "$1" >predicted.yaml
    code_of "$spanbench" sbatch sweep.yaml --site predicted.yaml "${@:2}"
}
case_is "predicted" "0" "$(predicted 8)"
case_is "it says by what" "1" "$(grep -c '^# Predicted: .* (spanbench plan, machine epyc_milan)' "$work/out")"
case_is "memory of the largest rank" "1" "$(grep -c '^# The largest rank needs 0.0[0-9]* GiB of the host' "$work/out")"
case_is "which is asked for" "1" "$(grep -c '^#SBATCH --mem=[0-9]*M' "$work/out")"
case_ok "less than a node has" test "$(sed -n 's/^#SBATCH --mem=\([0-9]*\)M/\1/p' "$work/out")" -le 8192
case_is "or all of it" "0" "$(predicted .25)"
case_is "not more" "1" "$(grep -c '^#SBATCH --mem=256M$' "$work/out")"
case_is "too little for any number of ranks" "3" "$(predicted .005)"
case_ok "says how much" grep -q 'needs 0.0 GiB a rank, 1 ranks a node 0.0 GiB; a node of site p has 0.0' "$work/err"
need=$("$spanbench" plan sweep.yaml --machine epyc_milan --threads 4 --format json | python3 -c "
import json, re, sys
print(max(int(n) for n in re.findall(r'\"host_bytes\": *(\d+)', sys.stdin.read())) / 2**30)")
case_is "too little for one rank" "3" "$(predicted "$(echo "$need * .99" | bc)" --ranks 1)"
case_is "then as many as it takes" "0" "$(predicted "$(echo "$need * .99" | bc)")"
case_is "which are two" "1" "$(grep -c '^#SBATCH --ntasks=2$' "$work/out")"
sed 's/epyc_milan/h100/' predicted.yaml >gpu.yaml
case_is "a site's GPU machine is not asked about the CPU" "0" "$(code_of "$spanbench" sbatch sweep.yaml --site gpu.yaml --ranks 8)"
case_is "one that is named is" "2" "$(code_of "$spanbench" sbatch sweep.yaml --machine h100)"
refused "an unknown machine" 2 "nonesuch" sweep.yaml --machine nonesuch

# ---- hostile values, through the script into what it runs ----
mkdir bin
record() { # PROGRAM: writes its arguments, one a line, to $work/NAME.args
    printf '#!/bin/bash\nprintf "%%s\\n" "$@" >>"%s/%s.args"\n%s\n' "$PWD" "$1" "${2:-}" >"bin/$1"
    chmod +x "bin/$1"
}
record sbatch 'echo 77'
record scontrol
record srun 'while [ "${1#-}" != "$1" ]; do shift; done; exec "$@"'
record box 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"'
bad='a b$(touch pwned)`touch pwned`;touch pwned&"'\''\#%*'
mkdir "$PWD/$bad" "$PWD/disk"
record program
mv bin/program "$PWD/$bad/program"
cp sweep.yaml "$PWD/$bad/$bad.yaml"
python3 - "$bad" >hostile.yaml <<'P'
import json, sys
bad = sys.argv[1]
print(json.dumps({"site": "x", "mpi": "pmix", "container": ["box", bad, "--"], "program": f"./{bad}/program", "results": f"r {bad}",
    "node_local": f"$DISK/{bad}", "machine": "none", "modules": [bad], "module_paths": [bad], "environment": {"HOSTILE": bad}}))
P
mkdir "disk/$bad"
case_is "hostile: written" "0" "$(code_of "$spanbench" sbatch "$PWD/$bad/$bad.yaml" --site hostile.yaml --set "workloads[0].corpus.path=$bad" --base "$PWD/$bad/$bad.yaml")"
sound hostile
cp "$work/out" hostile.sbatch
# the header ends before the first command, and holds nothing but options
case_is "hostile: one option a line" "0" "$(sed -n '/^#SBATCH/p' "$work/out" | grep -cvE '^#SBATCH --[a-z-]+(=("([^"\\]|\\.)*"|[^" ]+))?$' || true)"
export PATH=$PWD/bin:$PATH DISK=$PWD/disk
export SLURM_ARRAY_JOB_ID=5 SLURM_ARRAY_TASK_ID=0 SLURM_JOB_ID=5 SLURM_CPUS_PER_TASK=1
module() { printf '%s\n' "$@" >>"$work/folder/module.args"; }
export -f module
export work
case_is "hostile: an element runs" "0" "$(code_of bash hostile.sbatch)"
list=$(sed -n 's/^list=\([0-9a-f]*\).*/\1/p' hostile.sbatch)
folder="$PWD/r $bad/$bad-${list:0:12}"
disk=$(sed -n '/^--db$/{n;p}' program.args)
printf '%s\n' run "$PWD/$bad/$bad.yaml" --set "workloads[0].corpus.path=$bad" --list "$list" --point "$(sed -n '/^elements=(/{n;s/ *\([0-9-]*\).*/\1/p}' hostile.sbatch)" \
    --db "$disk" --publish "$folder/shards/5_0.db" --publish-every 30 --no-table >want
case_ok "hostile: the program's arguments" diff want program.args
case_is "hostile: on the node's disk" "$PWD/disk/$bad/spanbench." "${disk%??????/5_0.db}"
case_is "hostile: which is left clean" "0" "$(find disk -mindepth 2 | wc -l)"
case_is "hostile: modules" "$(printf '%s\n' use "$bad" load "$bad")" "$(cat module.args)"
case_is "hostile: the container" "$bad" "$(head -n 1 box.args)"
finish=$(sed -n '/^--wrap$/{n;p}' sbatch.args)
case_is "hostile: the job behind is queued" "1" "$(grep -c 'dependency=afterany:5,singleton' sbatch.args)"
mkdir -p "$folder/shards" && touch "$folder/shards/5_0.db"
rm program.args
case_is "hostile: and runs" "0" "$(code_of bash -c "$finish")"
main="$PWD/r $bad/$bad.db"
printf '%s\n' db merge "$main" "$folder/shards/5_0.db" report "$main" -o "${main%.db}.html" \
    compare "$PWD/$bad/$bad.yaml" "$main" --junit "${main%.db}.gate.xml" >want
case_ok "hostile: with its arguments" diff want program.args
case_is "hostile: nothing was run by the way" "0" "$(find "$work" -name pwned | wc -l)"
cp sweep.yaml "$(printf 'new\nline.yaml')"
case_is "a line end in a path" "2" "$(code_of "$spanbench" sbatch "$(printf 'new\nline.yaml')")"

# ---- signals, by a program that listens ----
cat >"$PWD/$bad/program" <<'X'
#!/bin/bash
case $1 in run) ;; *) printf '%s\n' "$@" >>other.args; exit 0 ;; esac
trap 'echo told >>told; exit 75' USR1
: >ready
for _ in $(seq 600); do sleep .1; done
X
cat >bin/srun <<'X'
#!/bin/bash
while [ "${1#-}" != "$1" ]; do shift; done
exec "$@"
X
listen() { # SIGNAL: what an element does when it is told so; prints its exit code
    rm -f ready told scontrol.args
    bash hostile.sbatch >/dev/null 2>&1 &
    local job=$! rc=0
    for _ in $(seq 200); do [ -e ready ] && break; sleep .05; done
    kill "-$1" $job
    wait $job || rc=$?
    echo "$rc $(wc -l <told) $(grep -c '^requeue$' scontrol.args || true)"
}
# requeue succeeds and the script would wait for its end: a short sleep stands in
printf '#!/bin/bash\n[ "$1" = 60 ] || exec /bin/sleep "$1"\n' >bin/sleep
chmod +x bin/sleep
case_is "the time limit: told once, requeued" "75 1 1" "$(listen USR1)"
case_is "cancelled: told once, not requeued" "75 1 0" "$(listen TERM)"
export SLURM_RESTART_COUNT=5
case_is "requeued often enough" "75 1 0" "$(listen USR1)"
cases_end
