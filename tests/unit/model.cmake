# the probe model: its structured maps, codes, record, and properties under dense attention
# The rig is a plain attention loop, not code under test: always fast, also in debug and sanitizer builds.
set_source_files_properties(unit/harness/model/probe_rig.c PROPERTIES COMPILE_OPTIONS "-O3;-fno-sanitize=all")
span_test(test_probe_maps SOURCES unit/kernels/nn/test_probe_maps.c LINK sb_nn LABELS unit)
span_test(test_probe_codes SOURCES unit/harness/model/test_probe_codes.c LINK sb_model LABELS unit)
span_test(test_probe_model
  SOURCES unit/harness/model/test_probe_model.c unit/harness/model/probe_rig.c LINK sb_model LABELS unit)
span_test(test_probe_properties
  SOURCES property/test_probe.c unit/harness/model/probe_rig.c LINK sb_model LABELS property)
span_test(test_probe_suite
  SOURCES property/test_probe_suite.c unit/harness/model/probe_rig.c LINK sb_model sb_workloads LABELS property)
span_test(test_forward_device
  SOURCES unit/harness/model/test_forward_device.c unit/harness/model/forward_double.c unit/harness/model/forward_rig.c unit/harness/run/fake_device.c
  LINK sb_run sb_methods sb_workloads sb_comm_impl LABELS unit)
span_test(test_forward_graph
  SOURCES unit/harness/model/test_forward_graph.c unit/harness/model/forward_double.c unit/harness/model/forward_rig.c
          unit/harness/model/step_double.c unit/harness/run/fake_device.c
  LINK sb_run sb_methods sb_workloads sb_comm_impl LABELS unit)
# weights of checkpoints: block formats, rotary frequencies, GGUF and Hugging Face files
foreach(name activation blocks rope)
  span_test(test_${name} SOURCES unit/kernels/nn/test_${name}.c LINK sb_nn m LABELS unit)
endforeach()
set(checkpoint_files unit/harness/model/checkpoint/tiny.c unit/harness/model/checkpoint/bytes.c)
foreach(name gguf config checkpoint llama_text)
  span_test(test_${name} SOURCES unit/harness/model/checkpoint/test_${name}.c ${checkpoint_files} LINK sb_model m LABELS unit)
endforeach()
foreach(name llama families)
  span_test(test_${name}
    SOURCES unit/harness/model/checkpoint/test_${name}.c unit/harness/model/checkpoint/llama_rig.c mpi/thread_ranks.c ${checkpoint_files}
    LINK sb_model sb_shard sb_config sb_methods sb_workloads sb_comm_impl Threads::Threads m LABELS unit)
endforeach()
span_test(test_llama_device
  SOURCES unit/harness/model/checkpoint/test_llama_device.c unit/harness/model/checkpoint/llama_rig.c unit/harness/model/checkpoint/rows_double.c
          unit/harness/model/step_double.c unit/kernels/nn/rows_plain.c unit/harness/run/fake_device.c ${checkpoint_files}
  LINK sb_run sb_methods sb_workloads sb_comm_impl m LABELS unit)
