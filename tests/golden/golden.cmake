# selections of published code, kept as golden files
add_test(NAME golden_compare COMMAND ${CMAKE_SOURCE_DIR}/tests/golden/compare.sh $<TARGET_FILE:spanbench>)
set_tests_properties(golden_compare PROPERTIES LABELS oracle PROCESSORS 2 TIMEOUT 300 SKIP_RETURN_CODE 77
                     ENVIRONMENT OMP_WAIT_POLICY=passive)
# Comparisons with originals: a filter that Python scripts talk to, and what CI replays without them.
add_executable(tokenizer_ids golden/tokenizer_ids.c golden/tokenizer_text.c)
target_link_libraries(tokenizer_ids PRIVATE sb_flags sb_workloads)
set_target_properties(tokenizer_ids PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
span_test(test_tokenizer_golden
  SOURCES golden/test_tokenizer_golden.c golden/tokenizer_text.c ${tokenizer_case} LINK sb_workloads LABELS unit)
span_test(test_tokenizer_pairs SOURCES golden/test_tokenizer_pairs.c ${tokenizer_case} LINK sb_workloads LABELS unit)
if(SPAN_PYTHON)
  add_test(NAME cli_tokenizer_sentencepiece
    COMMAND ${SPAN_PYTHON} ${CMAKE_SOURCE_DIR}/tests/golden/sp_compare.py $<TARGET_FILE:tokenizer_ids> fixtures)
  set_tests_properties(cli_tokenizer_sentencepiece PROPERTIES LABELS cli TIMEOUT 900 SKIP_RETURN_CODE 77)
  # logits and continuations by torch; the model is not in the repository
  add_test(NAME golden_checkpoint
    COMMAND ${SPAN_PYTHON} ${CMAKE_SOURCE_DIR}/tests/golden/checkpoint_replay.py $<TARGET_FILE:spanbench> WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(golden_checkpoint PROPERTIES LABELS oracle PROCESSORS 2 TIMEOUT 1800 SKIP_RETURN_CODE 77)
  foreach(what fixtures smollm2)
    add_test(NAME cli_tokenizer_${what}
      COMMAND ${SPAN_PYTHON} ${CMAKE_SOURCE_DIR}/tests/golden/tokenizer_compare.py $<TARGET_FILE:tokenizer_ids> ${what})
    set_tests_properties(cli_tokenizer_${what} PROPERTIES LABELS cli TIMEOUT 900 SKIP_RETURN_CODE 77)
  endforeach()
endif()
