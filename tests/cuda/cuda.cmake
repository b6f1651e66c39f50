# tests that need a CUDA build; each skips itself, with the reason, where no device is visible
if(SPAN_HAVE_CUDA)
  span_test(test_backend_cuda SOURCES cuda/test_backend_cuda.c LINK sb_backend)
endif()
