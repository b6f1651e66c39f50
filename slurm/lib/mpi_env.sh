# Environment for mpirun and srun on one machine: CI, containers, a laptop. Source it; it sets only
# variables, and keeps what the caller has already set. Not for a cluster's own MPI set-up.
: "${OMPI_ALLOW_RUN_AS_ROOT:=1}" "${OMPI_ALLOW_RUN_AS_ROOT_CONFIRM:=1}"
# More ranks than cores is normal in tests; ranks must then yield while they wait, and a binding
# would stack them on the same cores.
: "${OMPI_MCA_rmaps_base_oversubscribe:=1}" "${OMPI_MCA_hwloc_base_binding_policy:=none}"
: "${OMPI_MCA_mpi_yield_when_idle:=1}"
# Containers without CAP_SYS_PTRACE: no cross-memory attach.
: "${OMPI_MCA_btl_vader_single_copy_mechanism:=none}"
: "${OMPI_MCA_btl_base_warn_component_unused:=0}" "${OMPI_MCA_orte_base_help_aggregate:=1}"
# CPU kernels: the ranks already fill the cores.
: "${OMP_NUM_THREADS:=1}"
# Threads that wait for work must not hold a core that another process needs.
: "${OMP_WAIT_POLICY:=passive}"
export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM
export OMPI_MCA_rmaps_base_oversubscribe OMPI_MCA_hwloc_base_binding_policy
export OMPI_MCA_mpi_yield_when_idle OMPI_MCA_btl_vader_single_copy_mechanism
export OMPI_MCA_btl_base_warn_component_unused OMPI_MCA_orte_base_help_aggregate
export OMP_NUM_THREADS OMP_WAIT_POLICY
