# unit tests of harness/tensors
foreach(name safetensors captured)
  span_test(test_${name}
    SOURCES unit/harness/tensors/test_${name}.c unit/harness/tensors/files.c
    LINK sb_tensors m
    LABELS unit)
endforeach()
