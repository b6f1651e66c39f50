# workloads/tokenizer
set(tokenizer_case unit/workloads/tokenizer/case.c)
foreach(part open)
  span_test(test_tokenizer_${part} SOURCES unit/workloads/tokenizer/test_${part}.c ${tokenizer_case} LINK sb_workloads)
endforeach()
