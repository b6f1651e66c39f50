/* Three passes over the keys, in tiles: row maxima, row sums, weights. Logits are computed anew in
 * each pass instead of kept: 64 rows of them would outweigh K itself.
 *
 *   64 probe rows x n keys, tile [begin, end):    diagonal of (row i, key c): delta = n - 64 + i -
 * c */
#include <math.h>
#include <string.h>

#include "kernels/minference/probe.h"

enum { TILE_KEYS = 128, LANES = 16 };

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

/* round(x * 2^40) for x in [0, 1]; 0 for what is no number. Exact in double but for the rounding.
 */
static uint64_t fixed40(float x) { return x > 0 ? (uint64_t)((double)x * 0x1p40 + 0.5) : 0; }

/* s[i] = logit of probe row i and one key. The sum over dim runs in order for each row; rows are
 * the vector lanes. */
static void logits(const sbi_probe *p, int64_t key, float *s)
{
    const sb_bf16 *k    = sb_tensor_bf16(p->k, p->kv_head, key);
    float          root = sqrtf((float)p->k->dim);
    for (int64_t r = 0; r < SBI_PROBE_ROWS; r += LANES) {
        float sum[LANES] = {0};
        for (int64_t x = 0; x < p->k->dim; x++) {
            const float *q  = p->q_t + x * SBI_PROBE_ROWS + r;
            float        kx = sb_bf16_to_f32(k[x]);
            for (int i = 0; i < LANES; i++)
                sum[i] += kx * q[i];
        }
        for (int i = 0; i < LANES; i++)
            s[r + i] = sb_bf16_round(sb_bf16_round(sum[i]) / root); /* both roundings: [3.3] */
    }
}

/* Rows before this one do not see the key. */
static int64_t first_row(const sbi_probe *p, int64_t key)
{
    return max_i64(0, key - (p->k->tokens - p->n_rows));
}

static void tile_max(const sbi_probe *p, int64_t begin, int64_t end, float *max)
{
    float s[SBI_PROBE_ROWS];
    for (int64_t c = begin; c < end; c++) {
        logits(p, c, s);
        for (int64_t i = first_row(p, c); i < p->n_rows; i++)
            max[i] = s[i] > max[i] ? s[i] : max[i];
    }
}

static void tile_sum(const sbi_probe *p, int64_t begin, int64_t end, const float *max,
                     uint64_t *sum)
{
    float s[SBI_PROBE_ROWS];
    for (int64_t c = begin; c < end; c++) {
        logits(p, c, s);
        for (int64_t i = first_row(p, c); i < p->n_rows; i++)
            sum[i] += fixed40(expf(s[i] - max[i]));
    }
}

/* near[x]: the tile's part of diagonal n - n_rows - (end - 1) + x. */
static void tile_weights(const sbi_probe *p, int64_t begin, int64_t end, const float *max,
                         const float *total, uint64_t *vertical, uint64_t *near)
{
    float s[SBI_PROBE_ROWS];
    for (int64_t c = begin; c < end; c++) {
        uint64_t column = 0;
        logits(p, c, s);
        for (int64_t i = first_row(p, c); i < p->n_rows; i++) {
            uint64_t a = fixed40(expf(s[i] - max[i]) / total[i]);
            column += a;
            near[i + end - 1 - c] += a;
        }
        vertical[c] = column;
    }
}

/* Maxima and integer sums: the order in which threads add theirs does not matter. */
static void all_max(const sbi_probe *p, float *max)
{
    int64_t n = p->k->tokens;
    for (int i = 0; i < SBI_PROBE_ROWS; i++)
        max[i] = -INFINITY;
#pragma omp parallel for num_threads(p->threads) reduction(max : max[:SBI_PROBE_ROWS])
    for (int64_t begin = 0; begin < n; begin += TILE_KEYS)
        tile_max(p, begin, min_i64(begin + TILE_KEYS, n), max);
}

static void all_sums(const sbi_probe *p, const float *max, float *total)
{
    uint64_t sum[SBI_PROBE_ROWS] = {0};
    int64_t  n                   = p->k->tokens;
#pragma omp parallel for num_threads(p->threads) reduction(+ : sum[:SBI_PROBE_ROWS])
    for (int64_t begin = 0; begin < n; begin += TILE_KEYS)
        tile_sum(p, begin, min_i64(begin + TILE_KEYS, n), max, sum);
    for (int i = 0; i < SBI_PROBE_ROWS; i++)
        total[i] = (float)((double)sum[i] * 0x1p-40);
}

void sbi_minference_probe(const sbi_probe *p, uint64_t *vertical, uint64_t *slash)
{
    float   max[SBI_PROBE_ROWS], total[SBI_PROBE_ROWS];
    int64_t n = p->k->tokens;
    all_max(p, max);
    all_sums(p, max, total);
    memset(slash, 0, (size_t)n * sizeof *slash);
#pragma omp parallel for schedule(static) num_threads(p->threads)
    for (int64_t begin = 0; begin < n; begin += TILE_KEYS) {
        uint64_t near[TILE_KEYS + SBI_PROBE_ROWS] = {0};
        int64_t  end = min_i64(begin + TILE_KEYS, n), delta = n - p->n_rows - (end - 1);
        tile_weights(p, begin, end, max, total, vertical, near);
        /* neighbouring tiles share diagonals; integer sums do not mind the order. A negative
         * diagonal is one that no row sees */
        for (int64_t x = max_i64(0, -delta); x < TILE_KEYS + SBI_PROBE_ROWS; x++)
            if (near[x] > 0) {
#pragma omp atomic
                slash[delta + x] += near[x];
            }
    }
}
