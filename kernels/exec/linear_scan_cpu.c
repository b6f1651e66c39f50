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

static void run_head(const sbi_scan_head *h, int64_t first, int64_t n)
{
    if (h->room->scan.rule == SB_SCAN_MEAN)
        sbi_scan_tokens_mean(h, first, n);
    else if (h->room->recurrent)
        sbi_scan_tokens(h, first, n);
    else if (h->room->scan.rule == SB_SCAN_GATE)
        sbi_scan_chunks_gate(h, first, n);
    else
        sbi_scan_chunks_decay(h, first, n);
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

static void no_lse(const sbi_scan_call *c)
{
    for (int64_t i = 0; c->out->lse != NULL && i < c->room->heads * c->n; i++)
        c->out->lse[i] = 0.0f;
}

/* Outputs of all heads; their states go on from where they stand. */
static void run_outputs(const sbi_scan_call *c, sb_ctx *ctx)
{
    int64_t t0 = sb_now_ns();
#pragma omp parallel for num_threads(c->room->threads) schedule(dynamic, 1)
    for (int64_t s = 0; s < c->room->state_heads; s++) {
        sbi_scan_head h = head_of(c, s, omp_get_thread_num());
        h.out           = c->out;
        run_head(&h, 0, c->n);
    }
    no_lse(c);
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

static sb_status share_query(const sbi_scan_call *c, sb_ctx *ctx, sb_status own)
{
    const sbi_scan_room *r  = c->room;
    int64_t              t0 = sb_now_ns();
    if (ctx->comm->rank == 0 && own == SB_OK)
        take_query(c, r->query, r->d);
    sb_status st = sbi_scan_share_query(r, ctx);
    for (int64_t s = 0; s < r->heads; s++)
        memcpy(head_state(r, s) + r->d + 2, r->query + s * r->d, (size_t)r->d * sizeof *r->query);
    sb_phase_add(ctx->phases, SB_PHASE_COMMUNICATE, t0);
    return st;
}

/* Rows that what came before can reach; later ones are as if the sequence began here. Whole chunks,
 * so that rows fall into the same ones either way. */
static int64_t reach(const sbi_scan_call *c, int64_t head)
{
    const sbi_scan_room *r = c->room;
    if (r->scan.rule != SB_SCAN_DECAY)
        return c->n;
    if (c->start == 0)
        return 0;
    int64_t rows = (sb_scan_reach(r->slope[head], c->n) + r->chunk - 1) / r->chunk * r->chunk;
    return rows < c->n ? rows : c->n;
}

/* What the own tokens do to a state of zero, and the outputs of rows out of reach. */
static void run_apart(const sbi_scan_call *c, sb_ctx *ctx)
{
    const sbi_scan_room *r    = c->room;
    int64_t              t0   = sb_now_ns();
    int                  last = c->start + c->n >= r->n_tokens;
#pragma omp parallel for num_threads(r->threads) schedule(dynamic, 1)
    for (int64_t s = 0; s < r->state_heads; s++) {
        sbi_scan_head h    = head_of(c, s, omp_get_thread_num());
        int64_t       rows = reach(c, s);
        if (last && rows == c->n) /* behind the last rank nobody asks */
            continue;
        h.state = r->own + s * r->record_floats;
        h.cols  = r->cols;
        if (r->scan.rule == SB_SCAN_GATE)
            h.gates = (double *)(void *)(h.state + r->dk * r->d);
        sbi_scan_clear(&h);
        run_head(&h, 0, rows);
        h.out = c->out;
        run_head(&h, rows, c->n - rows);
    }
    sb_phase_add(ctx->phases, SB_PHASE_COMPUTE, t0);
}

/* States before the own tokens, by the records of ranks [first, first + BATCH) before this one. */
static void fold(const sbi_scan_call *c, sb_ctx *ctx, int32_t first)
{
    const sbi_scan_room *r   = c->room;
    int64_t              t0  = sb_now_ns();
    int32_t              end = first + SB_SCAN_BATCH;
    end                      = end < ctx->comm->rank ? end : ctx->comm->rank;
#pragma omp parallel for num_threads(r->threads) schedule(dynamic, 1)
    for (int64_t s = 0; s < r->state_heads; s++) {
        sbi_scan_head h = head_of(c, s, omp_get_thread_num());
        for (int32_t i = first; i < end; i++)
            if (r->told[i].tokens > 0)
                sbi_scan_apply(&h,
                               r->others + (i - first) * r->records_floats + s * r->record_floats,
                               r->told[i].tokens);
    }
    sb_phase_add(ctx->phases, SB_PHASE_COMPUTE, t0);
}

static sb_status exchange(const sbi_scan_call *c, sb_ctx *ctx)
{
    const sbi_scan_room *r  = c->room;
    sb_status            st = SB_OK;
    start_from_zero(r);
    for (int32_t first = 0; st == SB_OK && first < r->ranks - 1; first += SB_SCAN_BATCH) {
        int64_t t0 = sb_now_ns();
        st         = sbi_scan_send(r, ctx, first, r->own, r->others);
        if (st == SB_OK)
            st = sb_link_drain(ctx->link, ctx->stream);
        sb_phase_add(ctx->phases, SB_PHASE_COMMUNICATE, t0);
        if (st == SB_OK)
            fold(c, ctx, first);
    }
    return st;
}

/* Outputs of rows in reach, and the states after all rows. */
static void run_reached(const sbi_scan_call *c, sb_ctx *ctx)
{
    const sbi_scan_room *r  = c->room;
    int64_t              t0 = sb_now_ns();
#pragma omp parallel for num_threads(r->threads) schedule(dynamic, 1)
    for (int64_t s = 0; s < r->state_heads; s++) {
        sbi_scan_head h    = head_of(c, s, omp_get_thread_num());
        int64_t       rows = reach(c, s);
        h.out              = c->out;
        run_head(&h, 0, rows);
        if (rows < c->n) /* DECAY: records are states */
            memcpy(h.state, r->own + s * r->record_floats,
                   (size_t)r->state_floats * sizeof *h.state);
    }
    no_lse(c);
    sb_phase_add(ctx->phases, SB_PHASE_COMPUTE, t0);
}

/* A rank that has failed (st) takes part all the same until the others know. */
static sb_status over_ranks(const sbi_scan_call *c, sb_ctx *ctx, sb_cache *cache, sb_status st)
{
    const sbi_scan_room *r  = c->room;
    sb_status            gs = SB_OK;
    sbi_scan_state      *unused;
    if (st == SB_OK)
        st = cached(r, cache, &unused);
    if (r->scan.rule == SB_SCAN_MEAN)
        gs = share_query(c, ctx, st);
    if (gs != SB_OK)
        return st != SB_OK ? st : gs;
    if (st == SB_OK && c->n > 0)
        run_apart(c, ctx);
    int64_t t0 = sb_now_ns();
    st         = sbi_scan_meet(r, ctx, st, c->start, c->n);
    sb_phase_add(ctx->phases, SB_PHASE_COMMUNICATE, t0);
    if (st == SB_OK)
        st = exchange(c, ctx);
    if (st != SB_OK || c->n == 0)
        return st;
    run_reached(c, ctx);
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
    run_outputs(&c, ctx);
    keep(&c, cache);
    return SB_OK;
}
