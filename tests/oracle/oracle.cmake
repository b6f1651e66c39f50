# The fp64 judge and what every oracle and property test of attention shares.
add_library(test_oracle STATIC oracle/case.c oracle/judge.c oracle/linear_judge.c oracle/predicates.c oracle/scan_case.c
            oracle/state_configs.c)
target_link_libraries(test_oracle PUBLIC sb_methods dep_check m)
target_compile_options(test_oracle PRIVATE -O2) # also in debug builds: the judge is brute force

span_test(test_executors SOURCES oracle/test_executors.c LINK test_oracle)
span_test(test_flash_ops SOURCES oracle/test_flash_ops.c LINK test_oracle)
span_test(test_linear_scan SOURCES oracle/test_linear_scan.c LINK test_oracle)
span_test(test_merge_lse SOURCES oracle/test_merge_lse.c LINK test_oracle)
span_test(test_slots SOURCES oracle/test_slots.c LINK test_oracle)
span_test(test_second
  SOURCES oracle/test_second.c oracle/second/hip_second.c oracle/second/linear_second.c oracle/second/pbs_second.c
  LINK test_oracle)
