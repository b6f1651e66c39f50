# Benchmarks, built on request (ninja bench_sparse bench_dense bench_method) and never part of ctest; OpenBLAS is the yardstick here only.
function(span_bench name)
  add_executable(${name} EXCLUDE_FROM_ALL perf/${name}.c perf/bench.c)
  target_link_libraries(${name} PRIVATE sb_flags sb_exec ${ARGN})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
endfunction()
span_bench(bench_sparse)
span_bench(bench_method sb_methods)
pkg_check_modules(openblas QUIET IMPORTED_TARGET openblas)
if(openblas_FOUND)
  span_bench(bench_dense PkgConfig::openblas)
endif()

# Needs no yardstick but dense: ninja bench_linear.
add_executable(bench_linear EXCLUDE_FROM_ALL perf/bench_linear.c)
target_link_libraries(bench_linear PRIVATE sb_flags sb_methods)
set_target_properties(bench_linear PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
