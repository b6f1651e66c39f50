/* Causal attention as a graph of cuDNN's backend interface: the pattern that its fused engine takes
 * whole.
 *
 *   S = Q K^T -> * scale -> where(row + n_k - n_q >= column, S, -inf) -> max, exp, sum -> O = P V
 *                                                                         \-> lse = max + log sum
 */
#ifndef SB_KERNELS_EXEC_CUDNN_GRAPH_H
#define SB_KERNELS_EXEC_CUDNN_GRAPH_H

#include <stdint.h>

#include "kernels/exec/cudnn_library.h"

/* All that a plan depends on; strides count elements. */
typedef struct sbi_cudnn_shape {
    int64_t heads, kv_heads, n_q, n_k, dim;
    int64_t q_head_stride, k_head_stride, v_head_stride, o_head_stride;
} sbi_cudnn_shape;

/* Tensors of the graph that have memory; scale and -inf are host values. */
enum {
    SBI_CUDNN_Q = 1,
    SBI_CUDNN_K,
    SBI_CUDNN_V,
    SBI_CUDNN_O,
    SBI_CUDNN_LSE,
    SBI_CUDNN_SCALE,
    SBI_CUDNN_NEG_INF,
    SBI_CUDNN_N_K, /* int32 host values: both there only where n_q != n_k */
    SBI_CUDNN_N_Q,
    SBI_CUDNN_FIRST_VIRTUAL
};

typedef struct sbi_cudnn_plan {
    cudnnBackendDescriptor_t plan; /* finalised execution plan */
    cudnnBackendDescriptor_t part[128];
    int32_t                  n_parts; /* what the plan is made from; destroyed after it */
    int64_t                  workspace_bytes;
    int64_t                  engine; /* the number of cuDNN's engine, for records */
} sbi_cudnn_plan;

/* Build the graph, ask for engines and take the first that accepts. *out changes on success only.
 * SB_ERR_UNSUPPORTED: no engine takes this shape on this device; SB_ERR_DEVICE; SB_ERR_NOMEM. Cost:
 * the first plan of a process compiles a kernel, up to seconds. */
sb_status sbi_cudnn_plan_create(const sbi_cudnn *lib, cudnnHandle_t handle,
                                const sbi_cudnn_shape *shape, sbi_cudnn_plan *out);
void      sbi_cudnn_plan_destroy(const sbi_cudnn *lib, sbi_cudnn_plan *p);

#endif
