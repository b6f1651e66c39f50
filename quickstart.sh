#!/usr/bin/env bash
# Set-up and first measurement in one command: packages, build, configs/quickstart.yaml on two MPI ranks, the table.
# A second call finds everything in place and ends in seconds.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: ./quickstart.sh [--cpu | --cuda] [--no-install] [--prefix DIR] [-- CMAKE ARGUMENTS]

  --cpu          build without CUDA
  --cuda         build with CUDA (needs nvcc); the default is to do so when a GPU is visible
  --no-install   install nothing, for users without root: libraries come from the system, from --prefix or from
                 CMAKE_PREFIX_PATH; what is missing is named all at once
  --prefix DIR   look in DIR first (bin, lib, lib/pkgconfig); may be given more than once
  --             what follows goes to cmake, e.g. -- -DSPAN_STATIC_DEPS=ON

The program ends up at build/spanbench, the results at results/quickstart.db.
Exit code: that of `spanbench run`; 2 for a bad option or missing packages.
TEXT
}

die() {
    echo "quickstart: $*" >&2
    exit 2
}
say() { echo "quickstart: $*" >&2; }

backend=auto install=yes prefixes=()
while [ $# -gt 0 ]; do
    case $1 in
        --cpu) backend=cpu ;;
        --cuda) backend=cuda ;;
        --no-install) install=no ;;
        --prefix)
            [ -n "${2:-}" ] || die "--prefix needs a directory"
            [ -d "$2" ] || die "--prefix $2: no such directory"
            prefixes+=("$(cd "$2" && pwd)")
            shift
            ;;
        -h | --help) usage && exit 0 ;;
        --)
            shift
            break
            ;;
        *) die "unknown option $1 (see --help)" ;;
    esac
    shift
done

cmake_args=("$@")
SPAN_ROOT=$(cd "$(dirname "$0")" && pwd)
cd "$SPAN_ROOT"
# shellcheck source=slurm/lib/packages.sh
. slurm/lib/packages.sh
IFS=':;' read -ra given <<<"${CMAKE_PREFIX_PATH:-}"
for dir in ${given[@]+"${given[@]}"} ${prefixes[@]+"${prefixes[@]}"}; do
    span_use_prefix "$dir"
done

# ---- CPU or CUDA ----
have_nvcc() { PATH="${CUDA_HOME:-/usr/local/cuda}/bin:/usr/local/cuda/bin:$PATH" command -v nvcc >/dev/null; }
if [ $backend = auto ]; then
    backend=cpu
    if nvidia-smi -L >/dev/null 2>&1; then
        if have_nvcc; then
            backend=cuda
        else
            say "a GPU is visible, but there is no nvcc: CPU build (install the CUDA Toolkit for a CUDA build)"
        fi
    fi
elif [ $backend = cuda ] && ! have_nvcc; then
    die "--cuda: no nvcc on PATH or in /usr/local/cuda/bin; install the CUDA Toolkit"
fi
sections=(build)
[ $backend = cuda ] && sections+=(cuda)

# logged COMMAND...: quiet unless it fails
log=build/quickstart.log
mkdir -p build
logged() {
    if ! "$@" >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        die "failed: $* (all of it in $log)"
    fi
}

# ---- packages ----
if [ $install = yes ] && ! command -v dpkg-query >/dev/null; then
    say "this is not Debian: nothing is installed (as with --no-install)"
    install=no
fi
if [ $install = yes ]; then
    missing=$(span_not_installed "${sections[@]}" | xargs)
    if [ -n "$missing" ]; then
        say "installing $missing"
        start=$SECONDS
        # shellcheck disable=SC2086 # a list of names
        logged span_install $missing
        say "installed ($((SECONDS - start)) s)"
    fi
else
    missing=$(span_not_found "${sections[@]}" | xargs)
    [ -z "$missing" ] || die "not found, by Debian package name: $missing
Install them, or name the prefixes that hold them with --prefix DIR or CMAKE_PREFIX_PATH."
fi

# ---- build ----
cached() { sed -n "s/^$1:[^=]*=//p" build/CMakeCache.txt 2>/dev/null; }
cuda=OFF
[ $backend = cuda ] && cuda=ON
configure=(cmake -S . -B build "-DSPAN_CUDA=$cuda")
if [ "$(cached CMAKE_HOME_DIRECTORY)" != "$SPAN_ROOT" ] || ! { [ -e build/build.ninja ] || [ -e build/Makefile ]; }; then
    generator=Ninja # nothing usable there (also: a copied build folder)
    command -v ninja >/dev/null || generator="Unix Makefiles"
    configure+=(--fresh -G "$generator" -DCMAKE_BUILD_TYPE=Release -DSPAN_TESTS=OFF)
elif [ "$(cached SPAN_CUDA)" = $cuda ] && [ ${#cmake_args[@]} -eq 0 ]; then
    configure=()
fi
if [ ${#configure[@]} -gt 0 ]; then
    say "configuring the $backend build"
    logged "${configure[@]}" ${cmake_args[@]+"${cmake_args[@]}"}
    sed -n 's/^-- spanbench:* */quickstart:   /p' "$log" >&2
fi
start=$SECONDS
logged cmake --build build --parallel "$(nproc)" --target spanbench
say "build/spanbench is up to date ($((SECONDS - start)) s)"

# ---- run ----
# Two ranks share the cores; mpi_env.sh lets root start them and keeps what is already set.
threads=$(($(nproc) / 2))
: "${OMP_NUM_THREADS:=$((threads > 0 ? threads : 1))}"
# shellcheck source=slurm/lib/mpi_env.sh
. slurm/lib/mpi_env.sh
launcher=$(command -v mpirun || cached MPIEXEC_EXECUTABLE)
[ -n "$launcher" ] || die "no mpirun on PATH (Debian package openmpi-bin)"
start=$SECONDS rc=0
# In a session of its own, so that Ctrl-C reaches this script alone: mpirun itself would kill the ranks inside their sample.
setsid "$launcher" -np 2 build/spanbench run configs/quickstart.yaml &
job=$! stops=0
on_stop() {
    stops=$((stops + 1))
    if [ $stops -eq 1 ]; then
        say "finishing the sample at hand; once more stops at once"
        kill -USR1 $job
    else
        kill -TERM $job
    fi
}
trap on_stop INT TERM
while :; do # a trap ends wait early
    rc=0
    wait $job || rc=$?
    kill -0 $job 2>/dev/null || break
done
trap - INT TERM
[ $rc -eq 0 ] || {
    say "spanbench run ended with code $rc"
    exit $rc
}
cat >&2 <<TEXT
quickstart: run ended after $((SECONDS - start)) s; the database is results/quickstart.db. Next:
  build/spanbench report results/quickstart.db --terminal
  build/spanbench report results/quickstart.db -o results/quickstart.html     # the same as a page, with plots
  build/spanbench query results/quickstart.db "SELECT method, task, length, score, lo, hi, n FROM accuracy"
  . slurm/lib/mpi_env.sh && mpirun -np 2 build/spanbench run configs/quickstart.yaml --set 'workloads[0].samples=20'
TEXT
