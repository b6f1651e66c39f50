# workloads: base, the suite probe, the registry
set(workload_case unit/workloads/case.c)
foreach(part corpus input metrics)
  span_test(test_workloads_${part} SOURCES unit/workloads/base/test_${part}.c ${workload_case} LINK sb_workloads m)
endforeach()
foreach(part vocab generate aggregate)
  span_test(test_probe_suite_${part} SOURCES unit/workloads/probe/test_${part}.c ${workload_case} LINK sb_workloads m)
endforeach()
span_test(test_probe_suite_retrieval
  SOURCES unit/workloads/probe/test_retrieval.c unit/workloads/probe/parse.c ${workload_case} LINK sb_workloads m)
span_test(test_workloads_nomem SOURCES unit/workloads/test_nomem.c ${workload_case} LINK sb_workloads m)
target_link_options(test_workloads_nomem PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc)
# the suite synthetic
set(synthetic_operands unit/workloads/synthetic/operands.c)
span_test(test_synthetic_draw SOURCES unit/workloads/synthetic/test_draw.c LINK sb_workloads m)
span_test(test_synthetic SOURCES unit/workloads/synthetic/test_synthetic.c ${synthetic_operands} LINK sb_workloads m)
span_test(test_synthetic_mass SOURCES property/test_synthetic_mass.c ${synthetic_operands} LINK sb_workloads m)
span_test(test_metrics_jieba SOURCES unit/workloads/metrics/test_jieba.c LINK sb_workloads m)
# the scorers of workloads/metrics; metrics_cases writes out their random cases
span_test(test_metrics_scorers SOURCES unit/workloads/metrics/test_scorers.c LINK sb_workloads m)
add_executable(metrics_cases golden/metrics/write_cases.c golden/metrics/cases.c)
target_link_libraries(metrics_cases PRIVATE sb_flags sb_workloads m)
set_target_properties(metrics_cases PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
