# shellcheck shell=bash
# Sourced by the tests that need a Slurm: `cluster_start N` gives one of N nodes in $work/cluster, or skips with the reason; it goes when
# the script ends. $here is the repository.
cluster_skip() {
    echo "skipped: $*"
    [ -z "${SPAN_REQUIRE_SLURM:-}" ] || { echo "SPAN_REQUIRE_SLURM is set: this is a failure" && exit 1; }
    exit 77
}
cluster_down() {
    [ -z "${KEEP:-}" ] || cp -r "$work" "$KEEP"
    "$here/tests/slurm/slurm_down.sh" "$work/cluster"
    rm -rf "$work"
}
cluster_start() {
    local name
    for name in munged slurmctld slurmd sbatch srun scontrol sqlite3 mpirun git; do
        command -v $name >/dev/null || cluster_skip "no $name (section [slurm] of slurm/lib/packages-debian.txt)"
    done
    [ "$(id -u)" -eq 0 ] || cluster_skip "slurmd wants to be root"
    for name in $(compgen -e); do case $name in SLURM_* | SBATCH_*) unset "$name" ;; esac; done
    # shellcheck source=slurm/lib/mpi_env.sh
    . "$here/slurm/lib/mpi_env.sh"
    work=$(mktemp -d)
    chmod 755 "$work" # munge asks for it
    # shellcheck source=tests/cli/cases.sh
    . "$here/tests/cli/cases.sh"
    trap cluster_down EXIT
    "$here/tests/slurm/slurm_up.sh" "$work/cluster" "$1" $((20000 + ($$ % 1000) * 20)) || { echo "the cluster does not start" && exit 1; }
    export SLURM_CONF=$work/cluster/slurm.conf
    cd "$work" || exit 1
}
# The `environment` of a site file: MPI on this one host.
cluster_environment() {
    local name
    echo "environment:"
    for name in $(compgen -e | grep '^OM[P_]\|^OMPI_'); do printf '  %s: "%s"\n' "$name" "${!name}"; done
}
