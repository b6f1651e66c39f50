#!/usr/bin/env bash
# One bad point does not end a sweep: fault -> exit code, rows, and what else was measured. On one rank and on two.
#   tests/fault/outcomes.sh SPANBENCH INJECT_LIBRARY
set -euo pipefail
spanbench=$1 inject=$2
here=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=/dev/null
. "$here/slurm/lib/mpi_env.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=/dev/null
. "$here/tests/cli/cases.sh"

# Finite bf16 values of which products are not: a method that diverges.
python3 - "$work" <<'P'
import json, random, struct, sys
def bf16(x):
    return struct.unpack('>I', struct.pack('>f', x))[0] >> 16
def write(path, n, size):
    random.seed(5)
    names, at, head, body = ('q', 'k', 'v'), 0, {}, b''
    for name in names:
        block = struct.pack('<%dH' % (n * 64), *[bf16(size * random.choice([-1, 1]) * random.uniform(.5, 1)) for _ in range(n * 64)])
        head[name] = {'dtype': 'BF16', 'shape': [1, n, 64], 'data_offsets': [at, at + len(block)]}
        at, body = at + len(block), body + block
    head = json.dumps(head).encode()
    head += b' ' * (-len(head) % 8)
    open(path, 'wb').write(struct.pack('<Q', len(head)) + head + body)
write(sys.argv[1] + '/good.safetensors', 192, 1.0)
write(sys.argv[1] + '/huge.safetensors', 192, 1e37)
P

sweep() { # NAME INPUTS METHODS SHARDING
    printf 'sweep: %s\nexperiment: attention\nbackend: cpu\ninputs:\n  - %s\nmethods: %s\nsharding: %s\ntiming: {warmup: 0, repetitions: 1}\n' \
        "$1" "$2" "$3" "$4" >"$work/$1.yaml"
}
random='distribution: random, heads: 4, kv_heads: 2, head_dim: 64, seed: 7'
sweep diverges "{tensors: [$work/huge.safetensors, $work/good.safetensors]}" "[dense, a_shape]" "[allgather]"
sweep unsupported "{$random, lengths: [256]}" "[hip, a_shape]" "[ring, allgather]"
sweep no_fit "{$random, lengths: [67108864, 256]}" "[dense, a_shape]" "[allgather]"
sweep good "{$random, lengths: [256, 320]}" "[dense, a_shape]" "[allgather]"
sweep slow "{$random, lengths: [2048, 2304, 2560]}" "[dense]" "[allgather]"
sweep unknown_key "{$random, lengths: [256], colour: red}" "[dense]" "[allgather]"
sweep late_file "{tensors: [$work/good.safetensors, $work/late.safetensors]}" "[dense]" "[allgather]"

rows() { sqlite3 "$work/x.db" "select group_concat(c, ' ') from (select s.status || ' ' || count(*) c from sample s group by s.status order by 1)"; }
reason() { sqlite3 "$work/x.db" "select error from sample where status <> 'ok' order by id limit 1"; }

# outcome NAME RANKS FAULT CODE ROWS TEXT SWEEP [OPTION...]: ROWS '' no database, any, kept: the first point stored before stays; TEXT stands in the stored reason or on stderr.
outcome() {
    local name="$1, $2 ranks" ranks=$2 fault=$3 code=$4 want=$5 text=$6 file=$7
    shift 7
    rm -f "$work/x.db"*
    local launch=(mpirun -np "$ranks")
    [ "$ranks" = 1 ] && launch=()
    if [ "$want" = kept ]; then
        case_is "$name: the first point" 0 "$(code_of "${launch[@]}" "$spanbench" run "$work/$file.yaml" --db "$work/x.db" --no-table --point 0)"
    fi
    case_is "$name: exit code" "$code" "$(code_of "${launch[@]}" env FAULT="$fault" LD_PRELOAD="$inject" "$spanbench" run "$work/$file.yaml" \
        --db "$work/x.db" --no-table --watchdog 20 "$@")"
    if [ -n "$want" ]; then
        case $want in
            any) ;;
            kept) case_is "$name: rows" yes "$(case $(rows) in "ok "[1-9]*) echo yes ;; *) rows ;; esac)" ;;
            *) case_is "$name: rows" "$want" "$(rows)" ;;
        esac
        case_ok "$name: database" "$spanbench" db check "$work/x.db"
    else
        case_is "$name: no database" no "$([ -e "$work/x.db" ] && echo yes || echo no)"
    fi
    { reason 2>/dev/null || true; cat "$work/err"; } >"$work/said"
    case_ok "$name: says $text" grep -qE -- "$text" "$work/said"
}

for r in 1 2; do
    outcome diverges $r "" 1 "failed 2 ok 2" 'dense diverges: [0-9]+ of [0-9]+ values of layer 0' diverges
    outcome unsupported $r "" 0 "ok 5 unsupported 1" 'found ring, allowed allgather: hip looks at all keys' unsupported
    outcome "does not fit" $r "" 0 "no_fit 2 ok 2" 'needs [0-9.]+ GiB a rank.* GiB are available' no_fit
    # the room of a sample, in the last rank; then again without the fault
    outcome "out of memory" $r "kind=alloc min=200000 k=2 rank=$((r - 1))" 1 "failed 1 ok 3" 'no memory|bytes' good
    launch=(mpirun -np "$r")
    [ $r = 1 ] && launch=()
    case_is "out of memory, run again, $r ranks" 0 "$(code_of "${launch[@]}" "$spanbench" run "$work/good.yaml" --db "$work/x.db" --no-table)"
    case_is "the failed sample is mended, $r ranks" 4 "$(sqlite3 "$work/x.db" "select count(distinct point_id) from sample where status = 'ok'")"
    outcome "a full disk" $r "kind=write k=60 errno=28 stay=1" 1 kept 'x.db: no space left' good
    outcome "a quota" $r "kind=write k=60 errno=122 stay=1" 1 kept 'x.db: .*Disk quota exceeded' good
    outcome "a disk that fails" $r "kind=sync k=8 errno=5 stay=1" 1 kept 'x.db: .*disk I/O error' good
    outcome "a disk that turns read-only" $r "kind=write k=60 errno=30 stay=1" 1 kept 'x.db: .*Read-only file system' good
    outcome "an unknown key" $r "" 2 "" 'unknown_key.yaml:5:[0-9]+: .*colour' unknown_key
    outcome "a file that is not there" $r "" 2 "" 'late.safetensors' late_file
    outcome "time limit" $r "" 75 any 'time limit' slow --time-limit 1 --set timing.repetitions=80
done

# An environment of one rank alone that is wrong ends all.
case_is "SPAN_NCCL_MAX_CTAS: exit code" 2 "$(code_of mpirun -np 1 env SPAN_NCCL_MAX_CTAS=many "$spanbench" run "$work/unsupported.yaml" --db "$work/ctas.db" --no-table : \
    -np 1 "$spanbench" run "$work/unsupported.yaml" --db "$work/ctas.db" --no-table)"
case_ok "SPAN_NCCL_MAX_CTAS: message" grep -q 'SPAN_NCCL_MAX_CTAS: found `many`, allowed a whole number from 0 to 64' "$work/err"

# A file-size limit of the shell is an error like a full disk, not a signal that ends the program.
rm -f "$work/x.db"*
case_is "file-size limit: exit code" 1 "$(code_of bash -c 'ulimit -f 100; exec "$@"' - "$spanbench" run "$work/good.yaml" --db "$work/x.db" --no-table)"
case_ok "file-size limit: says so" grep -qE 'x.db: (no space left|disk I/O error)' "$work/err"
case_ok "file-size limit: go on" "$spanbench" run "$work/good.yaml" --db "$work/x.db" --no-table
case_is "file-size limit: rows" "ok 4" "$(rows)"
cases_end
