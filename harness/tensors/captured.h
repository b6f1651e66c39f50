/* q, k and v that somebody captured from a model of his own, in a safetensors file:
 *
 *   q [heads][N_q][head_dim], k and v [kv_heads][N][head_dim], after RoPE; BF16, F16 or F32
 * (rounded to bf16); a leading dimension of 1 (the batch) may stand before each. N_q <= N: the
 * queries are those of the last N_q tokens [DESIGN 10.2]. */
#ifndef SB_HARNESS_TENSORS_CAPTURED_H
#define SB_HARNESS_TENSORS_CAPTURED_H

#include "harness/tensors/safetensors.h"
#include "workloads/base/operands.h"

typedef struct sb_capture_names {
    const char *q, *k, *v;
} sb_capture_names;

typedef struct sb_captured {
    sb_operand_shape shape;
    char             sha256[65]; /* of shape and values as the operator sees them, in bf16 */
    uint64_t         stamp;      /* of the file's size, time and place: has it changed since? */
} sb_captured;

/* Look at a file: shapes, then every value once. Errors, with the path in front: those of
 * sb_safetensors_open; SB_ERR_USAGE when a tensor is missing (the file's names are told), has
 * another dtype or shape, or holds values that are not finite in bf16 (their number and the first
 * one's place are told). Local. Cost: one read of the three tensors and a SHA-256 of their bf16
 * values. */
sb_status sb_captured_scan(const char *path, const sb_capture_names *names, sb_captured *out);

/* Operands that read rows where they are asked for. seen: what the scan found; SB_ERR_USAGE when
 * the file has changed since. */
sb_status sb_captured_open(const char *path, const sb_capture_names *names, float scale,
                           const sb_captured *seen, sb_operands **out);

#endif
