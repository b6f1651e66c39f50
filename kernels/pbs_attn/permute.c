/* Steps 2 and 3a: the order of keys inside segments, and pooled blocks of ordered keys [pbs_attn
 * 3].
 */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "kernels/exec/falling_order.h"
#include "kernels/exec/slots.h"
#include "kernels/pbs_attn/plan_cpu.h"

enum { LANES = SB_PRODUCT_LANES };

void sbi_pbs_sort(const sbi_pbs_room *room, const sbi_pbs_in *in, const sb_slots *slots)
{
    int64_t own = room->end_segment - room->first_segment, n = room->segment_tokens;
#pragma omp parallel for num_threads(in->threads) schedule(static)
    for (int64_t job = 0; job < own * room->perms; job++) {
        const sbi_pbs_scratch *s = &room->scratch[omp_get_thread_num()];
        int64_t                p = job / own, g = room->first_segment + job % own;
        uint16_t              *to = sb_slots_of(slots, p * room->perm_heads) + g * n;
        /* importance is never negative: its patterns rise with it */
        memcpy(s->key, room->score + job * n, (size_t)n * sizeof *s->key);
        for (int64_t i = 0; i < n; i++)
            s->order[i] = (int32_t)i;
        sb_falling_order(s->key, SB_SCORE_F32, n, s->order);
        for (int64_t i = 0; i < n; i++)
            to[i] = (uint16_t)s->order[i];
    }
}

/* pooled[b] = sum or maximum of the keys of block b of the segment, tokens ascending. */
static void pool_segment(const sbi_pbs_room *room, const sbi_pbs_in *in, int64_t kv_head,
                         int64_t segment, const uint16_t *offset, const sbi_pbs_scratch *s)
{
    int64_t d = room->dim, n = room->segment_tokens;
    for (int64_t i = 0; i < n; i++)
        s->block_of[offset[i]] = (uint16_t)(i / room->block_tokens);
    for (int64_t i = 0; i < room->blocks_per_segment * d; i++)
        s->pooled[i] = in->key_pool == SB_PBS_ATTN_POOL_MAX ? -INFINITY : 0.0f;
    for (int64_t i = 0; i < n; i++) {
        const sb_bf16 *k  = sb_tensor_bf16(in->k, kv_head, segment * n + i);
        float         *to = s->pooled + s->block_of[i] * d;
        if (in->key_pool == SB_PBS_ATTN_POOL_MAX)
            for (int64_t x = 0; x < d; x++)
                to[x] = fmaxf(to[x], sb_bf16_to_f32(k[x]));
        else
            for (int64_t x = 0; x < d; x++)
                to[x] += sb_bf16_to_f32(k[x]);
    }
}

void sbi_pbs_pool_keys(const sbi_pbs_room *room, const sbi_pbs_in *in, const sb_slots *slots)
{
    int64_t own = room->end_segment - room->first_segment, nb = room->blocks_per_segment;
    int64_t d = room->dim, cells = room->perms * d * LANES;
    int64_t group = room->first_segment * nb / LANES;
    int64_t end   = (room->end_segment * nb + LANES - 1) / LANES;
    float   scale = in->key_pool == SB_PBS_ATTN_POOL_MAX ? 1.0f : (float)room->block_tokens;
    if (own > 0)
        memset(room->k_pool + group * cells, 0,
               (size_t)((end - group) * cells) * sizeof *room->k_pool);
#pragma omp parallel for num_threads(in->threads) schedule(static)
    for (int64_t job = 0; job < own * room->perms; job++) {
        const sbi_pbs_scratch *s = &room->scratch[omp_get_thread_num()];
        int64_t                p = job / own, g = room->first_segment + job % own;
        int64_t                head = p * room->perm_heads;
        pool_segment(room, in, head / room->group, g,
                     sb_slots_of(slots, head) + g * room->segment_tokens, s);
        for (int64_t b = 0; b < nb; b++) {
            int64_t block = g * nb + b;
            float  *to    = room->k_pool + block / LANES * cells + p * d * LANES + block % LANES;
            for (int64_t x = 0; x < d; x++)
                to[x * LANES] = sbi_pbs_rounded(in, s->pooled[b * d + x] / scale);
        }
    }
}
