/* Structured maps on the CPU: blocks of rows that fit in L1, one pass per term, threads over (map,
 * block). */
#include "kernels/nn/probe_maps.h"

#include <string.h>

#define BLOCK_ROWS 64 /* 16 KiB of output: stays in L1 while the terms of a map are written */
#define MIN_PARALLEL_ROWS                                                                          \
    2048 /* maps x rows below this: a thread team costs more than it saves                         \
          */

static inline const sb_bf16 *source_row(const sb_probe_source *s, int64_t row)
{
    return s->data + (s->index != NULL ? (int64_t)s->index[row] : row) * s->stride;
}

/* sb_bf16_from_f32 with a select in place of its branch: loops of it vectorise. */
static inline sb_bf16 round_bf16(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    uint32_t rounded = u + 0x7fffu + ((u >> 16) & 1u);
    uint32_t quiet   = u | 0x00400000u;
    return (sb_bf16)(((u & 0x7fffffffu) > 0x7f800000u ? quiet : rounded) >> 16);
}

static void scale(const sb_probe_term *t, int64_t row, sb_bf16 *dst)
{
    const sb_bf16 *x = source_row(&t->a, row) + t->from;
    if (t->gain == 1.0f) { /* exact: bf16 in, bf16 out */
        memcpy(dst + t->at, x, (size_t)t->n * sizeof *dst);
        return;
    }
    for (int32_t i = 0; i < t->n; i++)
        dst[t->at + i] = round_bf16(t->gain * sb_bf16_to_f32(x[i]));
}

static void sum(const sb_probe_term *t, int64_t row, sb_bf16 *dst)
{
    const sb_bf16 *x = source_row(&t->a, row) + t->from;
    const sb_bf16 *y = source_row(&t->b, row) + t->from;
    for (int32_t i = 0; i < t->n; i++)
        dst[t->at + i] = round_bf16(sb_bf16_to_f32(x[i]) + sb_bf16_to_f32(y[i]));
}

/* Three loops over plain arrays, so that each is vectorised: split the pairs, turn, join. */
static void rotate(const sb_probe_term *t, int64_t row, sb_bf16 *dst)
{
    const sb_probe_rotation *r = t->rotation;
    const sb_bf16           *x = source_row(&t->a, row);
    float                    re[SB_PROBE_PAIRS], im[SB_PROBE_PAIRS];
    sb_bf16                  y0[SB_PROBE_PAIRS], y1[SB_PROBE_PAIRS];
    for (int32_t j = 0; j < SB_PROBE_PAIRS; j++) {
        re[j] = sb_bf16_to_f32(x[2 * j]);
        im[j] = sb_bf16_to_f32(x[2 * j + 1]);
    }
    for (int32_t j = 0; j < SB_PROBE_PAIRS; j++) {
        y0[j] = round_bf16(r->gain[j] * (r->c[j] * re[j] + r->s[j] * im[j]));
        y1[j] = round_bf16(r->gain[j] * (r->c[j] * im[j] - r->s[j] * re[j]));
    }
    for (int32_t j = 0; j < SB_PROBE_PAIRS; j++) {
        dst[2 * j]     = y0[j];
        dst[2 * j + 1] = y1[j];
    }
}

static void dot(const sb_probe_term *t, int64_t row, sb_bf16 *dst)
{
    const sb_bf16 *x   = source_row(&t->a, row);
    float          acc = 0.0f;
    for (int32_t j = 0; j < SB_PROBE_DIM; j++)
        acc += t->table[j] * sb_bf16_to_f32(x[j]);
    dst[t->at] = round_bf16(t->gain * acc);
}

static void project(const sb_probe_term *t, int64_t row, sb_bf16 *dst)
{
    const sb_bf16 *x                       = source_row(&t->a, row);
    float          acc[SB_PROBE_TOPIC_PAD] = {0};
    for (int32_t j = 0; j < SB_PROBE_DIM;
         j++) { /* every output adds in order of j: vector lanes are outputs */
        float        xj = sb_bf16_to_f32(x[j]);
        const float *w  = t->table + j * SB_PROBE_TOPIC_PAD;
        for (int32_t i = 0; i < SB_PROBE_TOPIC_PAD; i++)
            acc[i] += w[i] * xj;
    }
    for (int32_t i = 0; i < t->n; i++)
        dst[t->at + i] = round_bf16(t->gain * acc[i]);
}

typedef void (*term_fn)(const sb_probe_term *t, int64_t row, sb_bf16 *dst);

static const term_fn term_of[SB_PROBE_OP_COUNT] = {
    [SB_PROBE_SCALE] = scale, [SB_PROBE_SUM] = sum,         [SB_PROBE_ROTATE] = rotate,
    [SB_PROBE_DOT] = dot,     [SB_PROBE_PROJECT] = project,
};

static void permute_row(const uint8_t *permute, sb_bf16 *row)
{
    sb_bf16 x[SB_PROBE_DIM];
    memcpy(x, row, sizeof x);
    for (int32_t j = 0; j < SB_PROBE_DIM; j++)
        row[j] = x[permute[j]];
}

static void map_block(const sb_probe_map *m, int64_t row, int64_t n, sb_bf16 *dst)
{
    memset(dst, 0, (size_t)n * SB_PROBE_DIM * sizeof *dst);
    for (int32_t k = 0; k < m->n_terms; k++) {
        term_fn f = term_of[m->term[k].op];
        for (int64_t r = 0; r < n; r++)
            f(&m->term[k], row + r, dst + r * SB_PROBE_DIM);
    }
    for (int64_t r = 0; m->permute != NULL && r < n; r++)
        permute_row(m->permute, dst + r * SB_PROBE_DIM);
}

void sb_probe_maps_run(const sb_probe_map *map, sb_bf16 *const *dst, int32_t n_maps, int64_t row0,
                       int64_t n_rows, int32_t threads)
{
    int64_t blocks = (n_rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    int64_t work   = blocks * n_maps;
    /* dynamic: a copied row and a projected row differ tenfold in cost; results do not depend on
     * who computes them */
#pragma omp parallel for schedule(dynamic, 16)                                                     \
    num_threads(threads) if (threads > 1 && n_maps * n_rows >= MIN_PARALLEL_ROWS)
    for (int64_t w = 0; w < work; w++) {
        int64_t first = w % blocks * BLOCK_ROWS;
        int64_t n     = n_rows - first < BLOCK_ROWS ? n_rows - first : BLOCK_ROWS;
        map_block(&map[w / blocks], row0 + first, n, dst[w / blocks] + first * SB_PROBE_DIM);
    }
}

void sb_probe_take(const sb_bf16 *o, int64_t n_rows, int32_t dims, sb_bf16 *dst, int32_t threads)
{
#pragma omp parallel for schedule(static)                                                          \
    num_threads(threads) if (threads > 1 && n_rows >= MIN_PARALLEL_ROWS)
    for (int64_t r = 0; r < n_rows; r++)
        memcpy(dst + r * dims, o + r * SB_PROBE_DIM, (size_t)dims * sizeof *dst);
}
