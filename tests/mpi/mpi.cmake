# The collective cases (ranks.h): under mpirun with 1 to 4 ranks, and with no MPI on one thread a
# rank. 3 ranks find power-of-two habits. mpirun ends a hung job itself; ctest's limit is for a hung
# mpirun.
set(SPAN_MPI_TEST_S 60)
if(SPAN_SANITIZE)
  set(SPAN_MPI_TEST_S 240) # several times slower
endif()
math(EXPR SPAN_MPI_CTEST_S "${SPAN_MPI_TEST_S} + 30")
# PROCESSORS: ranks that wait for each other spin, so a test beside them costs both many times what it takes.

add_executable(test_mpi
  mpi/test_mpi.c mpi/cases_balance.c mpi/cases_comm.c mpi/cases_fetch.c mpi/cases_groups.c mpi/cases_pass_q.c mpi/cases_operator.c mpi/cases_quality.c mpi/cases_shard.c mpi/cases_state.c mpi/cases_heads.c mpi/shard_case.c)
target_link_libraries(test_mpi PRIVATE sb_run sb_shard sb_methods sb_workloads sb_comm_impl dep_check)
set_target_properties(test_mpi PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
foreach(ranks 1 2 3 4)
  add_test(NAME test_mpi_${ranks}
           COMMAND sh -c ". slurm/lib/mpi_env.sh && exec \"$@\"" sh
                   ${MPIEXEC_EXECUTABLE} --timeout ${SPAN_MPI_TEST_S} --oversubscribe -np ${ranks}
                   $<TARGET_FILE:test_mpi>
           WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  # The MPI library leaks at exit; leaks of ours are found by the threads below.
  set_tests_properties(test_mpi_${ranks} PROPERTIES LABELS mpi PROCESSORS ${ranks} TIMEOUT ${SPAN_MPI_CTEST_S}
                       ENVIRONMENT ASAN_OPTIONS=detect_leaks=0)
endforeach()

span_test(test_shard_threads
  SOURCES mpi/test_threads.c mpi/thread_ranks.c mpi/cases_balance.c mpi/cases_comm.c mpi/cases_fetch.c mpi/cases_groups.c mpi/cases_pass_q.c mpi/cases_operator.c mpi/cases_quality.c mpi/cases_shard.c mpi/cases_state.c mpi/cases_heads.c
          mpi/shard_case.c
  LINK sb_run sb_shard sb_methods sb_workloads sb_comm_impl Threads::Threads
  LABELS mpi)

# Links: over MPI, through pinned memory, and over a double of NCCL that the same dlopen finds. Without nccl.h there is no double,
# and the test says so.
add_executable(test_link mpi/test_link.c)
target_link_libraries(test_link PRIVATE sb_flags sb_comm_impl sb_watch dep_check ${CMAKE_DL_LIBS})
set_target_properties(test_link PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
if(SPAN_NCCL_INCLUDE)
  add_library(fake_nccl SHARED mpi/fake_nccl.c)
  target_include_directories(fake_nccl SYSTEM PRIVATE ${SPAN_NCCL_INCLUDE} ${CUDAToolkit_INCLUDE_DIRS})
  target_link_libraries(fake_nccl PRIVATE sb_flags MPI::MPI_C)
  set_target_properties(fake_nccl PROPERTIES OUTPUT_NAME nccl SOVERSION 2 LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/fake)
  add_dependencies(test_link fake_nccl)
endif()
# Keys in a ring; 8 ranks are more than the chunks of its shortest sequences.
add_executable(test_ring mpi/test_ring.c)
target_link_libraries(test_ring PRIVATE sb_run sb_shard sb_methods sb_workloads sb_comm_impl dep_check)
set_target_properties(test_ring PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
foreach(ranks 1 2 3 4 8)
  add_test(NAME test_ring_${ranks}
           COMMAND sh -c ". slurm/lib/mpi_env.sh && exec \"$@\"" sh
                   ${MPIEXEC_EXECUTABLE} --timeout ${SPAN_MPI_TEST_S} --oversubscribe -np ${ranks} $<TARGET_FILE:test_ring>
           WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(test_ring_${ranks} PROPERTIES LABELS mpi PROCESSORS ${ranks} TIMEOUT ${SPAN_MPI_CTEST_S}
                       ENVIRONMENT ASAN_OPTIONS=detect_leaks=0)
endforeach()

foreach(ranks 1 2 3 4)
  add_test(NAME test_link_${ranks}
           COMMAND sh -c ". slurm/lib/mpi_env.sh && exec \"$@\"" sh
                   ${MPIEXEC_EXECUTABLE} --timeout ${SPAN_MPI_TEST_S} --oversubscribe -np ${ranks}
                   -x LD_LIBRARY_PATH=${CMAKE_BINARY_DIR}/tests/fake $<TARGET_FILE:test_link>
           WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(test_link_${ranks} PROPERTIES LABELS mpi PROCESSORS ${ranks} TIMEOUT ${SPAN_MPI_CTEST_S}
                       ENVIRONMENT ASAN_OPTIONS=detect_leaks=0)
endforeach()
if(SPAN_NCCL_INCLUDE)
  add_test(NAME link_old_nccl COMMAND test_link describe)
  set_tests_properties(link_old_nccl PROPERTIES LABELS mpi PASS_REGULAR_EXPRESSION "nccl: found version 2.10.0, allowed 2.18 and newer"
                       ENVIRONMENT "LD_LIBRARY_PATH=${CMAKE_BINARY_DIR}/tests/fake;FAKE_NCCL=version=21000;ASAN_OPTIONS=detect_leaks=0")
endif()

# Several ranks on devices: on one that is none, over both links between devices; on GPUs tests/cuda
# has the same.
add_executable(test_ranks_device mpi/device_ranks.c mpi/device_ranks_double.c mpi/device_double.c unit/harness/run/fake_device.c)
target_link_libraries(test_ranks_device PRIVATE sb_flags sb_run sb_shard sb_methods sb_workloads sb_comm_impl dep_check)
set_target_properties(test_ranks_device PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests ENABLE_EXPORTS ON)
add_executable(test_forward_ranks mpi/test_forward_ranks.c mpi/device_double.c unit/harness/model/forward_double.c unit/harness/model/forward_rig.c
               unit/harness/run/fake_device.c)
target_link_libraries(test_forward_ranks PRIVATE sb_flags sb_run sb_shard sb_methods sb_workloads sb_comm_impl dep_check)
set_target_properties(test_forward_ranks PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
foreach(ranks 1 2 3 4)
  add_test(NAME test_forward_ranks_${ranks}
           COMMAND sh -c ". slurm/lib/mpi_env.sh && exec \"$@\"" sh
                   ${MPIEXEC_EXECUTABLE} --timeout ${SPAN_MPI_TEST_S} --oversubscribe -np ${ranks} $<TARGET_FILE:test_forward_ranks>
           WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(test_forward_ranks_${ranks} PROPERTIES LABELS mpi PROCESSORS ${ranks} TIMEOUT ${SPAN_MPI_CTEST_S}
                       ENVIRONMENT ASAN_OPTIONS=detect_leaks=0)
endforeach()
foreach(ranks 1 2 3 4)
  set(tokens 1000000)
  if(ranks GREATER 2) # more ranks than cores, each with all of one rank's work besides its own
    set(tokens 1000)
  endif()
  add_test(NAME test_ranks_device_${ranks}
           COMMAND sh -c ". slurm/lib/mpi_env.sh && exec \"$@\"" sh
                   ${MPIEXEC_EXECUTABLE} --timeout ${SPAN_MPI_TEST_S} --oversubscribe -np ${ranks} $<TARGET_FILE:test_ranks_device> mpi_host ${tokens}
           WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(test_ranks_device_${ranks} PROPERTIES LABELS mpi PROCESSORS ${ranks} TIMEOUT ${SPAN_MPI_CTEST_S}
                       ENVIRONMENT ASAN_OPTIONS=detect_leaks=0)
endforeach()
if(SPAN_NCCL_INCLUDE)
  add_dependencies(test_ranks_device fake_nccl)
  foreach(ranks 2 3) # 3: a rank may have nothing in a group
    add_test(NAME test_ranks_device_nccl_${ranks}
             COMMAND sh -c ". slurm/lib/mpi_env.sh && exec \"$@\"" sh
                     ${MPIEXEC_EXECUTABLE} --timeout ${SPAN_MPI_TEST_S} --oversubscribe -np ${ranks}
                     -x LD_LIBRARY_PATH=${CMAKE_BINARY_DIR}/tests/fake $<TARGET_FILE:test_ranks_device> nccl 1000
             WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(test_ranks_device_nccl_${ranks} PROPERTIES LABELS mpi PROCESSORS ${ranks} TIMEOUT ${SPAN_MPI_CTEST_S}
                         ENVIRONMENT ASAN_OPTIONS=detect_leaks=0)
  endforeach()
endif()

# Every method under every scheme and layout; `build/tests/test_matrix --all` prints the whole table.
add_executable(test_matrix mpi/matrix.c mpi/shard_case.c mpi/thread_ranks.c)
target_link_libraries(test_matrix PRIVATE sb_flags sb_run sb_shard sb_methods sb_comm_impl Threads::Threads)
set_target_properties(test_matrix PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
add_test(NAME matrix COMMAND test_matrix WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(matrix PROPERTIES LABELS mpi TIMEOUT ${SPAN_MPI_CTEST_S})

# Bytes counted between the program and MPI against the formulas.
add_executable(test_volume mpi/test_volume.c mpi/count_mpi.c mpi/shard_case.c)
target_link_libraries(test_volume PRIVATE sb_run sb_shard sb_methods sb_comm_impl MPI::MPI_C dep_check)
set_target_properties(test_volume PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
foreach(ranks 1 2 3 4 8)
  add_test(NAME test_volume_${ranks}
           COMMAND sh -c ". slurm/lib/mpi_env.sh && exec \"$@\"" sh
                   ${MPIEXEC_EXECUTABLE} --timeout ${SPAN_MPI_TEST_S} --oversubscribe -np ${ranks} $<TARGET_FILE:test_volume>
           WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(test_volume_${ranks} PROPERTIES LABELS mpi PROCESSORS ${ranks} TIMEOUT ${SPAN_MPI_CTEST_S}
                       ENVIRONMENT ASAN_OPTIONS=detect_leaks=0)
endforeach()
