# Languages, warnings, baseline instruction set, sanitizers.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON) # gnu17: POSIX names and GCC vector types
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON) # libraries of a prefix are found from the installed program too
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release or Debug" FORCE)
endif()
set(CMAKE_C_FLAGS_RELEASE "-O3 -g1") # asserts stay on: they guard our own invariants and cost nothing that is timed

add_library(sb_flags INTERFACE)
target_include_directories(sb_flags INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
target_compile_definitions(sb_flags INTERFACE _GNU_SOURCE)
# -ffp-contract=off: an FMA that the compiler slips in would change selection arithmetic between CPUs.
set(SPAN_C_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wmissing-prototypes -Wvla)
if(SPAN_WERROR)
  list(APPEND SPAN_C_WARNINGS -Werror)
endif()
set(SPAN_CUDA_WERROR "")
if(SPAN_WERROR)
  set(SPAN_CUDA_WERROR --Werror=all-warnings -Xcompiler=-Werror)
endif()
# __FILE__ counts from the repository root, so that error texts and the program do not depend on where it was built.
set(SPAN_FILE_MAP -fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=)
target_compile_options(sb_flags INTERFACE
  $<$<COMPILE_LANGUAGE:C>:${SPAN_C_WARNINGS};-ffp-contract=off;${SPAN_FILE_MAP}>
  $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra,${SPAN_FILE_MAP};${SPAN_CUDA_WERROR}>)

# A binary built here must start on any x86-64-v2 CPU; AVX2 and AVX-512 kernels are chosen at run time.
# Other processors (arm64) take their compiler's baseline.
set(SPAN_BASELINE "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(SPAN_BASELINE "-march=x86-64-v2")
  target_compile_options(sb_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:${SPAN_BASELINE};-mtune=generic>)
endif()

# For fuzzers the compute kernels are built plain: no file reaches them, and clang takes many minutes to instrument them.
set(SPAN_CHECKED $<COMPILE_LANGUAGE:C>)
if(SPAN_FUZZ)
  set(SPAN_CHECKED $<AND:$<COMPILE_LANGUAGE:C>,$<NOT:$<STREQUAL:$<TARGET_PROPERTY:NAME>,sb_exec>>,$<NOT:$<STREQUAL:$<TARGET_PROPERTY:NAME>,sb_nn>>>)
endif()
if(SPAN_SANITIZE)
  target_compile_options(sb_flags INTERFACE $<${SPAN_CHECKED}:-fsanitize=${SPAN_SANITIZE};-fno-omit-frame-pointer;-fno-sanitize-recover=undefined>)
  target_link_options(sb_flags INTERFACE -fsanitize=${SPAN_SANITIZE})
endif()
if(SPAN_FUZZ) # coverage counters for libFuzzer, in everything it may reach
  target_compile_options(sb_flags INTERFACE $<${SPAN_CHECKED}:-fsanitize=fuzzer-no-link>)
endif()
if(SPAN_COVERAGE) # CMakeLists.txt says what is instrumented
  target_link_options(sb_flags INTERFACE --coverage)
endif()

# span_library(NAME SOURCES a.c b.c LINK lower floors)
function(span_library name)
  cmake_parse_arguments(A "" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${A_SOURCES})
  target_link_libraries(${name} PUBLIC sb_flags ${A_LINK})
  set_property(GLOBAL APPEND PROPERTY SPAN_LIBRARIES ${name}) # what tests/layout looks at
endfunction()
