# results: statistics, store, views; and the verbs that are thin over them
set(STORE_FACTS unit/results/facts.c)
span_test(test_stats SOURCES unit/results/test_stats.c LINK sb_stats LABELS unit)
span_test(test_stats_compare SOURCES unit/results/test_compare.c LINK sb_stats m LABELS unit)
foreach(part store kill query views figures losses fidelity merge check anonymize schema places nomem)
  span_test(test_store_${part} SOURCES unit/results/test_${part}.c ${STORE_FACTS} LINK sb_store LABELS unit)
endforeach()
target_link_options(test_store_places PRIVATE -Wl,--wrap=statfs)
set(GATE_TRIALS unit/results/gate/trials.c)
span_test(test_gate_trials SOURCES unit/results/gate/test_trials.c ${GATE_TRIALS} LINK sb_gate m LABELS unit)
span_test(test_rank_sum SOURCES unit/results/test_rank_sum.c LINK sb_stats m LABELS unit)
span_test(test_gate SOURCES unit/results/gate/test_gate.c ${STORE_FACTS} LINK sb_gate m LABELS unit)
target_link_options(test_store_nomem PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup,--wrap=strndup)
span_test(test_cmd_db
  SOURCES unit/harness/cli/test_cmd_db.c ${STORE_FACTS} ../harness/cli/cmd_common.c ../harness/cli/cmd_db.c
          ../harness/cli/cmd_query.c
  LINK sb_store LABELS unit)

set(REPORT_CASE unit/results/report_case.c ${STORE_FACTS})
span_test(test_report SOURCES unit/results/test_report.c ${REPORT_CASE} LINK sb_report m LABELS unit)
span_test(test_report_gnuplot SOURCES unit/results/test_gnuplot.c ${REPORT_CASE} LINK sb_report m LABELS unit)
span_test(test_report_nomem SOURCES unit/results/test_report_nomem.c ${REPORT_CASE} LINK sb_report m LABELS unit)
target_link_options(test_report_nomem PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup)

# Not a test: writes the migration fixture of a schema version, see tests/fixtures/schema/README.md.
add_executable(make_schema_fixture EXCLUDE_FROM_ALL unit/results/make_fixture.c ${STORE_FACTS})
target_link_libraries(make_schema_fixture PRIVATE sb_flags sb_store dep_check)
set_target_properties(make_schema_fixture PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
