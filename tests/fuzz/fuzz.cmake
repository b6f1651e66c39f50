# Fuzzers: one file an entry. With SPAN_FUZZ=ON (clang) each is a libFuzzer program, run by hand:
#   build-fuzz/tests/fuzz_tokenizer_json -max_total_time=600 -max_len=65536 CORPUS
# Any compiler runs the seeded mutations as a test.
span_test(test_tokenizer_fuzz
  SOURCES fuzz/test_tokenizer_fuzz.c fuzz/fuzz_tokenizer_json.c unit/workloads/tokenizer/gguf_file.c ${tokenizer_case}
  LINK sb_workloads LABELS property)
set_tests_properties(test_tokenizer_fuzz PROPERTIES TIMEOUT 900)
span_test(test_template_fuzz
  SOURCES fuzz/test_template_fuzz.c fuzz/fuzz_template.c unit/workloads/ruler/common.c LINK sb_workloads m LABELS property)
span_test(test_jsonl_fuzz
  SOURCES fuzz/test_jsonl_fuzz.c fuzz/fuzz_jsonl.c unit/workloads/ruler/common.c LINK sb_workloads m LABELS property)
span_test(test_checkpoint_fuzz
  SOURCES fuzz/test_checkpoint_fuzz.c fuzz/fuzz_checkpoint.c unit/harness/model/checkpoint/tiny.c
    unit/harness/model/checkpoint/bytes.c
  LINK sb_model m LABELS property)
if(SPAN_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "SPAN_FUZZ=ON needs clang: -DCMAKE_C_COMPILER=clang")
  endif()
  foreach(entry tokenizer_json template jsonl checkpoint)
    add_executable(fuzz_${entry} fuzz/fuzz_${entry}.c)
    target_link_libraries(fuzz_${entry} PRIVATE sb_flags sb_model sb_workloads m)
    target_compile_options(fuzz_${entry} PRIVATE -fsanitize=fuzzer)
    target_link_options(fuzz_${entry} PRIVATE -fsanitize=fuzzer)
    set_target_properties(fuzz_${entry} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  endforeach()
endif()
