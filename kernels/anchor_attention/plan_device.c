/* The index on a device: tiles follow from the shape and are copied there by layout; stripes are
 * bits first, then lists. */
#include <math.h>
#include <stdlib.h>

#include "kernels/anchor_attention/plan_cpu.h"
#include "kernels/anchor_attention/plan_cuda.h"
#include "kernels/exec/need_sm90.h"
#include "kernels/exec/plan_bits_device.h"

static const double log2_e = 1.4426950408889634;

typedef struct room {
    struct sbi_anchor_device stages;
    sb_plan_bits             bits;
    int64_t                  flops;
} room;

/* Queries are whole super-blocks but where all of them begin and end: incomplete ones, which have
 * no candidates, are not in between, so that local rows with candidates follow each other. */
static sb_status check_runs(const sb_gid *q, int64_t super_tokens)
{
    for (int32_t i = 0; i < q->n_runs; i++) {
        int64_t start = q->run[i].start, end = start + q->run[i].len;
        if ((i > 0 && start % super_tokens != 0) || (i + 1 < q->n_runs && end % super_tokens != 0))
            return sb_fail(SB_ERR_UNSUPPORTED,
                           "anchor_attention: found queries [%lld, %lld) as run %d of %d, allowed "
                           "whole super-blocks of %lld but at the very ends on the cuda backend",
                           (long long)start, (long long)end, (int)i, (int)q->n_runs,
                           (long long)super_tokens);
    }
    return SB_OK;
}

static sb_status check(const sb_ctx *ctx, const sb_anchor_attention_params *p,
                       const sb_shape *shape)
{
    if (ctx->comm != NULL && ctx->comm->size != 1)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "anchor_attention: found %d ranks, allowed one on the cuda backend",
                       (int)ctx->comm->size);
    if (p->windows != SB_ANCHOR_WINDOWS_PARTITION)
        return sb_fail(SB_ERR_UNSUPPORTED, "anchor_attention: found windows released, allowed "
                                           "partition on the cuda backend");
    if (p->block_tokens != SBI_ANCHOR_BLOCK || p->step_blocks % 16 != 0)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "anchor_attention: found %lld blocks of %lld tokens in a super-block, "
                       "allowed a multiple of 16 and %d on the cuda backend",
                       (long long)p->step_blocks, (long long)p->block_tokens,
                       (int)SBI_ANCHOR_BLOCK);
    if (shape->head_dim != 64 && shape->head_dim != 128)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "anchor_attention: found head_dim %lld, allowed 64 and 128 on the cuda "
                       "backend",
                       (long long)shape->head_dim);
    sb_status st = check_runs(&shape->q_gid, p->block_tokens * p->step_blocks);
    return st == SB_OK ? sbi_need_sm90("anchor_attention") : st;
}

static sb_status csr_room(sb_arena *a, int64_t lists, int64_t ids, const char *what, sb_csr *c)
{
    void     *row_ptr, *id;
    sb_status st = sb_arena_alloc(a, lists + 1, sizeof *c->row_ptr, what, &row_ptr);
    if (st == SB_OK)
        st = sb_arena_alloc(a, ids, sizeof *c->id, what, &id);
    if (st != SB_OK)
        return st;
    c->row_ptr  = row_ptr;
    c->id       = id;
    c->capacity = ids;
    return SB_OK;
}

static sb_status lay_out(const sb_ctx *ctx, const sb_shape *shape, const sbi_anchor_room *r,
                         const sbi_anchor_counts *c, room *out, sb_plan *plan)
{
    sb_arena *a     = ctx->arena;
    int64_t   used  = r->heads_per_kv * r->step_blocks;
    int64_t   rows  = (used + SBI_ANCHOR_SLICE - 1) / SBI_ANCHOR_SLICE * SBI_ANCHOR_SLICE;
    int64_t   means = shape->kv_heads * c->rows * rows;
    void     *row_id, *high, *low, *anchor;
    sb_status st;
    *plan = (sb_plan){
        .row_tokens = r->super_tokens,
        .n_rows     = c->rows,
        .tiles  = {.n_heads = 1, .unit_tokens = r->block_tokens, .width_tokens = r->block_tokens},
        .tokens = {.n_heads = shape->heads, .unit_tokens = 1, .width_tokens = 1}};
    if ((st = sb_arena_alloc(a, c->rows, sizeof(int32_t), "anchor_attention row ids", &row_id)) !=
            SB_OK ||
        (st = csr_room(a, c->rows, c->tiles, "anchor_attention tiles", &plan->tiles)) != SB_OK ||
        (st = csr_room(a, shape->heads * c->rows, shape->heads * c->tokens,
                       "anchor_attention stripes", &plan->tokens)) != SB_OK ||
        (st = sb_arena_alloc(a, means * shape->head_dim, sizeof(sb_bf16),
                             "anchor_attention mean queries", &high)) != SB_OK ||
        (st = sb_arena_alloc(a, means * shape->head_dim, sizeof(sb_bf16),
                             "anchor_attention mean queries, low", &low)) != SB_OK ||
        (st = sb_arena_alloc(a, means, sizeof(float), "anchor_attention mean anchors", &anchor)) !=
            SB_OK ||
        (st = sb_plan_bits_layout(&out->bits, ctx, shape->heads * c->rows, shape->n_keys)) != SB_OK)
        return st;
    plan->row_id = row_id;
    out->stages  = (struct sbi_anchor_device){
         .step_blocks  = r->step_blocks,
         .mean_rows    = rows,
         .heads        = shape->heads,
         .kv_heads     = shape->kv_heads,
         .dim          = shape->head_dim,
         .factor       = (float)(log2_e / sqrt((double)shape->head_dim)),
         .q_high       = high,
         .q_low        = low,
         .anchor       = anchor,
         .mean_bytes   = (size_t)(means * shape->head_dim) * sizeof(sb_bf16),
         .anchor_bytes = (size_t)means * sizeof(float),
         .word         = out->bits.word,
         .list_rows    = c->rows,
         .words        = out->bits.words};
    return SB_OK;
}

/* Which rows have candidates: the whole super-blocks but the first one. They follow each other, in
 * local rows (check_runs). */
static void name_rows(const sbi_anchor_room *r, const sb_plan *host, struct sbi_anchor_device *d)
{
    for (int64_t i = host->n_rows - 1; i >= 0; i--)
        if (sbi_anchor_candidates(r, &r->row[i]) > 0) {
            d->last_super = d->n_rows == 0 ? r->row[i].block : d->last_super;
            d->first_row  = i;
            d->slot       = r->row[i].slot;
            d->n_rows++;
        }
}

/* Rows and tiles as the host lists them, in C-heap memory; then to the device. */
static sb_status list_rows(const sb_ctx *ctx, const sb_shape *shape, sbi_anchor_room *r,
                           const sbi_anchor_counts *c, room *out, const sb_plan *plan)
{
    sb_plan   host = {.n_rows = c->rows, .method_data = r};
    sb_status st   = SB_OK;
    host.row_id    = calloc((size_t)c->rows + 1, sizeof *host.row_id);
    host.tiles     = (sb_csr){.row_ptr = calloc((size_t)c->rows + 1, sizeof *host.tiles.row_ptr),
                              .id      = calloc((size_t)c->tiles + 1, sizeof *host.tiles.id)};
    r->row         = calloc((size_t)c->rows + 1, sizeof *r->row);
    if (host.row_id == NULL || host.tiles.row_ptr == NULL || host.tiles.id == NULL ||
        r->row == NULL)
        st = sb_fail(SB_ERR_NOMEM, "anchor_attention: no host memory for %lld rows",
                     (long long)c->rows);
    if (st == SB_OK) {
        sbi_anchor_rows(shape, &host);
        name_rows(r, &host, &out->stages);
        out->stages.super_id = plan->row_id + out->stages.first_row;
        out->flops = sbi_anchor_flops(r, shape, c->rows);
        st = ctx->backend->copy(plan->row_id, host.row_id, (size_t)c->rows * sizeof *host.row_id,
                                SB_COPY_TO_DEVICE, ctx->stream);
    }
    if (st == SB_OK)
        st = ctx->backend->copy(plan->tiles.row_ptr, host.tiles.row_ptr,
                                (size_t)(c->rows + 1) * sizeof *host.tiles.row_ptr,
                                SB_COPY_TO_DEVICE, ctx->stream);
    if (st == SB_OK)
        st = ctx->backend->copy(plan->tiles.id, host.tiles.id,
                                (size_t)c->tiles * sizeof *host.tiles.id, SB_COPY_TO_DEVICE,
                                ctx->stream);
    if (st == SB_OK)
        st = ctx->backend->sync(ctx->stream);
    free(host.row_id);
    free(host.tiles.row_ptr);
    free(host.tiles.id);
    free(r->row);
    r->row = NULL;
    return st;
}

sb_status sbi_anchor_layout_device(sb_ctx *ctx, const sb_anchor_attention_params *p,
                                   const sb_shape *shape, sb_plan *plan)
{
    room      made = {0};
    sb_plan   laid;
    void     *at;
    sb_status st = check(ctx, p, shape);
    if (st != SB_OK)
        return st;
    sbi_anchor_room   r = sbi_anchor_room_of(p, shape, 1);
    sbi_anchor_counts c = sbi_anchor_count(&r, shape);
    if ((st = lay_out(ctx, shape, &r, &c, &made, &laid)) != SB_OK ||
        (st = sb_arena_alloc(ctx->host, 1, sizeof made, "anchor_attention room", &at)) != SB_OK)
        return st;
    made.stages.theta2 = (float)(p->theta * log2_e);
    made.stages.round  = p->compat == SB_ANCHOR_COMPAT_OFFICIAL;
    if (!ctx->arena->counting && (st = list_rows(ctx, shape, &r, &c, &made, &laid)) != SB_OK)
        return st;
    if (!ctx->host->counting)
        *(room *)at = made;
    laid.method_data = at;
    *plan            = laid;
    return SB_OK;
}

sb_status sbi_anchor_plan_cuda(sb_ctx *ctx, const sb_anchor_attention_params *p,
                               const sb_shape *shape, const sb_tensor *q, const sb_tensor *k,
                               sb_plan *plan)
{
    const room *r = plan->method_data;
    (void)p;
    if (k->tokens != shape->n_keys)
        return sb_fail(SB_ERR_INTERNAL,
                       "anchor_attention: plan was given %lld keys, it needs all %lld of them",
                       (long long)k->tokens, (long long)shape->n_keys);
    sb_status st = sb_ctx_enter(ctx, SB_PHASE_ESTIMATE);
    if (st == SB_OK)
        st = sbi_anchor_means_cuda(&r->stages, q, k, ctx->stream);
    if (st == SB_OK)
        st = sb_ctx_enter(ctx, SB_PHASE_SELECT);
    if (st == SB_OK)
        st = sb_plan_bits_clear(&r->bits, ctx->stream);
    if (st == SB_OK)
        st = sbi_anchor_stripes_cuda(&r->stages, k, ctx->stream);
    if (st == SB_OK)
        st = sb_plan_bits_list(&r->bits, &plan->tokens, ctx->stream);
    plan->parts          = SB_PART_TILES | SB_PART_TOKENS;
    plan->estimate_flops = r->flops;
    return st;
}
