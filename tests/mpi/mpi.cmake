# The collective cases (ranks.h): under mpirun with 1 to 4 ranks, and with no MPI on one thread a
# rank. 3 ranks find power-of-two habits. mpirun ends a hung job itself; ctest's limit is for a hung
# mpirun.
set(SPAN_MPI_TEST_S 60)
if(SPAN_SANITIZE)
  set(SPAN_MPI_TEST_S 240) # several times slower
endif()
math(EXPR SPAN_MPI_CTEST_S "${SPAN_MPI_TEST_S} + 30")

add_executable(test_mpi
  mpi/test_mpi.c mpi/cases_comm.c mpi/cases_operator.c mpi/cases_quality.c mpi/cases_shard.c mpi/cases_state.c mpi/shard_case.c)
target_link_libraries(test_mpi PRIVATE sb_run sb_shard sb_methods sb_workloads sb_comm_impl dep_check)
set_target_properties(test_mpi PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
foreach(ranks 1 2 3 4)
  add_test(NAME test_mpi_${ranks}
           COMMAND sh -c ". slurm/lib/mpi_env.sh && exec \"$@\"" sh
                   ${MPIEXEC_EXECUTABLE} --timeout ${SPAN_MPI_TEST_S} --oversubscribe -np ${ranks}
                   $<TARGET_FILE:test_mpi>
           WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  # The MPI library leaks at exit; leaks of ours are found by the threads below.
  set_tests_properties(test_mpi_${ranks} PROPERTIES LABELS mpi TIMEOUT ${SPAN_MPI_CTEST_S}
                       ENVIRONMENT ASAN_OPTIONS=detect_leaks=0)
endforeach()

span_test(test_shard_threads
  SOURCES mpi/test_threads.c mpi/thread_ranks.c mpi/cases_comm.c mpi/cases_operator.c mpi/cases_quality.c mpi/cases_shard.c mpi/cases_state.c
          mpi/shard_case.c
  LINK sb_run sb_shard sb_methods sb_workloads sb_comm_impl Threads::Threads
  LABELS mpi)
