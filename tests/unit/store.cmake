# results: statistics, store, views
set(STORE_FACTS unit/results/facts.c)
span_test(test_stats SOURCES unit/results/test_stats.c LINK sb_stats LABELS unit)
span_test(test_views SOURCES unit/results/test_views.c ${STORE_FACTS} LINK sb_store LABELS unit)
