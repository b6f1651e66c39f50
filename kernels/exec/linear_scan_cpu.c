/* The executor: where a call starts, heads over threads, ranks one after the other. */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "kernels/exec/linear_scan_call.h"
#include "kernels/exec/linear_scan_forms.h"

/* ---- the state between calls ---- */

static float *head_state(const sbi_scan_room *r, int64_t head)
{
    return r->state + head * r->state_floats;
}

static size_t states_bytes(const sbi_scan_room *r)
{
    return (size_t)(r->state_heads * r->state_floats) * sizeof *r->state;
}

static sb_status cached(const sbi_scan_room *r, sb_cache *cache, sbi_scan_state **out)
{
    int64_t bytes = (int64_t)(sizeof **out + states_bytes(r));
    *out          = cache == NULL ? NULL : cache->state;
    if (*out != NULL && cache->state_bytes != bytes)
        return sb_fail(SB_ERR_INTERNAL, "linear scan: a state of %lld bytes, wanted %lld",
                       (long long)cache->state_bytes, (long long)bytes);
    return SB_OK;
}

static void start_from_zero(const sbi_scan_room *r)
{
    for (int64_t s = 0; s < r->state_heads; s++) {
        sbi_scan_head h = {.room = r, .head = s, .cols = r->d, .state = head_state(r, s)};
        sbi_scan_clear(&h);
    }
}

/* MEAN asks with the query of token 0, whatever comes later. */
static void take_query(const sbi_scan_call *c, float *to, int64_t stride)
{
    for (int64_t s = 0; s < c->room->heads; s++)
        for (int64_t x = 0; x < c->room->d; x++)
            to[s * stride + x] = sb_bf16_to_f32(sb_tensor_bf16(c->in->q, s, 0)[x]);
}

static sb_status begin(const sbi_scan_call *c, sb_cache *cache)
{
    const sbi_scan_room *r = c->room;
    sbi_scan_state      *at;
    sb_status            st = cached(r, cache, &at);
    if (st != SB_OK)
        return st;
    if (c->start == 0) {
        start_from_zero(r);
        if (r->scan.rule == SB_SCAN_MEAN)
            take_query(c, r->state + r->d + 2, r->state_floats);
        return SB_OK;
    }
    if (at == NULL || at->tokens != c->start)
        return sb_fail(SB_ERR_INTERNAL,
                       "linear scan: token %lld comes next, the state has seen %lld",
                       (long long)c->start, at == NULL ? 0LL : (long long)at->tokens);
    memcpy(r->state, at + 1, states_bytes(r));
    return SB_OK;
}

static void keep(const sbi_scan_call *c, sb_cache *cache)
{
    sbi_scan_state *at = cache == NULL ? NULL : cache->state;
    if (at == NULL || c->n == 0)
        return;
    *at = (sbi_scan_state){.tokens = c->start + c->n};
    memcpy(at + 1, c->room->state, states_bytes(c->room));
}

/* ---- heads ---- */

static void run_head(const sbi_scan_head *h, int64_t n)
{
    if (h->room->scan.rule == SB_SCAN_MEAN)
        sbi_scan_tokens_mean(h, 0, n);
    else if (h->room->recurrent)
        sbi_scan_tokens(h, 0, n);
    else if (h->room->scan.rule == SB_SCAN_GATE)
        sbi_scan_chunks_gate(h, 0, n);
    else
        sbi_scan_chunks_decay(h, 0, n);
}

static sbi_scan_head head_of(const sbi_scan_call *c, int64_t head, int thread)
{
    const sbi_scan_room *r = c->room;
    return (sbi_scan_head){.room     = r,
                           .ops      = c->ops,
                           .in       = c->in,
                           .s        = &r->scratch[thread],
                           .head     = head,
                           .key_slot = c->key_slot,
                           .cols     = r->d,
                           .state    = head_state(r, head),
                           .scale    = r->scan.scale > 0 ? (float)r->scan.scale : c->in->scale};
}

/* Outputs of all heads; their states go on from where they stand, behind what the tokens of
 * `before` other ranks do to them. */
static void run_outputs(const sbi_scan_call *c, sb_ctx *ctx, int32_t before)
{
    int64_t t0 = sb_now_ns();
#pragma omp parallel for num_threads(c->room->threads) schedule(dynamic, 1)
    for (int64_t s = 0; s < c->room->state_heads; s++) {
        sbi_scan_head h = head_of(c, s, omp_get_thread_num());
        h.out           = c->out;
        for (int32_t r = 0; r < before; r++)
            sbi_scan_apply(&h, sbi_scan_record(c->room, r, s),
                           sbi_scan_mail_of(c->room, r)->tokens);
        run_head(&h, c->n);
    }
    for (int64_t i = 0; c->out->lse != NULL && i < c->room->heads * c->n; i++)
        c->out->lse[i] = 0.0f;
    sb_phase_add(ctx->phases, SB_PHASE_COMPUTE, t0);
}

/* This rank has no part in the token. */
static void run_none(const sbi_scan_call *c)
{
    const sb_tensor *o = c->out->o;
    for (int64_t h = 0; h < o->heads; h++)
        memset((char *)o->data + h * o->head_stride * sb_dtype_bytes(o->dtype), 0,
               (size_t)(c->n * o->dim * sb_dtype_bytes(o->dtype)));
    for (int64_t i = 0; c->out->lse != NULL && i < o->heads * c->n; i++)
        c->out->lse[i] = -INFINITY;
}

/* ---- ranks ---- */

/* From rank 0, which has token 0, to all. Its own record has room and is written later. */
static sb_status share_query(const sbi_scan_call *c, sb_ctx *ctx, sb_status own)
{
    const sbi_scan_room *r   = c->room;
    float               *all = sbi_scan_record(r, ctx->comm->rank, 0);
    int64_t              t0  = sb_now_ns();
    if (ctx->comm->rank == 0 && own == SB_OK)
        take_query(c, all, r->d);
    sb_status st = sb_comm_bcast(ctx->comm, all, r->heads * r->d * (int64_t)sizeof *all, 0);
    for (int64_t s = 0; s < r->heads; s++)
        memcpy(head_state(r, s) + r->d + 2, all + s * r->d, (size_t)r->d * sizeof *all);
    sb_phase_add(ctx->phases, SB_PHASE_COMMUNICATE, t0);
    return st;
}

/* What the own tokens do to a state of zero. */
static void run_records(const sbi_scan_call *c, sb_ctx *ctx)
{
    const sbi_scan_room *r  = c->room;
    int64_t              t0 = sb_now_ns();
#pragma omp parallel for num_threads(r->threads) schedule(dynamic, 1)
    for (int64_t s = 0; s < r->state_heads; s++) {
        sbi_scan_head h = head_of(c, s, omp_get_thread_num());
        h.state         = sbi_scan_record(r, ctx->comm->rank, s);
        h.cols          = r->cols;
        if (r->scan.rule == SB_SCAN_GATE)
            h.gates = (double *)(void *)(h.state + r->dk * r->d);
        sbi_scan_clear(&h);
        run_head(&h, c->n);
    }
    sb_phase_add(ctx->phases, SB_PHASE_COMPUTE, t0);
}

static sb_status gather(const sbi_scan_room *r, sb_ctx *ctx)
{
    int64_t   t0 = sb_now_ns();
    sb_status st = sbi_scan_gather(r, ctx->comm);
    sb_phase_add(ctx->phases, SB_PHASE_COMMUNICATE, t0);
    return st;
}

/* A rank that has failed (st) takes part all the same: the others learn of it by its record. */
static sb_status over_ranks(const sbi_scan_call *c, sb_ctx *ctx, sb_cache *cache, sb_status st)
{
    const sbi_scan_room *r    = c->room;
    sbi_scan_mail       *mine = sbi_scan_mail_of(r, ctx->comm->rank);
    sb_status            gs   = SB_OK;
    sbi_scan_state      *unused;
    if (st == SB_OK)
        st = cached(r, cache, &unused);
    if (r->scan.rule == SB_SCAN_MEAN)
        gs = share_query(c, ctx, st);
    /* behind the last rank nobody asks */
    if (st == SB_OK && gs == SB_OK && c->n > 0 && c->start + c->n < r->n_tokens)
        run_records(c, ctx);
    *mine = (sbi_scan_mail){.status = st, .start = c->start, .tokens = st == SB_OK ? c->n : 0};
    if (gs == SB_OK)
        gs = gather(r, ctx);
    if (st != SB_OK) /* keeps the text of the cause */
        return st;
    if (gs != SB_OK || (st = sbi_scan_check_ranks(r)) != SB_OK || c->n == 0)
        return gs != SB_OK ? gs : st;
    start_from_zero(r);
    run_outputs(c, ctx, ctx->comm->rank);
    keep(c, cache);
    return SB_OK;
}

sb_status sb_attend_linear_scan_cpu(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                                    const sb_plan *plan, sb_cache *cache, sb_attn_out *out)
{
    sbi_scan_call c = {.in = in, .out = out};
    (void)params;
    if (plan == NULL || plan->method_data == NULL)
        return sb_fail(SB_ERR_INTERNAL, "linear scan: the plan was not laid out for it");
    c.room       = plan->method_data;
    sb_status st = sbi_scan_call_open(&c);
    if (c.room->ranks > 1)
        return over_ranks(&c, ctx, cache, st);
    if (st != SB_OK || c.n == 0)
        return st;
    if (!c.has_keys) {
        run_none(&c);
        return SB_OK;
    }
    if ((st = begin(&c, cache)) != SB_OK)
        return st;
    run_outputs(&c, ctx, 0);
    keep(&c, cache);
    return SB_OK;
}
