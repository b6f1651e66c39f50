# Fuzzers: one file an entry, README.md. With SPAN_FUZZ=ON (clang) each is a libFuzzer program besides; any compiler runs seeded damage
# as a test.
#
# span_fuzz(NAME SEEDS patterns... [ROUNDS n] [MAX bytes] SOURCES ... LINK ...): the libFuzzer program fuzz_NAME, and where ROUNDS are
# given the test test_NAME_fuzz over the same seeds. tests/fuzz/run.sh reads build/tests/fuzz_NAME.seeds: the longest input, patterns.
function(span_fuzz name)
  cmake_parse_arguments(A "" "ROUNDS;MAX" "SEEDS;SOURCES;LINK" ${ARGN})
  if(NOT A_MAX)
    set(A_MAX 4096)
  endif()
  if(A_ROUNDS)
    string(REPLACE ";" ":" patterns "${A_SEEDS}")
    span_test(test_${name}_fuzz SOURCES fuzz/test_corpus_fuzz.c fuzz/fuzz_${name}.c ${A_SOURCES} LINK ${A_LINK} LABELS property)
    target_compile_definitions(test_${name}_fuzz PRIVATE FUZZ_NAME="${name}" FUZZ_SEEDS="${patterns}" FUZZ_ROUNDS=${A_ROUNDS})
  endif()
  if(SPAN_FUZZ)
    add_executable(fuzz_${name} fuzz/fuzz_${name}.c ${A_SOURCES})
    target_link_libraries(fuzz_${name} PRIVATE sb_flags ${A_LINK})
    target_compile_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    set_target_properties(fuzz_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    add_dependencies(fuzzers fuzz_${name})
    string(REPLACE ";" "\n" lines "${A_MAX};${A_SEEDS}")
    file(WRITE ${CMAKE_BINARY_DIR}/tests/fuzz_${name}.seeds "${lines}\n")
  endif()
endfunction()
if(SPAN_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "SPAN_FUZZ=ON needs clang: -DCMAKE_C_COMPILER=clang")
  endif()
  add_custom_target(fuzzers)
endif()

set(kept tests/fuzz/corpus)
span_fuzz(sweep ROUNDS 6000 MAX 8192
  SEEDS configs/smoke/*.yaml configs/sweeps/*.yaml configs/gen/*.yaml tests/fixtures/bad_sweeps/[a-l]*.yaml
        tests/fixtures/bad_sweeps/[m-r]*.yaml tests/fixtures/bad_sweeps/[s-z]*.yaml ${kept}/sweep/*
  SOURCES fuzz/common.c LINK sb_model sb_config sb_methods sb_workloads m)
span_fuzz(site ROUNDS 6000
  SEEDS slurm/sites/*.yaml tests/cli/sbatch/*.yaml ${kept}/site/*
  SOURCES fuzz/common.c LINK sb_batch sb_config sb_model sb_methods sb_workloads m)
span_fuzz(gate ROUNDS 10000 SEEDS configs/gates/*.yaml ${kept}/gate/*
  SOURCES fuzz/common.c LINK sb_config sb_model sb_methods sb_workloads m)
span_fuzz(machine ROUNDS 4000 MAX 8192 SEEDS configs/plan/*.yaml ${kept}/machine/*
  SOURCES fuzz/common.c LINK sb_plan sb_config sb_model sb_methods sb_workloads m)
span_fuzz(query ROUNDS 3000 MAX 1024 SEEDS ${kept}/query/*
  SOURCES fuzz/common.c LINK sb_store dep_jansson m)
span_fuzz(safetensors ROUNDS 20000 SEEDS tests/fixtures/tensors/*.safetensors ${kept}/safetensors/*
  SOURCES fuzz/common.c LINK sb_tensors m)

span_fuzz(config ROUNDS 20000 SEEDS ${kept}/config/*
  SOURCES fuzz/common.c fuzz/model_config.c LINK sb_model m)
span_fuzz(folder ROUNDS 4000 MAX 16384 SEEDS ${kept}/folder/*
  SOURCES fuzz/common.c fuzz/model_config.c LINK sb_model m)
span_fuzz(tokenizer_model ROUNDS 3000 MAX 65536 SEEDS tests/fixtures/tokenizer/*.model ${kept}/tokenizer_model/*
  SOURCES fuzz/common.c fuzz/tokenizer_use.c LINK sb_workloads m)

# These have tests of their own, which make their seeds.
span_fuzz(tokenizer_json MAX 65536 SEEDS tests/fixtures/tokenizer/*.json tests/fixtures/tokenizer/*.gguf ${kept}/tokenizer_json/*
  SOURCES fuzz/common.c fuzz/tokenizer_use.c LINK sb_workloads m)
span_fuzz(template MAX 16384 SEEDS configs/templates/ruler.json configs/templates/chat.json configs/templates/ruler_official/*.json
  LINK sb_workloads m)
span_fuzz(jsonl SEEDS ${kept}/jsonl/* SOURCES fuzz/common.c LINK sb_workloads m)
span_fuzz(checkpoint MAX 20480 SEEDS ${kept}/checkpoint/*
  SOURCES fuzz/common.c fuzz/model_config.c LINK sb_model m)
span_test(test_tokenizer_fuzz
  SOURCES fuzz/test_tokenizer_fuzz.c fuzz/fuzz_tokenizer_json.c fuzz/common.c fuzz/tokenizer_use.c unit/workloads/tokenizer/gguf_file.c ${tokenizer_case}
  LINK sb_workloads LABELS property)
set_tests_properties(test_tokenizer_fuzz PROPERTIES TIMEOUT 900)
span_test(test_template_fuzz
  SOURCES fuzz/test_template_fuzz.c fuzz/fuzz_template.c unit/workloads/ruler/common.c LINK sb_workloads m LABELS property)
span_test(test_jsonl_fuzz
  SOURCES fuzz/test_jsonl_fuzz.c fuzz/fuzz_jsonl.c fuzz/common.c unit/workloads/ruler/common.c LINK sb_workloads m LABELS property)
span_test(test_checkpoint_fuzz
  SOURCES fuzz/test_checkpoint_fuzz.c fuzz/fuzz_checkpoint.c fuzz/common.c fuzz/model_config.c
    unit/harness/model/checkpoint/tiny.c unit/harness/model/checkpoint/bytes.c
  LINK sb_model m LABELS property)
