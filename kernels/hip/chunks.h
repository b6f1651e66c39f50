/* The tree of the search, in whole numbers: which chunks there are, what they become, which stay
 * [hip 3.1]. Chunks are ascending and disjoint, and empty ones are never listed; so the order of a
 * list is the order of ties. */
#ifndef SB_KERNELS_HIP_CHUNKS_H
#define SB_KERNELS_HIP_CHUNKS_H

#include "kernels/base/host_device.h"
#include "kernels/hip/hip.h"

typedef struct sbi_hip_chunk {
    int32_t start, size; /* blocks of block_k_tokens keys */
} sbi_hip_chunk;

/* Candidates of a query block whose last row sees keys [0, visible): blocks [first, first + n). */
typedef struct sbi_hip_span {
    int64_t first, n;
    int32_t all; /* 1: short, every candidate is kept and nothing is searched */
} sbi_hip_span;

/* M */
static inline int64_t sbi_hip_blocks(const sb_hip_params *p)
{
    return p->top_k_tokens / p->block_k_tokens;
}

sbi_hip_span sbi_hip_candidates(const sb_hip_params *p, int64_t visible);

/* A: the released code rounds chunk bounds down to multiples of it, which leaves the last
 * n mod A candidates to no chunk [11.1]. */
int64_t sbi_hip_alignment(const sb_hip_params *p, int64_t n);

/* Where chunk i of m starts among n candidates, i = m: where the last one ends. */
static inline SB_HOST_DEVICE int64_t sbi_hip_bound(int64_t n, int64_t i, int64_t m, int64_t a)
{
    return n * i / m / a * a;
}

/* The first chunks, at most M, of candidates that are not `all`; returns how many. */
int64_t sbi_hip_first_chunks(const sb_hip_params *p, sbi_hip_span span, sbi_hip_chunk *out);

/* Halvings until every chunk is one block. */
int64_t sbi_hip_halvings(const sbi_hip_chunk *chunk, int64_t n);

/* Both halves of each chunk; out: room for 2 n; returns how many are not empty. */
int64_t sbi_hip_halve(const sbi_hip_chunk *chunk, int64_t n, sbi_hip_chunk *out);

/* The block that stands for a chunk. */
static inline int64_t sbi_hip_centre(sbi_hip_chunk c) { return (int64_t)c.start + c.size / 2; }

/* The `most` chunks with the largest keys, earlier ones first among equals, in their order; all
 * when there are fewer. keys in [0, 2^32). out may be `chunk`. Cost O(n). */
int64_t sbi_hip_keep(const sbi_hip_chunk *chunk, const int64_t *key, int64_t n, int64_t most,
                     sbi_hip_chunk *out);

#endif
