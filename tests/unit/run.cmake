# unit tests of harness/run
span_test(test_run_estimate SOURCES unit/harness/run/test_estimate.c LINK sb_run LABELS unit)
target_link_options(test_run_estimate PRIVATE -Wl,--wrap=malloc)
span_test(test_run_pace SOURCES unit/harness/run/test_pace.c LINK sb_run LABELS unit)
span_test(test_run_energy SOURCES unit/harness/run/test_energy.c LINK sb_run sb_comm_impl LABELS unit)
span_test(test_run_ceiling SOURCES unit/harness/run/test_ceiling.c LINK sb_run sb_comm_impl LABELS unit)
span_test(test_operator_device
  SOURCES unit/harness/run/test_operator_device.c unit/harness/run/operator_rig.c unit/harness/run/fake_device.c
  LINK sb_run sb_methods sb_workloads sb_comm_impl LABELS unit)
span_test(test_watch SOURCES unit/harness/watch/test_watch.c mpi/thread_ranks.c LINK sb_run sb_watch sb_comm_impl Threads::Threads LABELS unit)
target_link_options(test_watch PRIVATE -Wl,--wrap=calloc)
span_test(test_binding SOURCES unit/harness/run/test_binding.c mpi/thread_ranks.c LINK sb_run sb_methods sb_workloads Threads::Threads LABELS unit)
