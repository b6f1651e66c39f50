# unit tests of kernels/base
