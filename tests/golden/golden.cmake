# Comparisons with originals: a filter that Python scripts talk to, and what CI replays without them.
add_executable(tokenizer_ids golden/tokenizer_ids.c golden/tokenizer_text.c)
target_link_libraries(tokenizer_ids PRIVATE sb_flags sb_workloads)
set_target_properties(tokenizer_ids PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
