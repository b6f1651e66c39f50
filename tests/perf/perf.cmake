# Benchmarks, built on request (ninja bench_dense) and never part of ctest; OpenBLAS is the yardstick here only.
pkg_check_modules(openblas IMPORTED_TARGET openblas)
if(openblas_FOUND)
  add_executable(bench_dense EXCLUDE_FROM_ALL perf/bench_dense.c)
  target_link_libraries(bench_dense PRIVATE sb_flags sb_exec PkgConfig::openblas)
  set_target_properties(bench_dense PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
endif()
