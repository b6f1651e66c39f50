#include "kernels/exec/last_queries.h"

#include <string.h>

/* Bytes of a row, and where it starts. Rows are copied: the words are integers to the sum. */
static size_t row_bytes(const sb_last_queries *l) { return (size_t)l->dim * sizeof(sb_bf16); }
static unsigned char *row_of(const sb_last_queries *l, int64_t head, int64_t row)
{
    return (unsigned char *)l->words + (size_t)(head * l->n_rows + row) * row_bytes(l);
}

sb_status sb_last_queries_layout(sb_last_queries *l, sb_arena *a, const sb_shape *shape,
                                 int64_t rows)
{
    void           *words;
    sb_last_queries made = {.heads  = shape->heads,
                            .n_rows = rows < shape->n_keys ? rows : shape->n_keys,
                            .dim    = shape->head_dim};
    made.n_words         = made.heads * made.n_rows * made.dim / 4;
    sb_status st = sb_arena_alloc(a, made.n_words + 1, sizeof *made.words, "last queries", &words);
    if (st != SB_OK)
        return st;
    made.words = words;
    *l         = made;
    return SB_OK;
}

static void fill(const sb_last_queries *l, const sb_shape *shape, const sb_tensor *q)
{
    int64_t first = shape->n_keys - l->n_rows, at = 0;
    memset(l->words, 0, (size_t)(l->n_words + 1) * sizeof *l->words);
    for (int32_t r = 0; r < shape->q_gid.n_runs; at += shape->q_gid.run[r++].len) {
        sb_run run = shape->q_gid.run[r];
        for (int64_t i = run.start > first ? 0 : first - run.start; i < run.len; i++)
            for (int64_t h = 0; h < l->heads; h++)
                memcpy(row_of(l, h, run.start + i - first), sb_tensor_bf16(q, h, at + i),
                       row_bytes(l));
    }
    l->words[l->n_words] = shape->q_gid.n_tokens;
}

/* They are there: the last rows of those of all ranks. */
static void take(const sb_last_queries *l, const sb_shape *shape, const sb_tensor *last)
{
    for (int64_t h = 0; h < l->heads; h++)
        for (int64_t i = 0; i < l->n_rows; i++)
            memcpy(row_of(l, h, i), sb_tensor_bf16(last, h, last->tokens - l->n_rows + i),
                   row_bytes(l));
    l->words[l->n_words] = sb_shape_queries(shape);
}

sb_status sb_last_queries_share(sb_last_queries *l, sb_ctx *ctx, const sb_shape *shape,
                                const sb_tensor *q, sb_phase own)
{
    int64_t t0 = sb_now_ns();
    if (ctx->last_q != NULL && ctx->last_q->tokens >= l->n_rows)
        take(l, shape, ctx->last_q);
    else
        fill(l, shape, q);
    sb_phase_add(ctx->phases, own, t0);
    if (ctx->comm == NULL || ctx->comm->size == 1)
        return SB_OK;
    t0           = sb_now_ns();
    sb_status st = sb_comm_allreduce_i64(ctx->comm, l->words, l->n_words + 1, SB_REDUCE_SUM);
    sb_phase_add(ctx->phases, SB_PHASE_COMMUNICATE, t0);
    return st;
}

void sb_last_queries_row(const sb_last_queries *l, int64_t head, int64_t row, float *out)
{
    const unsigned char *from = row_of(l, head, row);
    for (int64_t x = 0; x < l->dim; x++) {
        sb_bf16 value;
        memcpy(&value, from + (size_t)x * sizeof value, sizeof value);
        out[x] = sb_bf16_to_f32(value);
    }
}
