# unit tests of harness/config, over registries of their own (fakes.c)
foreach(name test_sweep test_bad_sweeps test_robust)
  span_test(${name}
    SOURCES unit/harness/config/${name}.c unit/harness/config/fakes.c
    LINK sb_config
    LABELS unit)
endforeach()
# the shipped sweep files, over the real registries
span_test(test_shipped
  SOURCES unit/harness/config/test_shipped.c
  LINK sb_model sb_config sb_methods sb_workloads
  LABELS unit)
