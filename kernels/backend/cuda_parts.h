/* Members of the cuda backend's record that have a file of their own (backend.h says what they do).
 */
#ifndef SB_KERNELS_BACKEND_CUDA_PARTS_H
#define SB_KERNELS_BACKEND_CUDA_PARTS_H

#include "kernels/base/backend.h"

extern "C" sb_status sbi_timeline_cuda(sb_timeline **out);
extern "C" sb_status sbi_state_cuda(sb_device_state *out);
extern "C" sb_status sbi_ceilings_cuda(sb_ceilings *out);
extern "C" sb_status sbi_graph_begin_cuda(void *stream);
extern "C" sb_status sbi_graph_end_cuda(void *stream, sb_graph **out);
extern "C" sb_status sbi_graph_launch_cuda(sb_graph *g, void *stream);
extern "C" void      sbi_graph_close_cuda(sb_graph *g);

#endif
