#!/usr/bin/env bash
# The memory of points on a GPU is known where there is none: dry runs of the sweeps for one, in a build with the cuda backend.
#   tests/cli/device_memory.sh SPANBENCH
set -euo pipefail
spanbench=$(realpath "$1")
cd "$(dirname "$0")/../.."
# shellcheck source=slurm/lib/mpi_env.sh
. slurm/lib/mpi_env.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/cli/cases.sh
. tests/cli/cases.sh
if "$spanbench" --version 2>&1 | grep -q '^cuda .*not built in'; then
    echo "skipped: a build without the cuda backend"
    exit 77
fi
for sweep in configs/machines/*_h100.yaml configs/sweeps/probe_1m.yaml; do
    case_ok "dry run of $sweep" "$spanbench" run "$sweep" --dry-run
    grep -E '^[0-9]+ ' "$work/case.log" >"$work/points" || true
    case_is "$sweep: it has points" yes "$([ -s "$work/points" ] && echo yes || echo no)"
    case_is "$sweep: GiB of host + device for every point" "" "$(grep -vE ' [0-9.]+ \+ +[0-9.]+  [a-z]' "$work/points" || true)"
done
cases_end
