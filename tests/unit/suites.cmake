# text suites that read a user's files: LongBench, InfiniteBench
set(suites_rig unit/workloads/suites/rig.c)
add_executable(suite_rows unit/workloads/suites/suite_rows.c ${suites_rig})
target_link_libraries(suite_rows PRIVATE sb_flags sb_workloads dep_check m)
set_target_properties(suite_rows PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
foreach(part record_file longbench longbench_v2 infinitebench infinitebench_synth jsonl niah babilong babi_like kvpress helmet mutations)
  span_test(test_suites_${part}
    SOURCES unit/workloads/suites/test_${part}.c ${suites_rig} unit/workloads/ruler/common.c LINK sb_workloads m)
endforeach()
span_test(test_suites_nomem
  SOURCES unit/workloads/suites/test_nomem.c ${suites_rig} unit/workloads/ruler/common.c LINK sb_workloads m)
target_link_options(test_suites_nomem PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup,--wrap=strndup,--wrap=json_loadb,--wrap=json_loadf)
span_python_test(suites_replay golden/suites_compare.py --replay $<TARGET_FILE:suite_rows>)
span_python_test(needles_replay golden/needles_compare.py --replay $<TARGET_FILE:suite_rows>)
add_custom_target(suites_replay DEPENDS suite_rows) # what the mutants build for the test
