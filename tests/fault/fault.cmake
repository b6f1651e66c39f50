# a few kills in every run; by hand: tests/fault/kill_resume.sh build/spanbench 20
add_test(NAME fault_kill_resume COMMAND ${CMAKE_SOURCE_DIR}/tests/fault/kill_resume.sh $<TARGET_FILE:spanbench> 4)
set_tests_properties(fault_kill_resume PROPERTIES LABELS "cli" PROCESSORS 2 TIMEOUT 900)

# Faults from outside: a library that is preloaded (inject.c says which). Not with sanitizers, whose own allocator comes first.
if(NOT SPAN_SANITIZE)
  add_library(fault_inject SHARED fault/inject.c)
  target_compile_definitions(fault_inject PRIVATE _GNU_SOURCE)
  target_link_libraries(fault_inject PRIVATE MPI::MPI_C Threads::Threads ${CMAKE_DL_LIBS})
  set_target_properties(fault_inject PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/fake)

  find_program(SPAN_PYTHON python3)
  function(span_every_k name)
    if(SPAN_PYTHON)
      add_test(NAME ${name} COMMAND sh -c ". slurm/lib/mpi_env.sh && exec \"$@\"" sh
                 ${SPAN_PYTHON} tests/fault/every_k.py $<TARGET_FILE:spanbench> $<TARGET_FILE:fault_inject> ${ARGN}
               WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    else()
      add_test(NAME ${name} COMMAND sh -c "echo 'skipped: no python3'; exit 77")
    endif()
    set_tests_properties(${name} PROPERTIES LABELS "cli" PROCESSORS 2 TIMEOUT 900 SKIP_RETURN_CODE 77)
  endfunction()

  add_test(NAME fault_outcomes COMMAND ${CMAKE_SOURCE_DIR}/tests/fault/outcomes.sh $<TARGET_FILE:spanbench> $<TARGET_FILE:fault_inject>)
  set_tests_properties(fault_outcomes PROPERTIES LABELS "cli" PROCESSORS 2 TIMEOUT 600)
  # A few of each kind in every run; all of them by hand (README.md).
  add_test(NAME fault_places COMMAND ${CMAKE_SOURCE_DIR}/tests/fault/places.sh $<TARGET_FILE:spanbench> $<TARGET_FILE:fault_inject> 4)
  set_tests_properties(fault_places PROPERTIES LABELS "cli" PROCESSORS 2 TIMEOUT 600)
  span_every_k(fault_every_k --sample 1)
  span_every_k(fault_every_k_mpi --mpi --sample 50)
  span_every_k(fault_every_k_mpi_memory --mpi --kinds alloc --sample 5)

  add_test(NAME fault_watchdog COMMAND ${CMAKE_SOURCE_DIR}/tests/fault/watchdog.sh $<TARGET_FILE:spanbench> $<TARGET_FILE:fault_inject>)
  set_tests_properties(fault_watchdog PROPERTIES LABELS "cli" PROCESSORS 2 TIMEOUT 600)
endif()

# "Hosts" that are namespaces; 77: the kernel refuses them, and why is printed.
add_test(NAME fault_hosts COMMAND ${CMAKE_SOURCE_DIR}/tests/fault/hosts.sh $<TARGET_FILE:spanbench>)
set_tests_properties(fault_hosts PROPERTIES LABELS "cli" PROCESSORS 2 TIMEOUT 600 SKIP_RETURN_CODE 77 ENVIRONMENT ASAN_OPTIONS=detect_leaks=0)

add_test(NAME fault_launcher COMMAND ${CMAKE_SOURCE_DIR}/tests/fault/launcher.sh)
set_tests_properties(fault_launcher PROPERTIES LABELS "cli" TIMEOUT 120)
