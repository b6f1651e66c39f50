# unit tests of kernels/base: one program a source file, the smallest together
foreach(part status arena bf16 param cache comm small)
  span_test(test_base_${part} SOURCES unit/kernels/base/test_${part}.c LINK sb_base Threads::Threads LABELS unit)
endforeach()

# what executors share
span_test(test_key_blocks SOURCES unit/kernels/exec/test_key_blocks.c LINK sb_exec LABELS unit)
span_test(test_plan_check SOURCES unit/kernels/exec/test_plan_check.c LINK sb_exec LABELS unit)
span_test(test_scan_device SOURCES unit/kernels/exec/test_scan_device.c LINK sb_exec LABELS unit)
if(SPAN_HAVE_CUDA) # no device is asked for
  span_test(test_antidiagonal_device SOURCES unit/kernels/exec/test_antidiagonal_device.c LINK sb_exec LABELS unit)
endif()
