#!/usr/bin/env bash
# compare.py with the first python3 that has numpy: the one on PATH, or the system's own.
#   tests/golden/compare.sh SPANBENCH [--quiet]
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=slurm/lib/mpi_env.sh
. slurm/lib/mpi_env.sh

for python in python3 /usr/bin/python3; do
    if "$python" -c 'import numpy' 2>/dev/null; then
        exec "$python" -B tests/golden/compare.py "$@"
    fi
done
echo "skipped: no python3 with numpy (python3-numpy)"
exit 77
