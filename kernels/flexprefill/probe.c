#include "kernels/flexprefill/probe.h"

#include <float.h>
#include <math.h>
#include <omp.h>
#include <string.h>

#include "kernels/exec/flash.h"

enum { LANES = SB_PRODUCT_LANES, MAX_ROWS = 128 };

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

static void widen_keys(const sbi_flex_room *room, const sb_tensor *k, int64_t kv_head,
                       int64_t begin, float *to)
{
    int64_t        d = k->dim, n = min_i64(room->tile_keys, k->tokens - begin) * d;
    const sb_bf16 *from = sb_tensor_bf16(k, kv_head, begin); /* rows of a head follow each other */
    for (int64_t i = 0; i < n; i++)
        to[i] = sb_bf16_to_f32(from[i]);
    memset(to + n, 0, (size_t)(room->tile_keys * d - n) * sizeof *to);
}

/* Logits of the tile of keys that starts at `begin` against all last queries; -inf where a row does
 * not look: later keys, which includes those past the end. */
static void logits(const sbi_flex_room *room, const sbi_flex_in *in, int64_t kv_head, int64_t begin,
                   const sbi_flex_scratch *s)
{
    int64_t d = in->k->dim, tile = room->tile_keys, n = room->block_tokens * tile;
    int64_t first = in->k->tokens - room->block_tokens; /* position of row 0 */
    widen_keys(room, in->k, kv_head, begin, s->k);
    for (int64_t i = 0; i < room->block_tokens; i += LANES)
        in->product(s->k, room->q + i * d, d, tile, s->x + i * tile);
    if (in->round)
        for (int64_t i = 0; i < n; i++)
            s->x[i] = sb_bf16_round(s->x[i]);
    for (int64_t i = 0; i < n; i++) {
        float x = s->x[i] > -FLT_MAX ? s->x[i] : -INFINITY; /* also what is no number */
        s->x[i] = x < FLT_MAX ? x : FLT_MAX;
    }
    if (begin + tile <= first + 1)
        return;
    for (int64_t i = 0; i < room->block_tokens; i++)
        for (int64_t c = max_i64(first + i + 1 - begin, 0); c < tile; c++)
            s->x[i / LANES * LANES * tile + c * LANES + i % LANES] = -INFINITY;
}

/* x = exp(x - top of the row); a row that saw nothing so far has weight 0. */
static void exponentials(const sbi_flex_room *room, const float *top, float *x)
{
    int64_t tile = room->tile_keys;
    for (int64_t i = 0; i < room->block_tokens; i += LANES) {
        float base[LANES];
        for (int l = 0; l < LANES; l++)
            base[l] = top[i + l] > -INFINITY ? top[i + l] : 0.0f;
        for (int64_t c = 0; c < tile; c++)
            for (int l = 0; l < LANES; l++)
                x[i * tile + c * LANES + l] -= base[l];
    }
    sbi_flash_generic.exp(x, x, room->block_tokens * tile);
}

/* Folds the tile into the online softmax of a chunk. */
static void fold(const sbi_flex_room *room, const sbi_flex_scratch *s, float *top, double *sum)
{
    int64_t tile = room->tile_keys, b = room->block_tokens;
    float   shrink[MAX_ROWS] = {0}; /* exp(old top - new top) */
    for (int64_t i = 0; i < b; i += LANES) {
        float most[LANES];
        memcpy(most, top + i, sizeof most);
        for (int64_t c = 0; c < tile; c++)
            for (int l = 0; l < LANES; l++) {
                float x = s->x[i * tile + c * LANES + l];
                most[l] = x > most[l] ? x : most[l];
            }
        for (int l = 0; l < LANES; l++)
            shrink[i + l] = top[i + l] > -INFINITY ? top[i + l] - most[l] : -INFINITY;
        memcpy(top + i, most, sizeof most);
    }
    sbi_flash_generic.exp(shrink, shrink, b);
    exponentials(room, top, s->x);
    for (int64_t i = 0; i < b; i += LANES) {
        float part[LANES] = {0};
        for (int64_t c = 0; c < tile; c++)
            for (int l = 0; l < LANES; l++)
                part[l] += s->x[i * tile + c * LANES + l];
        for (int l = 0; l < LANES; l++)
            sum[i + l] = sum[i + l] * (double)shrink[i + l] + (double)part[l];
    }
}

static void chunk_partials(const sbi_flex_room *room, const sbi_flex_in *in, int64_t kv_head,
                           int64_t chunk, const sbi_flex_scratch *s)
{
    int64_t b = room->block_tokens, begin = chunk * SBI_FLEX_CHUNK_KEYS;
    int64_t end = min_i64(begin + SBI_FLEX_CHUNK_KEYS, in->k->tokens);
    float  *top = room->chunk_top + chunk * b;
    double *sum = room->chunk_sum + chunk * b;
    for (int64_t i = 0; i < b; i++) {
        top[i] = -INFINITY;
        sum[i] = 0.0;
    }
    for (; begin < end; begin += room->tile_keys) {
        logits(room, in, kv_head, begin, s);
        fold(room, s, top, sum);
    }
}

/* Chunks in order. A row without a single number gets unit 0: it weighs nothing anywhere. */
static void normalisers(const sbi_flex_room *room)
{
    int64_t b = room->block_tokens;
    for (int64_t i = 0; i < b; i++) {
        float  top = -INFINITY;
        double sum = 0.0;
        for (int64_t j = 0; j < room->n_chunks; j++)
            top = fmaxf(top, room->chunk_top[j * b + i]);
        for (int64_t j = 0; j < room->n_chunks; j += 16) {
            float at[16], shrink[16];
            for (int64_t l = 0; l < 16; l++)
                at[l] = j + l < room->n_chunks && top > -INFINITY
                            ? room->chunk_top[(j + l) * b + i] - top
                            : -INFINITY;
            sbi_flash_generic.exp(at, shrink, 16);
            for (int64_t l = 0; l < min_i64(16, room->n_chunks - j); l++)
                sum += room->chunk_sum[(j + l) * b + i] * (double)shrink[l];
        }
        room->row_top[i]  = top;
        room->row_unit[i] = sum > 0.0 ? 0x1p40 / sum : 0.0;
    }
}

/* round(x) for x in [0, 2^51), as the low bits of x + 2^52: vectors have no conversion to 64-bit
 * integers before AVX-512. */
static inline uint64_t rounded(double x)
{
    double   shifted = x + 0x1p52;
    uint64_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    return bits - UINT64_C(0x4330000000000000);
}

/* Weights of the tile into vertical and near: near[x] is its part of the diagonal
 * j = begin + tile + B - 2 - x. Returns 1 if some weight is above 0, even if it rounds to 0. */
static int add_weights(const sbi_flex_room *room, const sbi_flex_scratch *s, uint64_t *column)
{
    int64_t tile = room->tile_keys, b = room->block_tokens;
    float   most = 0.0f;
    memset(column, 0, (size_t)tile * sizeof *column);
    memset(s->near, 0, (size_t)(tile + b - 1) * sizeof *s->near);
    for (int64_t i = 0; i < b; i += LANES)
        for (int64_t c = 0; c < tile; c++) {
            const float *e   = s->x + i * tile + c * LANES;
            uint64_t    *to  = s->near + (tile - 1 - c) + i;
            uint64_t     sum = 0;
            for (int l = 0; l < LANES; l++) {
                uint64_t u = rounded((double)e[l] * room->row_unit[i + l]);
                most       = e[l] > most ? e[l] : most;
                sum += u;
                to[l] += u;
            }
            column[c] += sum;
        }
    return most > 0.0f;
}

static void chunk_weights(const sbi_flex_room *room, const sbi_flex_in *in, int64_t kv_head,
                          int64_t chunk, const sbi_flex_scratch *s)
{
    int64_t n = in->k->tokens, tile = room->tile_keys, b = room->block_tokens;
    int64_t begin = chunk * SBI_FLEX_CHUNK_KEYS, end = min_i64(begin + SBI_FLEX_CHUNK_KEYS, n);
    for (; begin < end; begin += tile) {
        uint64_t column[SBI_FLEX_TILE_KEYS];
        int64_t  last = begin + tile + b - 2; /* diagonal of near[0] */
        logits(room, in, kv_head, begin, s);
        exponentials(room, room->row_top, s->x);
        /* the tiles of a block of columns lie in one chunk: no other thread writes there */
        if (begin % b == 0)
            room->seen[begin / b] = 0;
        room->seen[begin / b] |= (uint8_t)add_weights(room, s, column);
        memcpy(room->vertical + begin, column, (size_t)min_i64(tile, n - begin) * sizeof *column);
        /* diagonals are shared with neighbouring chunks: integer sums do not mind the order. Past
         * the main one nothing is seen */
        for (int64_t x = max_i64(0, last - (n - 1)); x < tile + b - 1; x++) {
#pragma omp atomic
            room->slash[last - x] += s->near[x];
        }
    }
}

void sbi_flex_marginals(const sbi_flex_room *room, const sbi_flex_in *in, int64_t kv_head)
{
#pragma omp parallel for num_threads(in->threads) schedule(static)
    for (int64_t chunk = 0; chunk < room->n_chunks; chunk++)
        chunk_partials(room, in, kv_head, chunk, &room->scratch[omp_get_thread_num()]);
    normalisers(room);
    memset(room->slash, 0, (size_t)in->k->tokens * sizeof *room->slash);
#pragma omp parallel for num_threads(in->threads) schedule(static)
    for (int64_t chunk = 0; chunk < room->n_chunks; chunk++)
        chunk_weights(room, in, kv_head, chunk, &room->scratch[omp_get_thread_num()]);
}
