/* One rule, two sides: a function marked SB_HOST_DEVICE is compiled for the CPU by the C compiler
 * and for both sides by nvcc, so a kernel and its oracle cannot disagree on it. Such code keeps to
 * what C17 and C++17 share: no compound literals, no designated initialisers. */
#ifndef SB_KERNELS_BASE_HOST_DEVICE_H
#define SB_KERNELS_BASE_HOST_DEVICE_H

#if defined(__CUDACC__)
#define SB_HOST_DEVICE __host__ __device__
#else
#define SB_HOST_DEVICE
#endif

#endif
