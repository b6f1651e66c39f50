/* The entry points of attend.h on the cuda backend: checks, choice of the kernel, time. */
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "kernels/backend/cuda_stream.h"
#include "kernels/backend/timeline_cuda.h"
#include "kernels/exec/attend_cuda.cuh"
#include "kernels/exec/flash_cpu.h"
#include "kernels/exec/need_sm90.h"

static int64_t end_of(const sb_gid *g)
{
    return g->n_runs > 0 ? g->run[g->n_runs - 1].start + g->run[g->n_runs - 1].len : 0;
}

static sb_status check(const sbi_cuda_job *j)
{
    sbi_flash_job f = {};
    f.in            = j->in;
    f.plan          = j->plan;
    f.o             = j->out->o;
    f.lse           = j->out->lse;
    f.mode          = j->out->mode;
    sb_status st    = sbi_flash_check_tensors(&f);
    if (st != SB_OK)
        return st;
    int64_t dim = j->in->q->dim;
    if (dim != 64 && dim != 128)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "attend: found head_dim %lld, allowed 64 and 128 on the cuda backend",
                       (long long)dim);
    if (end_of(&j->in->q->gid) > INT32_MAX || end_of(&j->in->k->gid) > INT32_MAX)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "attend: found token ids up to %lld, allowed below 2^31 on the cuda backend",
                       (long long)end_of(&j->in->k->gid) - 1);
    if (j->plan != nullptr && j->plan->overlap_twice)
        return sb_fail(
            SB_ERR_UNSUPPORTED,
            "attend: found an index whose listed keys count twice in its window, allowed "
            "one that has each key once on the cuda backend");
    if (j->out->o == nullptr || j->out->lse == nullptr)
        return sb_fail(SB_ERR_INTERNAL, "attend: the cuda executors write o and lse");
    int device = 0, major = 0;
    if ((st = SB_CUDA(cudaGetDevice(&device))) == SB_OK)
        st = SB_CUDA(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
    if (st == SB_OK && major < 8)
        st = sb_fail(SB_ERR_UNSUPPORTED,
                     "attend: found a device of compute capability %d.x, allowed 8.0 and newer "
                     "(matrix products of bf16)",
                     major);
    return st;
}

extern "C" sb_status sb_attend_cuda_kernels(char *out, size_t bytes)
{
    const char *asked  = getenv("SPAN_CUDA_KERNEL"), *what;
    int         device = 0, major = 0;
    sb_status   st = SB_CUDA(cudaGetDevice(&device));
    if (st == SB_OK)
        st = SB_CUDA(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
    if (st != SB_OK)
        return st;
    what = "none: bf16 products need compute capability 8.0";
    if (sbi_no_sm90() == nullptr)
        what = "decode up to 16 queries, sm90 for dense, windows, tiles, scans, pairs and gather "
               "for the rest";
    else if (major >= 8)
        what = "decode up to 16 queries, portable for the rest";
    (void)snprintf(out, bytes, "%s (SPAN_CUDA_KERNEL %s)", what,
                   asked != nullptr ? asked : "not set: auto");
    return SB_OK;
}

static const char *no_refusal(const sbi_cuda_job *j)
{
    (void)j;
    return nullptr;
}

#if defined(SB_HAVE_SM90A)
static const char *sm90_refusal(const sbi_cuda_job *j)
{
    const char *why = sbi_no_sm90();
    return why != nullptr ? why : sbi_attend_sm90_refusal(j);
}

static const char *slots_refusal(const sbi_cuda_job *j)
{
    const char *why = sbi_no_sm90();
    return why != nullptr ? why : sbi_attend_slots_refusal(j);
}

static const char *pairs_refusal(const sbi_cuda_job *j)
{
    const char *why = sbi_no_sm90();
    return why != nullptr ? why : sbi_attend_pairs_refusal(j);
}

static const char *gather_refusal(const sbi_cuda_job *j)
{
    const char *why = sbi_no_sm90();
    return why != nullptr ? why : sbi_attend_gather_refusal(j);
}
#else
static const char *sm90_refusal(const sbi_cuda_job *j)
{
    (void)j;
    return sbi_no_sm90();
}
static const auto slots_refusal = sm90_refusal, pairs_refusal = sm90_refusal,
                  gather_refusal         = sm90_refusal;
static const auto sbi_attend_sm90_cuda = sbi_attend_portable_cuda; /* never called: refused */
static const auto sbi_attend_pairs_cuda  = sbi_attend_portable_cuda;
static const auto sbi_attend_gather_cuda = sbi_attend_portable_cuda;
static const auto sbi_attend_slots_cuda  = sbi_attend_portable_cuda;
#endif

/* Of SPAN_CUDA_KERNEL, fastest first: auto takes the first that can do the call. */
static const struct {
    const char *name;
    const char *(*refusal)(const sbi_cuda_job *); /* NULL: none */
    sb_status (*run)(const sbi_cuda_job *);
} kernels[] = {
    {"decode", sbi_attend_decode_refusal, sbi_attend_decode_cuda},
    {"sm90", sm90_refusal, sbi_attend_sm90_cuda},
    {"pairs", pairs_refusal, sbi_attend_pairs_cuda},
    {"slots", slots_refusal, sbi_attend_slots_cuda},
    {"gather", gather_refusal, sbi_attend_gather_cuda},
    {"portable", no_refusal, sbi_attend_portable_cuda},
};

/* *kernel: the one that was taken. */
static sb_status launch(const sbi_cuda_job *j, const char **kernel)
{
    const char *asked = getenv("SPAN_CUDA_KERNEL"), *refusal = nullptr, *first = nullptr;
    if (asked == nullptr)
        asked = "auto";
    for (const auto &k : kernels) {
        int named = strcmp(asked, k.name) == 0;
        if (!named && strcmp(asked, "auto") != 0)
            continue;
        refusal = j->ctx->step != nullptr && k.run != sbi_attend_decode_cuda
                      ? "a step in device memory"
                      : k.refusal(j);
        first   = first != nullptr ? first : refusal;
        if (refusal == nullptr) {
            *kernel = k.name;
            return k.run(j);
        }
        if (named)
            return sb_fail(SB_ERR_UNSUPPORTED, "attend: SPAN_CUDA_KERNEL=%s found %s", asked,
                           refusal);
    }
    if (first != nullptr) /* auto has a kernel for any other call */
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "attend: found %s with a step in device memory, allowed dense decode",
                       first);
    return sb_fail(
        SB_ERR_USAGE,
        "SPAN_CUDA_KERNEL: found %s, allowed auto, decode, gather, pairs, portable, slots, sm90",
        asked);
}

/* A job to queue, and the kernel that took it. */
struct queued {
    const sbi_cuda_job *job;
    const char         *kernel;
};

static sb_status queue(void *arg)
{
    queued *q = static_cast<queued *>(arg);
    return launch(q->job, &q->kernel);
}

static sb_status attend(sb_ctx *ctx, const sb_attn_in *in, const sb_plan *plan, sb_attn_out *out)
{
    sbi_cuda_job job = {in, plan, out, sb_cuda_stream(ctx->stream), ctx, 0};
    queued       q   = {&job, nullptr};
    sb_status    st  = check(&job);
    if (st != SB_OK || in->q->tokens == 0)
        return st;
    st = sb_cuda_step(ctx, SB_PHASE_COMPUTE, queue, &q);
    if (ctx->phases != nullptr)
        ctx->phases->kernel = q.kernel;
    return st;
}

extern "C" sb_status sb_attend_dense_cuda(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                                          const sb_plan *plan, sb_cache *cache, sb_attn_out *out)
{
    (void)params;
    (void)plan;
    (void)cache;
    return attend(ctx, in, nullptr, out);
}

extern "C" sb_status sb_attend_window_cuda(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                                           const sb_plan *plan, sb_cache *cache, sb_attn_out *out)
{
    (void)params;
    (void)cache;
    if (plan == nullptr || plan->parts != SB_PART_WINDOW)
        return sb_fail(SB_ERR_INTERNAL,
                       "attend_window: the plan has parts %u, wanted the window part alone",
                       plan == nullptr ? 0u : plan->parts);
    return attend(ctx, in, plan, out);
}

extern "C" sb_status sb_attend_block_csr_cuda(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                                              const sb_plan *plan, sb_cache *cache,
                                              sb_attn_out *out)
{
    (void)params;
    (void)cache;
    if (plan == nullptr || plan->parts == 0)
        return sb_fail(SB_ERR_INTERNAL, "attend_block_csr: the plan has no part");
    return attend(ctx, in, plan, out);
}
