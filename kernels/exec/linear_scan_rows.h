/* Rows in and out of a linear scan: widening, feature maps, gates, storing. For its own files. */
#ifndef SB_KERNELS_EXEC_LINEAR_SCAN_ROWS_H
#define SB_KERNELS_EXEC_LINEAR_SCAN_ROWS_H

#include "kernels/exec/linear_scan_room.h"

/* Sum of products, n a multiple of 16; in one order on every CPU. */
float sbi_scan_dot(const float *a, const float *b, int64_t n);

/* Rows [first, first + m) of a bf16 tensor's head, mapped, and scaled to length 1 where the rule
 * asks for it: to [m][dk]. */
void sbi_scan_load(const sbi_scan_head *h, const sb_tensor *t, int64_t head, int64_t first,
                   int64_t m, float *to);

/* Values of local rows [first, first + m), to [m][cols]; zeros past d. */
void sbi_scan_load_values(const sbi_scan_head *h, int64_t first, int64_t m, float *to);

/* [m][dk] to [dk][C]; columns past m become zeros. */
void sbi_scan_transpose(const sbi_scan_head *h, const float *from, int64_t m, float *to);

/* Row i of o [m][ld] times factor[i] (NULL: as it is), to the rows [first, ...) of a query head. */
void sbi_scan_store(const sbi_scan_head *h, int64_t query_head, int64_t first, int64_t m,
                    const float *o, int64_t ld, const float *factor);

/* Log decay of local row i (of channel c), and its beta. */
static inline float sbi_scan_gate(const sbi_scan_head *h, int64_t i, int64_t c)
{
    const sb_tensor *g = h->in->gate;
    if (g == NULL)
        return (float)h->room->scan.gate;
    return sb_tensor_f32(g, sbi_scan_kv_head(h), i)[g->dim == 1 ? 0 : c];
}

static inline float sbi_scan_beta(const sbi_scan_head *h, int64_t i)
{
    const sb_tensor *b = h->in->beta;
    return b == NULL ? (float)h->room->scan.beta : *sb_tensor_f32(b, sbi_scan_kv_head(h), i);
}

#endif
