#include "kernels/xattention/scores.h"

#include <math.h>
#include <string.h>

#include "kernels/exec/flash.h"

enum { LANES = SBI_XATTENTION_LANES, PASS = 4 };

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

static void widen(const sb_bf16 *from, float *to, int64_t n)
{
    for (int64_t x = 0; x < n; x++)
        to[x] = sb_bf16_to_f32(from[x]);
}

/* The local queries of the block, tokens of a group in reverse order. */
static void pack_q(const sbi_xattention_room *room, const sb_tensor *q, int64_t kv_head,
                   int64_t block, const sbi_xattention_row *row, sbi_xattention_scratch *s)
{
    int64_t stride = room->stride_tokens, d = q->dim, wide = stride * d;
    int64_t first = block * room->block_tokens, end = first + room->block_tokens, slot = row->slot;
    memset(s->q, 0, (size_t)(room->n_rows * wide) * sizeof *s->q);
    memset(s->here, 0, (size_t)room->groups);
    for (int32_t r = row->run; r < q->gid.n_runs && q->gid.run[r].start < end; r++) {
        sb_run  run = q->gid.run[r];
        int64_t to  = min_i64(run.start + run.len, end);
        for (int64_t token = max_i64(run.start, first); token < to; token++, slot++) {
            int64_t group = (token - first) / stride, back = stride - 1 - (token - first) % stride;
            s->here[group] = 1;
            for (int64_t h = 0; h < room->heads_per_kv; h++)
                widen(sb_tensor_bf16(q, kv_head * room->heads_per_kv + h, slot),
                      s->q + (h * room->groups + group) * wide + back * d, d);
        }
    }
}

/* Key groups [first, first + LANES) of key block `block`, transposed; past the block they are
 * padding that logits() masks. */
static void pack_k(const sbi_xattention_room *room, const sb_tensor *k, int64_t kv_head,
                   int64_t block, int64_t first, float *out)
{
    int64_t stride = room->stride_tokens, d = k->dim;
    for (int64_t l = 0; l < LANES; l++)
        for (int64_t t = 0; t < stride; t++) {
            int64_t token = (block * room->groups + first + l) * stride + t;
            float  *to    = out + t * d * LANES + l;
            if (token < k->tokens) {
                const sb_bf16 *from = sb_tensor_bf16(k, kv_head, token);
                for (int64_t x = 0; x < d; x++)
                    to[x * LANES] = sb_bf16_to_f32(from[x]);
            } else {
                for (int64_t x = 0; x < d; x++)
                    to[x * LANES] = 0.0f;
            }
        }
}

/* PASS rows against LANES key groups. Each sum runs in the order of `wide`: lanes are side by side,
 * so a vector unit changes nothing. */
static void product(const float *q, const float *k, int64_t wide, float out[PASS][LANES])
{
    float acc[PASS][LANES] = {{0.0f}};
    for (int64_t i = 0; i < wide; i++)
        for (int64_t r = 0; r < PASS; r++)
            for (int64_t l = 0; l < LANES; l++)
                acc[r][l] += q[r * wide + i] * k[i * LANES + l];
    memcpy(out, acc, sizeof acc);
}

/* Logits of key block `key_block`, -inf where the row may not look or nothing stands. */
static void logits(const sbi_xattention_room *room, const sbi_xattention_in *in, int64_t kv_head,
                   int64_t block, int64_t key_block, sbi_xattention_scratch *s)
{
    int64_t wide = room->stride_tokens * in->k->dim;
    for (int64_t first = 0; first < room->lanes; first += LANES) {
        pack_k(room, in->k, kv_head, key_block, first, s->k);
        for (int64_t r = 0; r < room->n_rows; r += PASS) {
            float raw[PASS][LANES];
            product(s->q + r * wide, s->k, wide, raw);
            for (int64_t i = 0; i < PASS; i++) {
                int64_t group = (r + i) % room->groups;
                int64_t end   = key_block < block ? room->groups : group + 1;
                for (int64_t l = 0; l < LANES; l++) {
                    float x = in->round_raw ? sb_bf16_round(raw[i][l]) : raw[i][l];
                    s->x[(r + i) * room->lanes + first + l] =
                        first + l < end ? x * in->factor : -INFINITY;
                }
            }
        }
    }
}

/* Largest logit of each row in the block, and the sum of exponentials below it. */
static void block_sums(const sbi_xattention_room *room, sbi_xattention_scratch *s, float *top,
                       float *sum)
{
    int64_t n = room->n_rows, lanes = room->lanes;
    for (int64_t r = 0; r < n; r++) {
        float *x = s->x + r * lanes, m = x[0]; /* group 0 of a block is visible to all its rows */
        for (int64_t j = 1; j < lanes; j++)
            m = x[j] > m ? x[j] : m;
        for (int64_t j = 0; j < lanes; j++)
            x[j] -= m;
        top[r] = m;
    }
    sbi_flash_generic.exp(s->x, s->e, n * lanes);
    for (int64_t r = 0; r < n; r++) {
        float total = 0.0f;
        for (int64_t j = 0; j < lanes; j++)
            total += s->e[r * lanes + j];
        sum[r] = total;
    }
}

/* All blocks' sums over the maximum of the whole row, and the row's total. */
static void normalisers(const sbi_xattention_room *room, sbi_xattention_scratch *s, int64_t blocks)
{
    int64_t n = room->n_rows;
    for (int64_t r = 0; r < n; r++) {
        s->row_top[r] = s->top[r];
        s->row_sum[r] = 0.0;
        for (int64_t b = 1; b < blocks; b++)
            s->row_top[r] = fmaxf(s->row_top[r], s->top[b * n + r]);
    }
    for (int64_t b = 0; b < blocks; b++) {
        float *top = s->top + b * n, *sum = s->sum + b * n;
        for (int64_t r = 0; r < n; r++)
            top[r] -= s->row_top[r];
        sbi_flash_generic.exp(top, top, n);
        for (int64_t r = 0; r < n; r++) {
            sum[r] *= top[r];
            s->row_sum[r] += (double)sum[r];
        }
    }
}

void sbi_xattention_scores(const sbi_xattention_room *room, const sbi_xattention_in *in,
                           int64_t kv_head, int64_t block, const sbi_xattention_row *row,
                           sbi_xattention_scratch *s, int32_t *out, int64_t head_stride)
{
    int64_t n = room->n_rows;
    pack_q(room, in->q, kv_head, block, row, s);
    for (int64_t b = 0; b <= block; b++) {
        logits(room, in, kv_head, block, b, s);
        block_sums(room, s, s->top + b * n, s->sum + b * n);
    }
    normalisers(room, s, block + 1);
    for (int64_t h = 0; h < room->heads_per_kv; h++)
        for (int64_t b = 0; b <= block; b++) {
            double mass = 0.0;
            for (int64_t i = 0; i < room->groups; i++) {
                int64_t r = h * room->groups + i;
                if (s->here[i])
                    mass += (double)s->sum[b * n + r] / s->row_sum[r];
            }
            out[h * head_stride + b] = sb_bf16_from_f32((float)mass);
        }
}
