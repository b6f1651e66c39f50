/* Attention of query tiles on the CPU: online softmax over the key ranges of a plan, 64 keys at a
 * time.
 *
 * Work items are (query tile, KV head): a tile's keys are packed once for all its rows and for the
 * query heads that share the KV head. Which keys stand in which lane of which block depends on the
 * plan and the keys at hand alone (key_blocks.h), and every row's arithmetic is its own: results do
 * not depend on tiling, threads, or on which rank holds the row, as long as the same keys are at
 * hand. */
#ifndef SB_KERNELS_EXEC_FLASH_CPU_H
#define SB_KERNELS_EXEC_FLASH_CPU_H

#include "kernels/base/method.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sbi_flash_job {
    const sb_attn_in *in;
    const sb_plan    *plan; /* NULL: dense */
    const int64_t
               *row_gid; /* [q->tokens] ascending ids of the rows; NULL: they follow in->q->gid */
    sb_tensor  *o;       /* bf16 or fp32; NULL: lse only */
    float      *lse;     /* [heads][q->tokens] */
    sb_out_mode mode;
    int32_t     threads;
} sbi_flash_job;

/* Run one job; writes o and lse on success only. A masked key's V must be finite (0 * inf is NaN,
 * as on any tile kernel). Errors: SB_ERR_UNSUPPORTED head_dim not a multiple of 16 up to 256, heads
 * not a multiple of kv_heads; SB_ERR_INTERNAL shapes, dtypes or ids that do not fit together; those
 * of sb_cpu_isa_choose. Scratch: 256 KiB on each thread's stack. Rounding: q*scale, scores, softmax
 * and sums in fp32; o rounded once. */
sb_status sbi_flash_run(const sbi_flash_job *job);

/* The errors of sbi_flash_run that lie in the job itself. */
sb_status sbi_flash_check(const sbi_flash_job *job);

/* Those of them that concern tensors, their ids and outputs: all that can be asked where the index
 * lies in the memory of a device. */
sb_status sbi_flash_check_tensors(const sbi_flash_job *job);

#ifdef __cplusplus
}
#endif

#endif
