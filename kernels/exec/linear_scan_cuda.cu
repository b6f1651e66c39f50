/* The linear scan of linear_scan.h on the cuda backend: checks, room, states in and out, choice of
 * the kernel, time. */
#include <cstdlib>
#include <cstring>

#include "kernels/backend/cuda_stream.h"
#include "kernels/backend/timeline_cuda.h"
#include "kernels/exec/linear_scan_call.h"
#include "kernels/exec/linear_scan_cuda.cuh"
#include "kernels/exec/need_sm90.h"

namespace
{
/* Where the states of a call come from and go to. */
struct states {
    float          *cache; /* in device memory behind a header; NULL: no cache */
    sbi_scan_state *header;
};

sb_status open_states(const sbi_scan_call *c, const sb_cache *cache, states *out)
{
    int64_t bytes = static_cast<int64_t>(sizeof(sbi_scan_state)) +
                    c->room->state_heads * c->room->state_floats * (int64_t)sizeof(float);
    *out = {nullptr, nullptr};
    if (cache == nullptr || cache->state == nullptr)
        return SB_OK;
    if (cache->state_bytes != bytes)
        return sb_fail(SB_ERR_INTERNAL, "linear scan: a state of %lld bytes, wanted %lld",
                       (long long)cache->state_bytes, (long long)bytes);
    out->header = static_cast<sbi_scan_state *>(cache->state);
    out->cache  = reinterpret_cast<float *>(out->header + 1);
    return SB_OK;
}

/* The states before the call to job->start. Waits for the stream where they come from a cache. */
sb_status begin(const sbi_scan_call *c, const states *s, const sbi_scan_device_room *room,
                cudaStream_t stream)
{
    size_t bytes =
        static_cast<size_t>(c->room->state_heads * c->room->state_floats) * sizeof(float);
    sbi_scan_state at = {};
    if (c->start == 0)
        return SB_CUDA(cudaMemsetAsync(room->start, 0, bytes, stream));
    at.tokens    = -1;
    sb_status st = SB_OK;
    if (s->header != nullptr) {
        st = SB_CUDA(cudaMemcpyAsync(&at, s->header, sizeof at, cudaMemcpyDeviceToHost, stream));
        if (st == SB_OK)
            st = SB_CUDA(cudaStreamSynchronize(stream));
    }
    if (st == SB_OK && at.tokens != c->start)
        st = sb_fail(SB_ERR_INTERNAL, "linear scan: token %lld comes next, the state has seen %lld",
                     (long long)c->start, s->header == nullptr ? 0LL : (long long)at.tokens);
    if (st == SB_OK)
        st = SB_CUDA(
            cudaMemcpyAsync(room->start, s->cache, bytes, cudaMemcpyDeviceToDevice, stream));
    return st;
}

/* The host's copy of the header may go when this returns: it is pageable. */
sb_status keep(const sbi_scan_call *c, const states *s, cudaStream_t stream)
{
    sbi_scan_state at = {};
    at.tokens         = c->start + c->n;
    if (s->header == nullptr)
        return SB_OK;
    return SB_CUDA(cudaMemcpyAsync(s->header, &at, sizeof at, cudaMemcpyHostToDevice, stream));
}

/* The device looks at the gates of the call, so the new states wait in room->start. */
bool checks_gates(const sbi_scan_call *c)
{
    return c->in->gate != nullptr &&
           (c->room->scan.rule == SB_SCAN_GATE || c->room->scan.rule == SB_SCAN_DELTA);
}

sbi_scan_cuda_job job_of(const sbi_scan_call *c, const states *s, const sbi_scan_device_room *room)
{
    const sbi_scan_room *r = c->room;
    const sb_tensor     *q = c->in->q, *k = c->in->k, *v = c->in->v, *o = c->out->o;
    sbi_scan_cuda_job    j = {};
    j.q                    = static_cast<const sb_bf16 *>(q->data);
    j.k                    = sb_tensor_bf16(k, 0, c->key_slot);
    j.v                    = sb_tensor_bf16(v, 0, c->key_slot);
    j.o                    = o->data;
    j.q_stride             = q->head_stride;
    j.k_stride             = k->head_stride;
    j.v_stride             = v->head_stride;
    j.o_stride             = o->head_stride;
    if (c->in->gate != nullptr) {
        j.gate        = static_cast<const float *>(c->in->gate->data);
        j.gate_stride = c->in->gate->head_stride;
        j.gate_dim    = static_cast<int32_t>(c->in->gate->dim);
    }
    if (c->in->beta != nullptr) {
        j.beta        = static_cast<const float *>(c->in->beta->data);
        j.beta_stride = c->in->beta->head_stride;
    }
    j.gate0                = static_cast<float>(r->scan.gate);
    j.beta0                = static_cast<float>(r->scan.beta);
    j.rule                 = r->scan.rule;
    j.unit_rows            = r->scan.unit_rows;
    j.is_first             = c->start == 0;
    j.n                    = c->n;
    j.state_floats         = r->state_floats;
    j.record_floats        = r->record_floats;
    j.segment_tokens       = sbi_scan_segment_tokens(r->heads, c->n);
    j.segments             = (c->n + j.segment_tokens - 1) / j.segment_tokens;
    j.heads                = static_cast<int32_t>(r->heads);
    j.state_heads          = static_cast<int32_t>(r->state_heads);
    j.group                = static_cast<int32_t>(r->heads / r->state_heads);
    j.kv_group             = static_cast<int32_t>(r->heads / r->kv_heads);
    j.d                    = static_cast<int32_t>(r->d);
    j.o_is_f32             = o->dtype == SB_F32;
    j.normalize            = r->scan.normalize;
    j.map                  = r->scan.map;
    j.scale                = r->scan.scale > 0 ? static_cast<float>(r->scan.scale) : c->in->scale;
    j.start                = room->start;
    j.end                  = s->cache != nullptr && checks_gates(c) ? room->start : s->cache;
    j.room                 = *room;
    return j;
}

/* What the Hopper kernel cannot do here; NULL: it can. */
const char *sm90_refusal(const sbi_scan_cuda_job *j)
{
    if (j->rule != SB_SCAN_DECAY)
        return "gates, the delta rule or running means";
    const char *why = sbi_no_sm90();
#if defined(SB_HAVE_SM90A)
    if (why == nullptr)
        why = sbi_scan_sm90_refusal(j);
#endif
    return why;
}

sb_status portable(const sbi_scan_cuda_job *j, cudaStream_t stream)
{
    switch (j->rule) {
    case SB_SCAN_GATE:
        return sbi_scan_gate_cuda(j, stream);
    case SB_SCAN_DELTA:
        return sbi_scan_delta_cuda(j, stream);
    case SB_SCAN_MEAN:
        return sbi_scan_mean_cuda(j, stream);
    default:
        return sbi_scan_portable_cuda(j, stream);
    }
}

enum kernel { BY_TOKEN, PORTABLE, SM90 };
const char *const names[] = {"by token", "portable", "sm90"};

/* 1: a head's chain of states takes longer than the portable kernel, whose segments stand side by
 * side: a hop is 9.8 ns a token, however few heads there are, that kernel 1.34 ns a token and head
 * of head_dim 128 and .72 of 64 (CUDA.md, Versions). */
bool chain_is_slow(const sbi_scan_cuda_job *j)
{
    enum { FEW_HEADS = 6 };
    return j->heads <= FEW_HEADS;
}

sb_status choose(const sbi_scan_call *c, const sbi_scan_cuda_job *j, kernel *out)
{
    const char *asked = getenv("SPAN_CUDA_KERNEL"), *refusal;
    *out              = BY_TOKEN;
    if (c->room->recurrent && j->rule != SB_SCAN_MEAN) /* means have one form */
        return SB_OK;
    if (asked == nullptr)
        asked = "auto";
    *out = PORTABLE;
    if (strcmp(asked, "portable") == 0)
        return SB_OK;
    int only = strcmp(asked, "sm90") == 0;
    if (!only && strcmp(asked, "auto") != 0)
        return sb_fail(SB_ERR_USAGE, "SPAN_CUDA_KERNEL: found %s, allowed auto, portable, sm90",
                       asked);
    refusal = sm90_refusal(j);
    if (refusal == nullptr && (only || !chain_is_slow(j)))
        *out = SM90;
    return only && refusal != nullptr
               ? sb_fail(SB_ERR_UNSUPPORTED, "linear scan: SPAN_CUDA_KERNEL=sm90 found %s", refusal)
               : SB_OK;
}

sb_status launch(kernel k, const sbi_scan_cuda_job *j, cudaStream_t stream)
{
    if (k == BY_TOKEN)
        return j->rule == SB_SCAN_DECAY ? sbi_scan_token_cuda(j, stream)
                                        : sbi_scan_gated_token_cuda(j, stream);
#if defined(SB_HAVE_SM90A)
    if (k == SM90)
        return sbi_scan_sm90_cuda(j, stream);
#endif
    return portable(j, stream);
}

/* What kernels of a call find in the room, and its lse. */
sb_status prepare(const sbi_scan_call *c, const sbi_scan_device_room *room, cudaStream_t stream)
{
    const sbi_scan_room *r  = c->room;
    sb_status            st = SB_OK;
    if (room->slope != nullptr)
        st = SB_CUDA(cudaMemcpyAsync(room->slope, r->slope,
                                     static_cast<size_t>(r->state_heads) * sizeof *room->slope,
                                     cudaMemcpyHostToDevice, stream));
    if (st == SB_OK && room->bad != nullptr)
        st = SB_CUDA(cudaMemsetAsync(room->bad, 0, sizeof *room->bad, stream));
    if (st == SB_OK && c->out->lse != nullptr)
        st = SB_CUDA(cudaMemsetAsync(c->out->lse, 0,
                                     static_cast<size_t>(r->heads * c->n) * sizeof(float), stream));
    return st;
}

/* A call to queue, and the kernel that takes it. */
struct queued {
    const sbi_scan_call        *call;
    const states               *s;
    const sbi_scan_device_room *room;
    cudaStream_t                stream;
    kernel                      taken;
};

sb_status queue(void *arg)
{
    queued           *q  = static_cast<queued *>(arg);
    sbi_scan_cuda_job j  = job_of(q->call, q->s, q->room);
    sb_status         st = choose(q->call, &j, &q->taken);
    if (st == SB_OK)
        st = prepare(q->call, q->room, q->stream);
    return st == SB_OK ? launch(q->taken, &j, q->stream) : st;
}

sb_status run_in_phase(const sb_ctx *ctx, sb_status (*what)(void *), queued *q)
{
    sb_status st = sb_cuda_step(ctx, SB_PHASE_COMPUTE, what, q);
    if (st == SB_OK && ctx->phases != nullptr)
        ctx->phases->kernel = names[q->taken];
    return st;
}

/* Waits for what the kernels found. */
sb_status look_at_gates(const sbi_scan_device_room *room, cudaStream_t stream)
{
    int       bad = 0;
    sb_status st =
        SB_CUDA(cudaMemcpyAsync(&bad, room->bad, sizeof bad, cudaMemcpyDeviceToHost, stream));
    if (st == SB_OK)
        st = SB_CUDA(cudaStreamSynchronize(stream));
    if (st == SB_OK && bad != 0)
        st = sb_fail(SB_ERR_USAGE, "gates: found one above 0 or no number, allowed numbers <= 0");
    return st;
}

/* Then the cache may have the states. */
sb_status settle(const sbi_scan_call *c, const states *s, const sbi_scan_device_room *room,
                 cudaStream_t stream)
{
    sb_status st = look_at_gates(room, stream);
    if (st == SB_OK && s->cache != nullptr)
        st = SB_CUDA(cudaMemcpyAsync(
            s->cache, room->start,
            static_cast<size_t>(c->room->state_heads * c->room->state_floats) * sizeof(float),
            cudaMemcpyDeviceToDevice, stream));
    return st;
}

sb_status check_device(void)
{
    int       device = 0, major = 0;
    sb_status st = SB_CUDA(cudaGetDevice(&device));
    if (st == SB_OK)
        st = SB_CUDA(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
    if (st == SB_OK && major < 8)
        st = sb_fail(SB_ERR_UNSUPPORTED,
                     "linear scan: found a device of compute capability %d.x, allowed 8.0 and "
                     "newer (matrix products of bf16)",
                     major);
    return st;
}

/* ---- several ranks ----
 *
 *                       first, from zero              then, behind what came before
 *   sm90                scan: o, record               add what S_in reaches to o
 *   portable            states of segments: record    outputs of segments
 *   by token: DECAY     scan: o, record               the scan again, but on the first rank
 *             others    scan: record                  the scan again */

size_t states_bytes(const sbi_scan_room *r)
{
    return static_cast<size_t>(r->state_heads * r->state_floats) * sizeof(float);
}

/* The first pass leaves all outputs to the second. */
bool outputs_wait(const queued *q)
{
    return q->taken == PORTABLE || q->call->room->scan.rule != SB_SCAN_DECAY;
}

/* What the own tokens do to a state of zero, and as much of the outputs as that gives. */
sb_status queue_apart(void *arg)
{
    queued           *q  = static_cast<queued *>(arg);
    sbi_scan_cuda_job j  = job_of(q->call, q->s, q->room);
    sb_status         st = choose(q->call, &j, &q->taken);
    j.end                = q->room->record;
    j.part               = outputs_wait(q) ? SBI_SCAN_STATES : SBI_SCAN_WHOLE;
    if (st == SB_OK)
        st = prepare(q->call, q->room, q->stream);
    return st == SB_OK ? launch(q->taken, &j, q->stream) : st;
}

/* The rest of the outputs; room->start is what came before. */
sb_status queue_behind(void *arg)
{
    queued           *q     = static_cast<queued *>(arg);
    sbi_scan_cuda_job j     = job_of(q->call, q->s, q->room);
    bool              first = q->call->start == 0;
    j.end                   = nullptr;
    j.part                  = SBI_SCAN_OUTPUTS;
    if (first && !outputs_wait(q))
        return SB_OK;
    return q->taken == SM90 ? sbi_scan_prefix_cuda(&j, q->call->room->slope, q->stream)
                            : launch(q->taken, &j, q->stream);
}

/* Records of ranks [first, first + BATCH) before this one are in room->others. */
sb_status fold(const sb_ctx *ctx, const queued *q, int32_t first)
{
    const sbi_scan_room *r    = q->call->room;
    int32_t              left = ctx->comm->rank - first;
    sbi_scan_fold        f    = {};
    f.rule                    = r->scan.rule;
    f.slope                   = q->room->slope;
    f.others                  = q->room->others;
    f.state_floats            = r->state_floats;
    f.record_floats           = r->record_floats;
    f.records_floats          = r->records_floats;
    f.state_heads             = static_cast<int32_t>(r->state_heads);
    f.d                       = static_cast<int32_t>(r->d);
    f.own_tokens              = q->call->n;
    f.n                       = left < 0 ? 0 : left < SB_SCAN_BATCH ? left : SB_SCAN_BATCH;
    f.state                   = q->room->start;
    f.own                     = q->room->record;
    f.end                     = first + SB_SCAN_BATCH >= r->ranks - 1 ? q->s->cache : nullptr;
    for (int32_t i = 0; i < f.n; i++)
        f.tokens[i] = r->told[first + i].tokens;
    return sbi_scan_fold_cuda(&f, q->stream);
}

/* A rank that cannot go on (st) goes on sending, so that all leave together. */
sb_status exchange(const sb_ctx *ctx, const queued *q)
{
    const sbi_scan_room *r  = q->call->room;
    sb_status            st = SB_OK;
    for (int32_t first = 0; first < r->ranks - 1; first += SB_SCAN_BATCH) {
        sb_status ls = sbi_scan_send(r, ctx, first, q->room->record, q->room->others);
        if (ls != SB_OK)
            return ls;
        if (st == SB_OK && q->call->n > 0)
            st = fold(ctx, q, first);
    }
    return st;
}

/* The query of token 0 into all states before the call, by way of the host. Waits for the stream on
 * rank 0, which has it. A rank that has failed (st) takes part all the same. */
sb_status share_query(const sb_ctx *ctx, const queued *q, sb_status st)
{
    const sbi_scan_room *r     = q->call->room;
    const size_t         row   = static_cast<size_t>(r->d) * sizeof(float);
    const size_t         pitch = static_cast<size_t>(r->state_floats) * sizeof(float);
    const size_t         heads = static_cast<size_t>(r->heads);
    const bool           first = ctx->comm->rank == 0, takes = st == SB_OK && q->call->n > 0;
    float               *at = takes ? q->room->start + r->d + 2 : nullptr;
    if (st == SB_OK)
        st = sb_ctx_enter(ctx, SB_PHASE_COMMUNICATE);
    if (st == SB_OK && first && takes) {
        sbi_scan_cuda_job j = job_of(q->call, q->s, q->room);
        st                  = sbi_scan_mean_query_cuda(&j, q->stream);
        if (st == SB_OK)
            st = SB_CUDA(cudaMemcpy2DAsync(r->query, row, at, pitch, row, heads,
                                           cudaMemcpyDeviceToHost, q->stream));
        if (st == SB_OK)
            st = SB_CUDA(cudaStreamSynchronize(q->stream));
    }
    sb_status gs = sbi_scan_share_query(r, ctx);
    if (st == SB_OK && gs == SB_OK && !first && takes)
        st = SB_CUDA(cudaMemcpy2DAsync(at, pitch, r->query, row, row, heads, cudaMemcpyHostToDevice,
                                       q->stream));
    return st != SB_OK ? st : gs;
}

/* As on the CPU [lightning 8]; records stay on devices. The host waits for the link's sake: it
 * notices when a rank is gone, the device does not. Gates are looked at before ranks meet, so that
 * all leave together. */
sb_status over_ranks(sb_ctx *ctx, const sbi_scan_call *c, sb_cache *cache, sb_status st)
{
    sbi_scan_device_room room = {};
    states               s    = {nullptr, nullptr};
    queued               q    = {c, &s, &room, sb_cuda_stream(ctx->stream), BY_TOKEN};
    if (st == SB_OK)
        st = open_states(c, cache, &s);
    if (st == SB_OK && c->n > 0)
        st = sbi_scan_device_layout(ctx->arena, c->room, c->n, &room);
    if (st == SB_OK && c->n > 0)
        st = SB_CUDA(cudaMemsetAsync(room.start, 0, states_bytes(c->room), q.stream));
    if (c->room->scan.rule == SB_SCAN_MEAN)
        st = share_query(ctx, &q, st);
    if (st == SB_OK && c->n > 0)
        st = run_in_phase(ctx, queue_apart, &q);
    if (st == SB_OK && c->n > 0 && checks_gates(c))
        st = look_at_gates(&room, q.stream);
    if (st == SB_OK)
        st = sb_ctx_enter(ctx, SB_PHASE_COMMUNICATE);
    if ((st = sbi_scan_meet(c->room, ctx, st, c->start, c->n)) != SB_OK)
        return st;
    if ((st = exchange(ctx, &q)) == SB_OK && c->n > 0)
        st = run_in_phase(ctx, queue_behind, &q);
    if (st == SB_OK && c->n > 0)
        st = keep(c, &s, q.stream);
    sb_status ls = sb_link_drain(ctx->link, ctx->stream);
    return st == SB_OK ? ls : st;
}
} // namespace

extern "C" sb_status sb_attend_linear_scan_cuda(sb_ctx *ctx, const void *params,
                                                const sb_attn_in *in, const sb_plan *plan,
                                                sb_cache *cache, sb_attn_out *out)
{
    sbi_scan_call        c = {};
    sbi_scan_device_room room;
    states               s;
    cudaStream_t         stream = sb_cuda_stream(ctx->stream);
    (void)params;
    if (plan == nullptr || plan->method_data == nullptr)
        return sb_fail(SB_ERR_INTERNAL, "linear scan: the plan was not laid out for it");
    c.room       = static_cast<const sbi_scan_room *>(plan->method_data);
    c.in         = in;
    c.out        = out;
    c.on_device  = 1;
    size_t    mark = sb_arena_mark(ctx->arena);
    sb_status st   = sbi_scan_device_check(c.room);
    if (st != SB_OK)
        return st;
    st = sbi_scan_call_open(&c);
    if (st == SB_OK)
        st = check_device();
    if (c.room->ranks > 1) {
        st = over_ranks(ctx, &c, cache, st);
        sb_arena_reset(ctx->arena, mark);
        return st;
    }
    if (st != SB_OK || c.n == 0)
        return st;
    if (!c.has_keys)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "linear scan: found a token of another rank, allowed own ones on the cuda "
                       "backend");
    if ((st = open_states(&c, cache, &s)) == SB_OK &&
        (st = sbi_scan_device_layout(ctx->arena, c.room, c.n, &room)) == SB_OK &&
        (st = begin(&c, &s, &room, stream)) == SB_OK) {
        queued q = {&c, &s, &room, stream, BY_TOKEN};
        st       = run_in_phase(ctx, queue, &q);
    }
    if (st == SB_OK && checks_gates(&c))
        st = settle(&c, &s, &room, stream);
    if (st == SB_OK)
        st = keep(&c, &s, stream);
    sb_arena_reset(ctx->arena, mark);
    return st;
}
