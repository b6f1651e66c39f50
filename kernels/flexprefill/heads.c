#include "kernels/flexprefill/heads.h"

#include <math.h>
#include <string.h>

#include "kernels/exec/flash.h"
#include "kernels/exec/tiles.h"
#include "kernels/exec/top_k.h"
#include "kernels/flexprefill/cover.h"
#include "kernels/flexprefill/pattern.h"

enum { LANES = SB_PRODUCT_LANES };

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

void sbi_flex_key_means(const sbi_flex_room *room, const sbi_flex_in *in)
{
    int64_t d = in->k->dim, b = room->block_tokens, jobs = in->k->heads * room->padded_blocks;
#pragma omp parallel for num_threads(in->threads) schedule(static)
    for (int64_t job = 0; job < jobs; job++) {
        int64_t block = job % room->padded_blocks, first = block * b;
        int64_t n    = min_i64(b, in->k->tokens - first);
        float  *mean = room->k_mean + job * d;
        memset(mean, 0, (size_t)d * sizeof *mean);
        if (n <= 0)
            continue;
        const sb_bf16 *k = sb_tensor_bf16(in->k, job / room->padded_blocks, first);
        for (int64_t i = 0; i < n; i++)
            for (int64_t x = 0; x < d; x++)
                mean[x] += sb_bf16_to_f32(k[i * d + x]);
        for (int64_t x = 0; x < d; x++)
            mean[x] = sbi_flex_rounded(in, mean[x] / (float)n);
    }
}

/* Scaled last queries to room->q, their mean to q_mean [3.1, 3.5]. */
static void load_queries(const sbi_flex_room *room, const sbi_flex_in *in, int64_t head,
                         float *q_mean)
{
    int64_t d = in->q->dim, b          = room->block_tokens;
    float   row[SB_TILE_DIM_MAX], root = sqrtf((float)d);
    memset(q_mean, 0, (size_t)d * sizeof *q_mean);
    for (int64_t i = 0; i < b; i++) {
        float *to = room->q + i / LANES * LANES * d + i % LANES;
        sb_last_queries_row(&room->last, head, i, row);
        for (int64_t x = 0; x < d; x++) {
            float scaled  = sbi_flex_rounded(in, row[x] / root);
            to[x * LANES] = scaled;
            q_mean[x] += scaled;
        }
    }
    for (int64_t x = 0; x < d; x++)
        q_mean[x] = sbi_flex_rounded(in, q_mean[x] / (float)b);
}

/* V by block, S by offset: entry j of slash belongs to offset n - 1 - j / B [3.4]. */
static void pool(const sbi_flex_room *room, int64_t n_keys)
{
    int64_t b = room->block_tokens, n = room->n_blocks;
    for (int64_t block = 0; block < n; block++) {
        uint64_t column = 0, diagonal = 0;
        for (int64_t i = block * b; i < min_i64((block + 1) * b, n_keys); i++) {
            column += room->vertical[i];
            diagonal += room->slash[i];
        }
        room->columns[block]           = column;
        room->diagonals[n - 1 - block] = diagonal;
    }
}

/* room->p: what the mean query makes of all block means, without a mask [3.5]. */
static void estimate_columns(const sbi_flex_room *room, const sbi_flex_in *in, int64_t kv_head,
                             const float *q_mean)
{
    int64_t      d = in->k->dim, n = room->n_blocks;
    const float *k_mean = room->k_mean + kv_head * room->padded_blocks * d;
    float        top    = -INFINITY;
    double       sum    = 0.0;
    for (int64_t block = 0; block < n; block++) {
        float dot = 0.0f;
        for (int64_t x = 0; x < d; x++)
            dot += q_mean[x] * k_mean[block * d + x];
        dot            = sbi_flex_rounded(in, dot);
        room->p[block] = (double)dot;
        top            = dot > top ? dot : top;
    }
    for (int64_t first = 0; first < n; first += 16) {
        float at[16], e[16];
        for (int64_t i = 0; i < 16; i++)
            at[i] = first + i < n ? (float)room->p[first + i] - top : -INFINITY;
        sbi_flash_generic.exp(at, e, 16);
        for (int64_t i = 0; i < min_i64(16, n - first); i++) {
            room->p[first + i] = (double)e[i];
            sum += (double)e[i];
        }
    }
    for (int64_t block = 0; block < n; block++) /* rounded to fp32 like any weight */
        room->p[block] = (double)(float)(room->p[block] / sum);
}

/* 1: query-aware [3.5]. The released code takes 0 ln 0 for no number, and no number for no. */
static int is_query_aware(const sbi_flex_room *room, const sbi_flex_in *in)
{
    double all = (double)room->block_tokens * 0x1p40;
    for (int64_t block = 0; block < room->n_blocks; block++) {
        if (in->round && (!(room->p[block] > 0.0) || !room->seen[block]))
            return 0;
        room->t[block] = (double)room->columns[block] / all;
    }
    /* strict: no number, if it comes to that, falls to vertical-slash */
    return sbi_flex_distance(room->p, room->t, room->n_blocks) < in->tau;
}

/* b_v or b_s, in blocks [3.3]. The 128 is the released code's, whatever B. */
static int64_t budget(const sbi_flex_room *room, const sbi_flex_in *in, const uint64_t *mass,
                      int64_t n_keys)
{
    double  limit = in->gamma * (double)room->block_tokens * 0x1p40; /* below 2^47 */
    int64_t lines = sbi_flex_cover(mass, n_keys, (uint64_t)limit);
    return min_i64(max_i64(lines / 128 + 1, in->min_blocks), in->max_blocks);
}

/* The b largest of `mass`, the first by force, as a set [3.6, 3.7]. */
static void choose(const sbi_flex_room *room, uint64_t *mass, int64_t b, uint64_t *set)
{
    mass[0]   = UINT64_MAX;
    int64_t n = sbi_top_k(mass, room->n_blocks, b, 64, room->ids);
    memset(set, 0, (size_t)room->set_words * sizeof *set);
    for (int64_t i = 0; i < n; i++)
        set[room->ids[i] / 64] |= UINT64_C(1) << room->ids[i] % 64;
}

void sbi_flex_choose_head(sb_ctx *ctx, const sbi_flex_room *room, const sbi_flex_in *in,
                          int64_t head)
{
    float   q_mean[SB_TILE_DIM_MAX];
    int64_t kv_head = head / room->heads_per_kv, t0 = sb_now_ns();
    load_queries(room, in, head, q_mean);
    sbi_flex_marginals(room, in, kv_head);
    pool(room, in->k->tokens);
    estimate_columns(room, in, kv_head, q_mean);
    int aware = is_query_aware(room, in);
    sb_phase_add(ctx->phases, SB_PHASE_ESTIMATE, t0);
    t0 = sb_now_ns();
    /* a query-aware head has the least budget and knows no ceiling [3.5] */
    int64_t b_v = in->min_blocks, b_s = in->min_blocks;
    if (!aware) {
        b_v = budget(room, in, room->vertical, in->k->tokens);
        b_s = budget(room, in, room->slash, in->k->tokens);
    }
    *sbi_flex_choice(room, head) = (uint64_t)aware;
    choose(room, room->columns, b_v, sbi_flex_columns(room, head));
    choose(room, room->diagonals, b_s, sbi_flex_offsets(room, head));
    sb_phase_add(ctx->phases, SB_PHASE_SELECT, t0);
}

sb_status sbi_flex_choose_heads(sb_ctx *ctx, sbi_flex_room *room, const sbi_flex_in *in)
{
    int64_t   heads = room->heads, size = ctx->comm != NULL ? ctx->comm->size : 1;
    int64_t   each = (1 + 2 * room->set_words) * (int64_t)sizeof *room->choice;
    sb_status st   = SB_OK;
    for (int64_t h = room->first_head; h < room->end_head; h++)
        sbi_flex_choose_head(ctx, room, in, h);
    if (size > 1) {
        int64_t t0 = sb_now_ns();
        for (int64_t r = 0; r < size; r++) {
            room->displ_bytes[r] = heads * r / size * each;
            room->count_bytes[r] = heads * (r + 1) / size * each - room->displ_bytes[r];
        }
        st = sb_comm_allgatherv(ctx->comm, sbi_flex_choice(room, room->first_head), room->choice,
                                room->count_bytes, room->displ_bytes);
        sb_phase_add(ctx->phases, SB_PHASE_COMMUNICATE, t0);
    }
    room->n_aware = 0;
    for (int32_t h = 0; st == SB_OK && h < heads; h++)
        if (*sbi_flex_choice(room, h) != 0)
            room->aware[room->n_aware++] = h;
    return st;
}
