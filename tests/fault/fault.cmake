# a few kills in every run; by hand: tests/fault/kill_resume.sh build/spanbench 20
add_test(NAME fault_kill_resume COMMAND ${CMAKE_SOURCE_DIR}/tests/fault/kill_resume.sh $<TARGET_FILE:spanbench> 4)
set_tests_properties(fault_kill_resume PROPERTIES LABELS "cli" PROCESSORS 2 TIMEOUT 900)
