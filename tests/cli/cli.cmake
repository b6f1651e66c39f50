# the program as its users start it
add_test(NAME cli_first_light COMMAND ${CMAKE_SOURCE_DIR}/tests/cli/first_light.sh $<TARGET_FILE:spanbench>)
set_tests_properties(cli_first_light PROPERTIES LABELS cli PROCESSORS 2 TIMEOUT 900)
add_test(NAME cli_state COMMAND ${CMAKE_SOURCE_DIR}/tests/cli/state.sh $<TARGET_FILE:spanbench>)
set_tests_properties(cli_state PROPERTIES LABELS cli PROCESSORS 2 TIMEOUT 900)
