# unit tests of harness/score
span_test(test_score_parts
  SOURCES unit/harness/score/test_score_parts.c unit/workloads/ruler/common.c LINK sb_score sb_workloads m LABELS unit)
span_test(test_score_nomem
  SOURCES unit/harness/score/test_score_nomem.c unit/workloads/ruler/common.c LINK sb_score sb_workloads m LABELS unit)
target_link_options(test_score_nomem PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup,--wrap=json_loadb,--wrap=json_loads)
span_test(test_score_mutations
  SOURCES unit/harness/score/test_score_mutations.c unit/workloads/ruler/common.c LINK sb_score sb_workloads m LABELS unit)
