#include "kernels/xattention/scores.h"

#include <math.h>
#include <string.h>

#include "kernels/exec/flash.h"

enum { LANES = SB_PRODUCT_LANES };

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

static void widen(const sb_bf16 *from, float *to, int64_t n)
{
    for (int64_t x = 0; x < n; x++)
        to[x] = sb_bf16_to_f32(from[x]);
}

/* The local queries of a row block, tokens of a group in reverse order. */
static void pack_q(const sbi_xattention_room *room, const sb_tensor *q, int64_t kv_head,
                   int64_t block, const sbi_xattention_row *row, float *out, uint8_t *here)
{
    int64_t stride = room->stride_tokens, d = q->dim, wide = stride * d;
    int64_t first = block * room->block_tokens, end = first + room->block_tokens, slot = row->slot;
    memset(out, 0, (size_t)(room->block_rows * wide) * sizeof *out);
    memset(here, 0, (size_t)room->groups);
    for (int32_t r = row->run; r < q->gid.n_runs && q->gid.run[r].start < end; r++) {
        sb_run  run = q->gid.run[r];
        int64_t to  = min_i64(run.start + run.len, end);
        for (int64_t token = max_i64(run.start, first); token < to; token++, slot++) {
            int64_t group = (token - first) / stride, back = stride - 1 - (token - first) % stride;
            here[group] = 1;
            for (int64_t h = 0; h < room->heads_per_kv; h++)
                widen(sb_tensor_bf16(q, kv_head * room->heads_per_kv + h, slot),
                      out + (h * room->groups + group) * wide + back * d, d);
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

/* Logits of one row block against key groups [first, first + LANES) of a key block, -inf where the
 * row may not look or nothing stands. x: the row block's. */
static void logits(const sbi_xattention_room *room, const sbi_xattention_in *in, int own_block,
                   int64_t first, const float *q, const sbi_xattention_scratch *s, float *x)
{
    in->product(q, s->k, room->stride_tokens * in->k->dim, room->used_rows, s->raw);
    for (int64_t r = 0, group = 0; r < room->used_rows; r++) {
        int64_t end = own_block ? group + 1 : room->groups;
        for (int64_t l = 0; l < LANES; l++) {
            float raw                      = s->raw[r * LANES + l];
            raw                            = in->round_raw ? sb_bf16_round(raw) : raw;
            x[r * room->lanes + first + l] = first + l < end ? raw * in->factor : -INFINITY;
        }
        group = group + 1 < room->groups ? group + 1 : 0;
    }
}

/* Largest logit of each row of a row block in the key block, and the sum of exponentials below it.
 */
static void block_sums(const sbi_xattention_room *room, float *x, float *e, float *top, float *sum)
{
    int64_t n = room->block_rows, lanes = room->lanes;
    for (int64_t r = 0; r < n; r++) {
        float *row = x + r * lanes, m = row[0]; /* group 0 of a block is visible to all its rows */
        for (int64_t j = 1; j < lanes; j++)
            m = row[j] > m ? row[j] : m;
        for (int64_t j = 0; j < lanes; j++)
            row[j] -= m;
        top[r] = m;
    }
    sbi_flash_generic.exp(x, e, n * lanes);
    for (int64_t r = 0; r < n; r++) {
        float total = 0.0f;
        for (int64_t j = 0; j < lanes; j++)
            total += e[r * lanes + j];
        sum[r] = total;
    }
}

/* One row block: its blocks' sums over the maximum of the whole row, and the row's total. */
static void normalisers(const sbi_xattention_room *room, const sbi_xattention_scratch *s,
                        int64_t at, int64_t blocks)
{
    float  *row_top = s->row_top + at;
    double *row_sum = s->row_sum + at;
    for (int64_t r = 0; r < room->block_rows; r++) {
        row_top[r] = s->top[at + r];
        row_sum[r] = 0.0;
        for (int64_t b = 1; b < blocks; b++)
            row_top[r] = fmaxf(row_top[r], s->top[b * room->n_rows + at + r]);
    }
    for (int64_t b = 0; b < blocks; b++) {
        float *top = s->top + b * room->n_rows + at, *sum = s->sum + b * room->n_rows + at;
        for (int64_t r = 0; r < room->block_rows; r++)
            top[r] -= row_top[r];
        sbi_flash_generic.exp(top, top, room->block_rows);
        for (int64_t r = 0; r < room->block_rows; r++) {
            sum[r] *= top[r];
            row_sum[r] += (double)sum[r];
        }
    }
}

/* A of one row block and head: rows [at, at + groups) of the batch. */
static void masses(const sbi_xattention_room *room, const sbi_xattention_scratch *s, int64_t at,
                   const uint8_t *here, int64_t blocks, int32_t *out)
{
    for (int64_t b = 0; b < blocks; b++) {
        const float *sum  = s->sum + b * room->n_rows + at;
        double       mass = 0.0;
        for (int64_t i = 0; i < room->groups; i++)
            if (here[i])
                mass += (double)sum[i] / s->row_sum[at + i];
        out[b] = sb_bf16_from_f32((float)mass);
    }
}

void sbi_xattention_scores(const sbi_xattention_room *room, const sbi_xattention_in *in,
                           int64_t kv_head, const int32_t *row_id, int64_t first, int64_t n,
                           sbi_xattention_scratch *s, int32_t *id)
{
    int64_t wide = room->stride_tokens * in->k->dim, size = room->block_rows, from = 0;
    for (int64_t i = 0; i < n; i++)
        pack_q(room, in->q, kv_head, row_id[first + i], &room->row[first + i],
               s->q + i * size * wide, s->here + i * room->groups);
    memset(s->x, 0, (size_t)(room->n_rows * room->lanes) * sizeof *s->x); /* rows of padding */
    for (int64_t b = 0; b <= row_id[first + n - 1]; b++) {
        while (row_id[first + from] < b) /* this row block has seen all its keys */
            from++;
        for (int64_t g = 0; g < room->lanes; g += LANES) {
            pack_k(room, in->k, kv_head, b, g, s->k);
            for (int64_t i = from; i < n; i++)
                logits(room, in, row_id[first + i] == b, g, s->q + i * size * wide, s,
                       s->x + i * size * room->lanes);
        }
        for (int64_t i = from; i < n; i++)
            block_sums(room, s->x + i * size * room->lanes, s->e,
                       s->top + b * room->n_rows + i * size, s->sum + b * room->n_rows + i * size);
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t blocks = row_id[first + i] + 1;
        normalisers(room, s, i * size, blocks);
        for (int64_t h = 0; h < room->heads_per_kv; h++)
            masses(room, s, i * size + h * room->groups, s->here + i * room->groups, blocks,
                   id + (kv_head * room->heads_per_kv + h) * room->ids_per_head +
                       room->row[first + i].first_id);
    }
}
