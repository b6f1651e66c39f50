# text suites that read a user's files: LongBench, InfiniteBench
set(suites_rig unit/workloads/suites/rig.c)
add_executable(suite_rows unit/workloads/suites/suite_rows.c ${suites_rig})
target_link_libraries(suite_rows PRIVATE sb_flags sb_workloads m)
set_target_properties(suite_rows PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
