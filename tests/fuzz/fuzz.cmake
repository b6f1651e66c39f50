# Fuzzers: one file an entry. With SPAN_FUZZ=ON (clang) each is a libFuzzer program, run by hand:
#   build-fuzz/tests/fuzz_tokenizer_json -max_total_time=600 -max_len=65536 CORPUS
# Any compiler runs the seeded mutations as a test.
span_test(test_tokenizer_fuzz
  SOURCES fuzz/test_tokenizer_fuzz.c fuzz/fuzz_tokenizer_json.c unit/workloads/tokenizer/gguf_file.c ${tokenizer_case}
  LINK sb_workloads LABELS property)
set_tests_properties(test_tokenizer_fuzz PROPERTIES TIMEOUT 900)
if(SPAN_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "SPAN_FUZZ=ON needs clang: -DCMAKE_C_COMPILER=clang")
  endif()
  add_executable(fuzz_tokenizer_json fuzz/fuzz_tokenizer_json.c)
  target_link_libraries(fuzz_tokenizer_json PRIVATE sb_flags sb_workloads)
  target_compile_options(fuzz_tokenizer_json PRIVATE -fsanitize=fuzzer)
  target_link_options(fuzz_tokenizer_json PRIVATE -fsanitize=fuzzer)
  set_target_properties(fuzz_tokenizer_json PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
endif()
