# the program as its users start it
add_test(NAME cli_first_light COMMAND ${CMAKE_SOURCE_DIR}/tests/cli/first_light.sh $<TARGET_FILE:spanbench>)
set_tests_properties(cli_first_light PROPERTIES LABELS cli PROCESSORS 2 TIMEOUT 900)
add_test(NAME cli_state COMMAND ${CMAKE_SOURCE_DIR}/tests/cli/state.sh $<TARGET_FILE:spanbench>)
set_tests_properties(cli_state PROPERTIES LABELS cli PROCESSORS 2 TIMEOUT 900)
add_test(NAME cli_attention COMMAND ${CMAKE_SOURCE_DIR}/tests/cli/attention.sh $<TARGET_FILE:spanbench>)
add_test(NAME cli_read_dump COMMAND ${CMAKE_SOURCE_DIR}/tests/cli/read_dump.sh $<TARGET_FILE:spanbench> ${CMAKE_BINARY_DIR})
add_test(NAME cli_capture_model COMMAND ${CMAKE_SOURCE_DIR}/tests/cli/capture_model.sh $<TARGET_FILE:spanbench>)
set_tests_properties(cli_attention cli_read_dump cli_capture_model PROPERTIES LABELS cli PROCESSORS 2 TIMEOUT 900 SKIP_RETURN_CODE 77)
