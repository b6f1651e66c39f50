# unit tests of harness/run
span_test(test_run_estimate SOURCES unit/harness/run/test_estimate.c LINK sb_run LABELS unit)
