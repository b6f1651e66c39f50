/* Stage 2: a candidate is kept where the mean query of one block of the super-block comes within
 * theta of the mean anchor [anchor_attention 3]. Each decision is one key's alone, with no
 * normaliser; query heads of one KV head share the packing of its keys, not their lists. */
#include "kernels/anchor_attention/plan_cpu.h"

enum { LANES = SB_PRODUCT_LANES };

void sbi_anchor_stripes(const sbi_anchor_room *room, const sbi_anchor_in *in, int64_t kv_head,
                        const sbi_anchor_row *row, const float *q_mean, const float *anchor_mean,
                        const sbi_anchor_scratch *scratch, int32_t *ids, int64_t ids_stride,
                        int64_t *n, int64_t n_stride)
{
    int64_t end = row->block * room->super_tokens - room->block_tokens;
    for (int64_t h = 0; h < room->heads_per_kv; h++)
        n[h * n_stride] = 0;
    for (int64_t j = room->block_tokens; j < end; j += LANES) {
        int64_t lanes = end - j < LANES ? end - j : LANES;
        sbi_anchor_pack(in->k, kv_head, j, lanes, scratch->k);
        in->product(q_mean, scratch->k, in->k->dim, room->mean_rows, scratch->s);
        for (int64_t h = 0; h < room->heads_per_kv; h++) {
            int32_t keep[LANES] = {0};
            int64_t at          = h * room->step_blocks;
            for (int64_t a = at; a < at + room->step_blocks; a++)
                for (int l = 0; l < LANES; l++) {
                    float y = sbi_anchor_rounded(in, scratch->s[a * LANES + l] * in->factor);
                    keep[l] |= y + in->theta2 >= anchor_mean[a]; /* not strict [3] */
                }
            for (int64_t l = 0; l < lanes; l++)
                if (keep[l])
                    ids[h * ids_stride + n[h * n_stride]++] = (int32_t)(j + l);
        }
    }
}
