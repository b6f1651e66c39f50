# unit tests of harness/gen
span_test(test_gen_cache SOURCES unit/harness/gen/test_cache.c LINK sb_gen LABELS unit)
# every allocation of the cache fails once
span_test(test_gen_cache_nomem SOURCES unit/harness/gen/test_cache_nomem.c LINK sb_gen LABELS unit)
target_link_options(test_gen_cache_nomem PRIVATE -Wl,--wrap=malloc,--wrap=calloc)
