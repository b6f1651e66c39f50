# unit tests of harness/config, over registries of their own (fakes.c)
foreach(name test_sweep test_inputs test_bad_sweeps test_robust test_gen_plan test_model_files)
  span_test(${name}
    SOURCES unit/harness/config/${name}.c unit/harness/config/fakes.c
    LINK sb_config
    LABELS unit)
endforeach()
span_test(test_gate_file SOURCES unit/harness/config/test_gate_file.c unit/harness/config/fakes.c LINK sb_config LABELS unit)
# the shipped sweep files, methods that carry a state, shardings by heads, files that parameters name: over the real registries
foreach(name test_shipped test_state_sharding test_heads_sharding test_param_files)
  span_test(${name}
    SOURCES unit/harness/config/${name}.c
    LINK sb_model sb_config sb_methods sb_workloads
    LABELS unit)
endforeach()
span_test(test_site_file SOURCES unit/harness/config/test_site_file.c unit/harness/config/fakes.c LINK sb_config LABELS unit)
span_test(test_batch SOURCES unit/harness/batch/test_batch.c unit/harness/config/fakes.c LINK sb_batch LABELS unit)
