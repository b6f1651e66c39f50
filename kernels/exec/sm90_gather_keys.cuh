/* Items of the gathering kernel: up to 128 query rows of one row block (a cell) and one head. */
#ifndef SB_KERNELS_EXEC_SM90_GATHER_KEYS_CUH
#define SB_KERNELS_EXEC_SM90_GATHER_KEYS_CUH

#include "kernels/exec/plan_keys_cuda.cuh"
#include "kernels/exec/sm90_body.cuh"

namespace
{
enum { ROWS = 128 }; /* queries a cell: two warpgroups of 64 */

struct gather_args {
    const sb_bf16 *k, *v;
    int64_t        k_stride, v_stride; /* elements between heads */
    int32_t        heads, group, n_cells;
    float          scale_log2;
    row_output     out; /* of this launch's queries */
    int           *counter;
    sb_run         q_run;
    int64_t        block_tokens, cells_per_block; /* cells: of the grid of row blocks */
    plan_keys      keys;
};

/* What the producer tells the consumers beside Q: 32-bit words. */
struct work {
    int32_t head, row, n_rows, gid, n; /* row: local, of the first; n: blocks, -1: no list */
};
enum { WORK_WORDS = sizeof(work) / sizeof(int32_t) };

__host__ __device__ int64_t cell_of(int64_t block_tokens, int64_t cells_per_block, int64_t gid)
{
    return gid / block_tokens * cells_per_block + gid % block_tokens / ROWS;
}

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
/* Item w: KV head outermost, then cells, last first, then the heads of the group. */
static __device__ __forceinline__ void take_work(const gather_args &a, int w, work *out, int *kv,
                                                 item_keys *x)
{
    const int per_kv = a.n_cells * a.group;
    *kv              = w / per_kv;
    w -= *kv * per_kv;
    const int64_t c =
        cell_of(a.block_tokens, a.cells_per_block, a.q_run.start) + a.n_cells - 1 - w / a.group;
    const int64_t block = c / a.cells_per_block * a.block_tokens;
    int64_t       begin = block + c % a.cells_per_block * ROWS;
    const int64_t end = min(min(begin + ROWS, block + a.block_tokens), a.q_run.start + a.q_run.len);
    begin             = max(begin, a.q_run.start);
    out->head         = *kv * a.group + w % a.group;
    out->row          = static_cast<int32_t>(begin - a.q_run.start);
    out->n_rows       = static_cast<int32_t>(end - begin);
    out->gid          = static_cast<int32_t>(begin);
    const int has_list  = find_keys<KEYS>(a.keys, out->head, begin, end, x);
    out->n              = has_list ? x->blocks[2] : -1;
}
#endif
} // namespace

#endif
