# tests that need a CUDA build; each skips itself, with the reason, where no device is visible
if(SPAN_HAVE_CUDA)
  span_test(test_backend_cuda SOURCES cuda/test_backend_cuda.c LINK sb_backend)
  span_test(test_attend_cuda SOURCES cuda/test_attend_cuda.c cuda/device_case.c LINK test_oracle)
  span_test(test_attend_million SOURCES cuda/test_attend_million.c LINK test_oracle)
endif()
