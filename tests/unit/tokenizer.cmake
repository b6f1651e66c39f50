# workloads/tokenizer
set(tokenizer_case unit/workloads/tokenizer/case.c)
set(tokenizer_text golden/tokenizer_text.c)
foreach(part open encode sp_json sp_model)
  span_test(test_tokenizer_${part} SOURCES unit/workloads/tokenizer/test_${part}.c ${tokenizer_case} LINK sb_workloads Threads::Threads)
endforeach()
foreach(part cuts decode ops)
  span_test(test_tokenizer_${part} SOURCES unit/workloads/tokenizer/test_${part}.c ${tokenizer_case} ${tokenizer_text} LINK sb_workloads)
endforeach()
span_test(test_tokenizer_gguf
  SOURCES unit/workloads/tokenizer/test_gguf.c unit/workloads/tokenizer/gguf_file.c ${tokenizer_case} LINK sb_workloads)
span_test(test_tokenizer_sp
  SOURCES unit/workloads/tokenizer/test_sp.c unit/workloads/tokenizer/gguf_file.c ${tokenizer_case} LINK sb_workloads m)
span_test(test_tokenizer_nomem
  SOURCES unit/workloads/tokenizer/test_nomem.c unit/workloads/tokenizer/gguf_file.c ${tokenizer_case} LINK sb_workloads)
target_link_options(test_tokenizer_nomem PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc)
