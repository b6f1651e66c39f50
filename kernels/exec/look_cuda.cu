/* The record of look.h for the cuda backend, and dense attention of single rows. */
#include "kernels/exec/look.h"

#include <cstdlib>

#include "kernels/backend/cuda_stream.h"
#include "kernels/exec/attend_cuda.cuh"
#include "kernels/exec/top_mass.h"

namespace
{
/* What `decode` takes in a call: queries, and rows of a group. */
constexpr int64_t QUERIES = 16, ROWS = 64;

/* All rows of the call on the device. */
struct rows {
    sb_tensor q, o;
    float    *lse;
    void     *at; /* what they stand in */
};

size_t bytes_of(const sb_tensor *t)
{
    return static_cast<size_t>(t->heads * t->tokens * t->dim * sb_dtype_bytes(t->dtype));
}

/* Some of the queries of all heads. */
sb_tensor part_of(const sb_tensor *t, int64_t first, int64_t n, const sb_gid &gid)
{
    sb_tensor p = *t;
    p.data      = static_cast<char *>(t->data) + first * t->dim * sb_dtype_bytes(t->dtype);
    p.tokens    = n;
    p.gid       = gid;
    return p;
}

/* One call's worth: queries [first, first + n). lse of it: [heads][n], packed. */
sb_status attend(sb_ctx *ctx, const rows &r, const int64_t *row_gid, int64_t first, int64_t n,
                 const sb_tensor *k, const sb_tensor *v, float scale, float *lse)
{
    sb_run run[QUERIES];
    for (int64_t i = 0; i < n; i++)
        run[i] = {row_gid[first + i], 1};
    const sb_gid    gid = {run, static_cast<int32_t>(n), n};
    const sb_tensor q   = part_of(&r.q, first, n, gid);
    sb_tensor       o   = part_of(&r.o, first, n, gid);
    sb_attn_in      in  = {};
    sb_attn_out     out = {};
    sbi_cuda_job    job = {};
    in.q                = &q;
    in.k                = k;
    in.v                = v;
    in.scale            = scale;
    out.o               = &o;
    out.lse             = lse;
    out.mode            = SB_OUT_SET;
    job.in              = &in;
    job.out             = &out;
    job.stream          = sb_cuda_stream(ctx->stream);
    job.ctx             = ctx;
    return sbi_attend_decode_refusal(&job) == nullptr ? sbi_attend_decode_cuda(&job)
                                                      : sbi_attend_portable_cuda(&job);
}

sb_status check(const sb_tensor *q, const int64_t *row_gid, const sb_tensor *k)
{
    if (q->dim != 64 && q->dim != 128)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "dense rows: found head_dim %lld, allowed 64 and 128 on the cuda backend",
                       static_cast<long long>(q->dim));
    for (int64_t i = 0; i < q->tokens; i++)
        if (row_gid[i] < 0 || row_gid[i] > INT32_MAX || (i > 0 && row_gid[i] <= row_gid[i - 1]))
            return sb_fail(SB_ERR_INTERNAL, "dense rows: row %lld of %lld keys",
                           static_cast<long long>(row_gid[i]), static_cast<long long>(k->tokens));
    return SB_OK;
}
} // namespace

extern "C" sb_status sb_dense_rows_cuda(sb_ctx *ctx, const sb_tensor *q, const int64_t *row_gid,
                                        const sb_tensor *k, const sb_tensor *v, float scale,
                                        sb_tensor *o, float *lse)
{
    cudaStream_t  stream = sb_cuda_stream(ctx->stream);
    const int64_t group = q->heads / k->heads, n = q->tokens;
    const int64_t most = group > ROWS ? 1 : ROWS / group < QUERIES ? ROWS / group : QUERIES;
    const int64_t head = n * q->dim; /* packed, here and there */
    rows          r    = {*q, *o, nullptr, nullptr};
    sb_status     st   = check(q, row_gid, k);
    if (st != SB_OK || n == 0)
        return st;
    r.q.head_stride = r.o.head_stride = head;
    const size_t q_bytes = (bytes_of(&r.q) + 255) / 256 * 256, o_bytes = bytes_of(&r.o);
    const size_t lse_bytes = static_cast<size_t>(q->heads * n) * sizeof(float);
    auto        *parts     = static_cast<float *>(malloc(lse_bytes)); /* [part][heads][its rows] */
    if (parts == nullptr)
        return sb_fail(SB_ERR_NOMEM, "dense rows: no memory for %lld rows",
                       static_cast<long long>(n));
    if ((st = sbi_cuda_scratch(q_bytes + o_bytes + lse_bytes, stream, &r.at)) != SB_OK) {
        free(parts);
        return st;
    }
    r.q.data         = r.at;
    r.o.data         = static_cast<char *>(r.at) + q_bytes;
    r.lse            = reinterpret_cast<float *>(static_cast<char *>(r.at) + q_bytes + o_bytes);
    const size_t row = static_cast<size_t>(head) * sizeof(sb_bf16);
    st               = SB_CUDA(cudaMemcpy2DAsync(r.q.data, row, q->data,
                                                 static_cast<size_t>(q->head_stride) * sizeof(sb_bf16), row,
                                                 static_cast<size_t>(q->heads), cudaMemcpyHostToDevice, stream));
    for (int64_t i = 0; st == SB_OK && i < n; i += most) {
        const int64_t m = n - i < most ? n - i : most;
        st              = attend(ctx, r, row_gid, i, m, k, v, scale, r.lse + q->heads * i);
    }
    if (st == SB_OK)
        st = SB_CUDA(cudaMemcpy2DAsync(
            o->data, static_cast<size_t>(o->head_stride) * sizeof(float), r.o.data,
            static_cast<size_t>(head) * sizeof(float), static_cast<size_t>(head) * sizeof(float),
            static_cast<size_t>(o->heads), cudaMemcpyDeviceToHost, stream));
    if (st == SB_OK)
        st = SB_CUDA(cudaMemcpyAsync(parts, r.lse, lse_bytes, cudaMemcpyDeviceToHost, stream));
    const sb_status freed = SB_CUDA(cudaFreeAsync(r.at, stream));
    const sb_status done  = SB_CUDA(cudaStreamSynchronize(stream));
    st                    = st != SB_OK ? st : freed != SB_OK ? freed : done;
    for (int64_t i = 0; st == SB_OK && i < n; i += most) {
        const int64_t m = n - i < most ? n - i : most;
        for (int64_t h = 0; h < q->heads; h++)
            for (int64_t x = 0; x < m; x++)
                lse[h * n + i + x] = parts[q->heads * i + h * m + x];
    }
    free(parts);
    return st;
}

extern "C" const sb_look_ops sb_look_cuda = {sb_dense_rows_cuda, sb_top_mass_cuda,
                                             sb_not_finite_cuda, sb_take_rows_cuda};
