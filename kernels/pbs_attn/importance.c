/* Step 1: how important each key is to the last block of queries [pbs_attn 3]. A job is a segment
 * and a KV head: its keys are transposed once for all permutations that read them. */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "kernels/exec/flash.h"
#include "kernels/pbs_attn/plan_cpu.h"

enum { LANES = SB_PRODUCT_LANES };

static const double sum_units = 0x1p39;

/* fp32 as integers of the same order, and back; the two zeros are one. */
static int64_t sortable(float x)
{
    int32_t i;
    memcpy(&i, &x, sizeof i);
    return i >= 0 ? i : -(int64_t)(i & INT32_MAX);
}
static float from_sortable(int64_t v)
{
    uint32_t u = v >= 0 ? (uint32_t)v : (uint32_t)-v | 0x80000000u;
    float    x;
    memcpy(&x, &u, sizeof x);
    return x;
}

float sbi_pbs_sum(float *x, int64_t n, int64_t *nan_scores)
{
    float   lane[SBI_PBS_EXP] = {0}, sum = 0;
    int32_t bad = 0;
    for (int64_t i = 0; i < n; i += SBI_PBS_EXP)
        for (int l = 0; l < SBI_PBS_EXP; l++) {
            float e = x[i + l];
            bad += e != e;
            e        = e != e ? 0.0f : e;
            x[i + l] = e;
            lane[l] += e;
        }
    for (int l = 0; l < SBI_PBS_EXP; l++)
        sum += lane[l];
    *nan_scores += bad;
    return sum;
}

/* The probe of one permutation: queries of its head, or their mean over the group. */
static void load_probe(const sbi_pbs_room *room, int64_t perm)
{
    int64_t d = room->dim;
    float   row[SB_TILE_DIM_MAX], *to = room->q_last + perm * room->probe_rows * d;
    memset(to, 0, (size_t)(room->probe_rows * d) * sizeof *to);
    for (int64_t i = 0; i < room->block_tokens; i++, to += d) {
        for (int64_t h = 0; h < room->perm_heads; h++) {
            sb_last_queries_row(&room->probe, perm * room->perm_heads + h, i, row);
            for (int64_t x = 0; x < d; x++)
                to[x] += row[x];
        }
        for (int64_t x = 0; x < d; x++)
            to[x] /= (float)room->perm_heads;
    }
}

/* Keys of a segment as columns, 8 together. */
static void pack_segment(const sbi_pbs_room *room, const sb_tensor *k, int64_t kv_head,
                         int64_t segment, float *to)
{
    int64_t d = room->dim, s = room->segment_tokens;
    for (int64_t c = 0; c < s; c += LANES)
        for (int64_t l = 0; l < LANES; l++) {
            int64_t        at  = c + l < s ? c + l : c; /* padding: logits() drops it */
            const sb_bf16 *row = sb_tensor_bf16(k, kv_head, segment * s + at);
            for (int64_t x = 0; x < d; x++)
                to[(c * d) + x * LANES + l] = sb_bf16_to_f32(row[x]);
        }
}

/* x[row][segment lanes] of one permutation and the packed segment; -inf behind the segment. */
static void logits(const sbi_pbs_room *room, const sbi_pbs_in *in, int64_t perm,
                   const sbi_pbs_scratch *s)
{
    int64_t      d = room->dim, wide = room->segment_lanes, n = room->segment_tokens;
    const float *q = room->q_last + perm * room->probe_rows * d;
    for (int64_t c = 0; c < n; c += LANES) {
        in->product(q, s->k + c * d, d, room->probe_rows, s->out);
        for (int64_t r = 0; r < room->block_tokens; r++)
            for (int64_t l = 0; l < LANES; l++)
                s->x[r * wide + c + l] = sbi_pbs_logit(in, s->out[r * LANES + l]);
    }
    for (int64_t r = 0; n < wide && r < room->block_tokens; r++)
        for (int64_t c = n; c < wide; c++)
            s->x[r * wide + c] = -INFINITY;
}

/* x becomes exp(x - top[row]). */
static void exponentials(const sbi_pbs_room *room, const float *top, const sbi_pbs_scratch *s)
{
    int64_t wide = room->segment_lanes, n = room->block_tokens;
    for (int64_t r = 0; r < n; r++)
        for (int64_t c = 0; c < wide; c++)
            s->x[r * wide + c] -= top[r];
    sbi_flash_generic.exp(s->x, s->x, n * wide);
}

static int64_t part_of(const sbi_pbs_room *room, int64_t perm, int64_t segment)
{
    int64_t own = room->end_segment - room->first_segment;
    return (perm * own + segment - room->first_segment) * room->probe_lanes;
}

static int64_t segment_maxima(const sbi_pbs_room *room, const sbi_pbs_in *in, int64_t perm,
                              int64_t segment, const sbi_pbs_scratch *s)
{
    int64_t at = part_of(room, perm, segment), wide = room->segment_lanes, bad = 0;
    float  *top = room->part_top + at, *sum = room->part_sum + at;
    logits(room, in, perm, s);
    for (int64_t r = 0; r < room->block_tokens; r++) {
        float m = -INFINITY;
        for (int64_t c = 0; c < wide; c++)
            m = s->x[r * wide + c] > m ? s->x[r * wide + c] : m;
        top[r] = m;
    }
    exponentials(room, top, s);
    for (int64_t r = 0; r < room->block_tokens; r++)
        sum[r] = sbi_pbs_sum(s->x + r * wide, wide, &bad);
    for (int64_t r = room->block_tokens; r < room->probe_lanes; r++)
        top[r] = sum[r] = 0;
    return bad;
}

int64_t sbi_pbs_maxima(const sbi_pbs_room *room, const sbi_pbs_in *in)
{
    int64_t own = room->end_segment - room->first_segment, bad = 0;
    int64_t share = room->group / room->perm_heads; /* permutations of a KV head */
    for (int64_t p = 0; p < room->perms; p++)
        load_probe(room, p);
#pragma omp parallel for num_threads(in->threads) schedule(dynamic, 1) reduction(+ : bad)
    for (int64_t job = 0; job < own * in->k->heads; job++) {
        const sbi_pbs_scratch *s  = &room->scratch[omp_get_thread_num()];
        int64_t                kv = job / own, segment = room->first_segment + job % own;
        pack_segment(room, in->k, kv, segment, s->k);
        for (int64_t p = kv * share; p < (kv + 1) * share; p++)
            bad += segment_maxima(room, in, p, segment, s);
    }
#pragma omp parallel for num_threads(in->threads) schedule(static)
    for (int64_t p = 0; p < room->perms; p++)
        for (int64_t r = 0; r < room->block_tokens; r++) {
            float m = -INFINITY;
            for (int64_t g = room->first_segment; g < room->end_segment; g++) {
                float top = room->part_top[part_of(room, p, g) + r];
                m         = top > m ? top : m;
            }
            room->top[p * room->block_tokens + r] = sortable(m);
        }
    return bad;
}

/* What segment `segment` adds to the rows' sums. */
static void add_sums(const sbi_pbs_room *room, int64_t perm, int64_t segment, float *e)
{
    int64_t        at = part_of(room, perm, segment), b = room->block_tokens;
    const int64_t *top = room->top + perm * b;
    for (int64_t r = 0; r < room->probe_lanes; r++)
        e[r] = r < b ? room->part_top[at + r] - from_sortable(top[r]) : 0.0f;
    sbi_flash_generic.exp(e, e, room->probe_lanes);
    for (int64_t r = 0; r < b; r++) {
        double part = (double)(room->part_sum[at + r] * e[r]);
        if (part > 0) /* also not what is no number */
            room->sum[perm * b + r] += (int64_t)rint(part * sum_units);
    }
}

void sbi_pbs_sums(const sbi_pbs_room *room, const sbi_pbs_in *in)
{
    memset(room->sum, 0, (size_t)(room->perms * room->block_tokens) * sizeof *room->sum);
#pragma omp parallel for num_threads(in->threads) schedule(static)
    for (int64_t p = 0; p < room->perms; p++)
        for (int64_t g = room->first_segment; g < room->end_segment; g++)
            add_sums(room, p, g, room->scratch[omp_get_thread_num()].x);
}

/* s[c] = (1/B) sum over the probe rows of exp(x - top) / sum, rows in order. */
static void segment_scores(const sbi_pbs_room *room, const sbi_pbs_in *in, int64_t perm,
                           int64_t segment, const sbi_pbs_scratch *s)
{
    int64_t b = room->block_tokens, n = room->segment_tokens, wide = room->segment_lanes, bad = 0;
    int64_t own   = room->end_segment - room->first_segment;
    float  *score = room->score + (perm * own + segment - room->first_segment) * n;
    logits(room, in, perm, s);
    for (int64_t r = 0; r < b; r++) /* the products are done with `out` */
        s->out[r] = from_sortable(room->top[perm * b + r]);
    exponentials(room, s->out, s);
    memset(score, 0, (size_t)n * sizeof *score);
    for (int64_t r = 0; r < b; r++) {
        double sum    = (double)room->sum[perm * b + r] / sum_units;
        float  weight = sum > 0 ? (float)(1.0 / sum) : 0.0f;
        (void)sbi_pbs_sum(s->x + r * wide, wide, &bad);
        for (int64_t c = 0; c < n; c++)
            score[c] += s->x[r * wide + c] * weight;
    }
    for (int64_t c = 0; c < n; c++)
        score[c] /= (float)b;
}

void sbi_pbs_importance(const sbi_pbs_room *room, const sbi_pbs_in *in)
{
    int64_t own   = room->end_segment - room->first_segment;
    int64_t share = room->group / room->perm_heads;
#pragma omp parallel for num_threads(in->threads) schedule(dynamic, 1)
    for (int64_t job = 0; job < own * in->k->heads; job++) {
        const sbi_pbs_scratch *s  = &room->scratch[omp_get_thread_num()];
        int64_t                kv = job / own, segment = room->first_segment + job % own;
        pack_segment(room, in->k, kv, segment, s->k);
        for (int64_t p = kv * share; p < (kv + 1) * share; p++)
            segment_scores(room, in, p, segment, s);
    }
}
