# tests that need a CUDA build; each skips itself, with the reason, where no device is visible
if(SPAN_HAVE_CUDA)
  span_test(test_backend_cuda SOURCES cuda/test_backend_cuda.c LINK sb_backend)
  span_test(test_attend_cuda SOURCES cuda/test_attend_cuda.c cuda/device_case.c cuda/device_lists.c LINK test_oracle)
  span_test(test_decode_cuda SOURCES cuda/test_decode_cuda.c cuda/device_case.c cuda/device_lists.c LINK test_oracle)
  span_test(test_look_cuda SOURCES cuda/test_look_cuda.c LINK test_oracle m)
  span_test(test_scan_cuda SOURCES cuda/test_scan_cuda.c cuda/device_scan.c cuda/device_case.c LINK test_oracle)
  span_test(test_scan_gated_cuda SOURCES cuda/test_scan_gated_cuda.c cuda/device_scan.c cuda/device_case.c LINK test_oracle)
  span_test(test_scan_ranks SOURCES cuda/test_scan_ranks.c cuda/device_scan.c cuda/device_case.c LINK test_oracle)
  span_test(test_scan_million SOURCES cuda/test_scan_million.c LINK test_oracle)
  span_test(test_cudnn SOURCES cuda/test_cudnn.c cuda/device_case.c LINK test_oracle)
  span_test(test_attend_million SOURCES cuda/test_attend_million.c LINK test_oracle)
  span_test(test_operator_cuda SOURCES cuda/test_operator_cuda.c unit/harness/run/operator_rig.c
            LINK sb_run sb_methods sb_workloads sb_comm_impl)
  # needs no device
  span_test(test_layout_runs SOURCES unit/kernels/test_layout_runs.c LINK sb_shard sb_methods LABELS unit)
  span_test(test_plan_ties SOURCES cuda/test_plan_ties.c LINK test_oracle sb_run sb_methods)
  span_test(test_plan_rows SOURCES cuda/test_plan_rows.c cuda/plan_part.c LINK test_oracle sb_run sb_methods)
  span_test(test_plan_runs SOURCES cuda/test_plan_runs.c cuda/plan_part.c LINK test_oracle sb_run sb_methods)
  span_test(test_antidiagonal_cuda SOURCES cuda/test_antidiagonal_cuda.c LINK test_oracle sb_methods)
  span_test(test_probe_cuda SOURCES cuda/test_probe_cuda.c LINK sb_model)
  span_test(test_forward_cuda SOURCES cuda/test_forward_cuda.c unit/harness/model/forward_rig.c
            LINK sb_run sb_methods sb_workloads sb_comm_impl)
  span_test(test_rows_cuda SOURCES cuda/test_rows_cuda.c unit/kernels/nn/rows_plain.c LINK sb_nn m)
  span_test(test_llama_cuda SOURCES cuda/test_llama_cuda.c unit/harness/model/checkpoint/llama_rig.c ${checkpoint_files}
            LINK sb_run sb_methods sb_workloads sb_comm_impl m)
  span_test(test_plan_cuda SOURCES cuda/test_plan_cuda.c cuda/device_plan.c
            LINK sb_run sb_methods sb_workloads sb_comm_impl)
  span_test(test_plan_long SOURCES cuda/test_plan_long.c cuda/device_plan.c
            LINK sb_run sb_methods sb_workloads sb_comm_impl)
  # under mpirun by ranks.sh
  add_executable(test_ranks_cuda mpi/device_ranks.c mpi/device_ranks_cuda.c)
  target_link_libraries(test_ranks_cuda PRIVATE sb_flags sb_run sb_shard sb_methods sb_workloads sb_comm_impl)
  set_target_properties(test_ranks_cuda PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ranks_cuda COMMAND ${CMAKE_SOURCE_DIR}/tests/cuda/ranks.sh $<TARGET_FILE:spanbench> $<TARGET_FILE:test_ranks_cuda>)
  set_tests_properties(ranks_cuda PROPERTIES LABELS cuda TIMEOUT 600 SKIP_RETURN_CODE 77)
  add_test(NAME cli_attention_cuda COMMAND ${CMAKE_SOURCE_DIR}/tests/cuda/attention.sh $<TARGET_FILE:spanbench>)
  set_tests_properties(cli_attention_cuda PROPERTIES LABELS cuda TIMEOUT 300 SKIP_RETURN_CODE 77)
  add_test(NAME cli_checkpoint_cuda
    COMMAND ${CMAKE_SOURCE_DIR}/tests/cuda/checkpoint.sh $<TARGET_FILE:spanbench> $<TARGET_FILE:make_checkpoint>)
  set_tests_properties(cli_checkpoint_cuda PROPERTIES LABELS cuda TIMEOUT 300 SKIP_RETURN_CODE 77)
  add_test(NAME cli_task_cuda COMMAND ${CMAKE_SOURCE_DIR}/tests/cuda/task.sh $<TARGET_FILE:spanbench>)
  set_tests_properties(cli_task_cuda PROPERTIES LABELS cuda TIMEOUT 300 SKIP_RETURN_CODE 77)
endif()
