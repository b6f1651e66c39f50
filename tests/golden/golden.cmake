# selections of published code, kept as golden files
add_test(NAME golden_compare COMMAND ${CMAKE_SOURCE_DIR}/tests/golden/compare.sh $<TARGET_FILE:spanbench>)
set_tests_properties(golden_compare PROPERTIES LABELS oracle PROCESSORS 2 TIMEOUT 300 SKIP_RETURN_CODE 77
                     ENVIRONMENT OMP_WAIT_POLICY=passive)
