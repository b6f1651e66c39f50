# generated/spanbench_build.h: version, flags, library versions (configure time) and commit (every build).
string(TOUPPER "${CMAKE_BUILD_TYPE}" SPAN_BT)
set(SPAN_FLAGS_TEXT "${CMAKE_BUILD_TYPE} ${CMAKE_C_FLAGS} ${CMAKE_C_FLAGS_${SPAN_BT}} ${SPAN_BASELINE}")
string(REGEX REPLACE " +" " " SPAN_FLAGS_TEXT "${SPAN_FLAGS_TEXT}")
if(SPAN_SANITIZE)
  string(APPEND SPAN_FLAGS_TEXT " sanitize=${SPAN_SANITIZE}")
endif()
configure_file(${CMAKE_SOURCE_DIR}/cmake/spanbench_build.h.in ${CMAKE_BINARY_DIR}/generated/spanbench_build.h @ONLY)
add_custom_target(sb_commit
  COMMAND ${CMAKE_COMMAND} -DSRC=${CMAKE_SOURCE_DIR} -DOUT=${CMAKE_BINARY_DIR}/generated/spanbench_commit.h
          -P ${CMAKE_SOURCE_DIR}/cmake/write_commit.cmake
  BYPRODUCTS ${CMAKE_BINARY_DIR}/generated/spanbench_commit.h
  COMMENT "commit" VERBATIM)
# Every target that uses sb_flags waits for the header, so whoever includes it needs no line of its own.
add_dependencies(sb_flags sb_commit)
