/* Stage 1: mean queries and mean anchors [anchor_attention 3]. Maxima only, no V: attention sees
 * these keys again in its own softmax, so neither partial outputs nor sums are kept. */
#include <math.h>
#include <string.h>

#include "kernels/anchor_attention/plan_cpu.h"

enum { LANES = SB_PRODUCT_LANES };

static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }

/* Scaled queries to scratch->q, their mean (of the raw ones) to q_mean. */
static void load_queries(const sbi_anchor_room *room, const sbi_anchor_in *in, int64_t head,
                         int64_t slot, const sbi_anchor_scratch *scratch, float *q_mean)
{
    int64_t d = in->q->dim, b = room->block_tokens;
    memset(q_mean, 0, (size_t)d * sizeof *q_mean);
    memset(scratch->q + b * d, 0, (size_t)((room->block_rows - b) * d) * sizeof *q_mean);
    for (int64_t i = 0; i < b; i++) {
        const sb_bf16 *q = sb_tensor_bf16(in->q, head, slot + i);
        for (int64_t x = 0; x < d; x++) {
            float raw             = sb_bf16_to_f32(q[x]);
            scratch->q[i * d + x] = sbi_anchor_rounded(in, raw * in->factor);
            q_mean[x] += raw;
        }
    }
    for (int64_t x = 0; x < d; x++)
        q_mean[x] = sbi_anchor_rounded(in, q_mean[x] / (float)b);
}

/* Folds keys [begin, end) into the maxima of the queries [first, first + block_tokens). */
static void fold(const sbi_anchor_room *room, const sbi_anchor_in *in, int64_t kv_head,
                 int64_t first, int64_t begin, int64_t end, const sbi_anchor_scratch *scratch)
{
    int64_t d = in->q->dim;
    for (int64_t j = begin; j < end; j += LANES) {
        int64_t n = min_i64(LANES, end - j);
        /* whole passes of rows before key j see nothing of it */
        int64_t row = max_i64(j - first, 0) / SB_PRODUCT_ROWS * SB_PRODUCT_ROWS;
        sbi_anchor_pack(in->k, kv_head, j, n, scratch->k);
        in->product(scratch->q + row * d, scratch->k, d, room->block_rows - row, scratch->s);
        for (int64_t i = row; i < room->block_tokens; i++) {
            const float *s   = scratch->s + (i - row) * LANES;
            float       *top = scratch->top + i * LANES;
            int64_t      see = min_i64(n, first + i + 1 - j); /* causality */
            if (see == LANES)
                for (int l = 0; l < LANES; l++)
                    top[l] = s[l] > top[l] ? s[l] : top[l];
            else
                for (int64_t l = 0; l < see; l++)
                    top[l] = s[l] > top[l] ? s[l] : top[l];
        }
    }
}

void sbi_anchor_means(const sbi_anchor_room *room, const sbi_anchor_in *in, int64_t head,
                      const sbi_anchor_row *row, int64_t step, const sbi_anchor_scratch *scratch,
                      float *q_mean, float *anchor_mean)
{
    int64_t b = room->block_tokens, start = row->block * room->super_tokens;
    int64_t first = start + step * b, kv_head = head / room->heads_per_kv;
    load_queries(room, in, head, row->slot + step * b, scratch, q_mean);
    for (int64_t i = 0; i < b * LANES; i++)
        scratch->top[i] = -INFINITY;
    int64_t init = room->released ? room->super_tokens : b; /* start >= 2 b: there are candidates */
    fold(room, in, kv_head, first, 0, init, scratch);
    fold(room, in, kv_head, first, room->released ? start : start - b, first + b, scratch);
    float sum = 0;
    for (int64_t i = 0; i < b; i++) {
        const float *top = scratch->top + i * LANES;
        float        m   = top[0];
        for (int l = 1; l < LANES; l++)
            m = top[l] > m ? top[l] : m;
        sum += m;
    }
    *anchor_mean = sbi_anchor_rounded(in, sum / (float)b);
}
