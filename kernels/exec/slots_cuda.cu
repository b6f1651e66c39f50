/* Plans with slots on Hopper: K and V of a query head are copied in the order of its slots, then
 * tiles of slots are tiles of keys, and the kernel for those (sm90_cuda.cu) runs over the copies.
 *
 * A copy costs its bytes twice, the products that it speeds up 4 * d FLOP a pair: it pays from a
 * few hundred listed keys a query on. Half a warp a row. Bound: device memory, 2 * 2 * d bytes a
 * slot and head written, read out of L2 where the heads of a group follow each other. */
#include "kernels/exec/attend_cuda.cuh"
#include "kernels/exec/slots.h"

namespace
{
enum { THREADS = 256, AT_ONCE = 4 };

/* PIECES of 16 bytes a row; grid: rows, heads. */
template <int PIECES>
__global__ void __launch_bounds__(THREADS)
    copy_slots(sb_slots slots, int64_t first_head, int64_t group, const uint4 *k, const uint4 *v,
               int64_t k_stride, int64_t v_stride, uint4 *k_to, uint4 *v_to)
{
    enum { ROWS = THREADS / PIECES };
    const int64_t   h = blockIdx.y, kv = (first_head + h) / group;
    const uint16_t *of    = sb_slots_of(&slots, h);
    const int       piece = threadIdx.x % PIECES;
    const int64_t   first =
        static_cast<int64_t>(blockIdx.x) * (ROWS * AT_ONCE) + threadIdx.x / PIECES;
    uint4 x[AT_ONCE], y[AT_ONCE];
#pragma unroll
    for (int i = 0; i < AT_ONCE; i++) {
        const int64_t s = min(first + i * ROWS, slots.n_slots - 1);
        const int64_t t = sb_slot_token(&slots, of, s);
        x[i]            = __ldg(k + kv * k_stride + t * PIECES + piece);
        y[i]            = __ldg(v + kv * v_stride + t * PIECES + piece);
    }
#pragma unroll
    for (int i = 0; i < AT_ONCE; i++) {
        const int64_t s = first + i * ROWS;
        if (s < slots.n_slots) {
            k_to[(h * slots.n_slots + s) * PIECES + piece] = x[i];
            v_to[(h * slots.n_slots + s) * PIECES + piece] = y[i];
        }
    }
}

int64_t head_bytes(const sbi_cuda_job *j)
{
    return j->in->k->tokens * j->in->k->dim * static_cast<int64_t>(sizeof(sb_bf16));
}

/* Query heads whose copies fit into the arena's room. */
int64_t heads_at_once(const sbi_cuda_job *j)
{
    const sb_arena *a = j->ctx->arena;
    if (a == nullptr || a->base == nullptr || a->counting)
        return 0;
    const int64_t left =
        static_cast<int64_t>(a->capacity_bytes - a->used_bytes) - 2 * int64_t(SB_ARENA_ALIGN);
    return min(left / (2 * head_bytes(j)), j->in->q->heads);
}

/* A part of a call: query heads [first, first + n). */
struct part {
    sb_tensor    q, k, v, o;
    sb_attn_in   in;
    sb_attn_out  out;
    sb_plan      plan;
    sbi_cuda_job job;
};

void cut(const sbi_cuda_job *j, int64_t first, int64_t n, void *k, void *v, part *p)
{
    p->q = *j->in->q, p->k = *j->in->k, p->v = *j->in->v, p->o = *j->out->o;
    p->plan   = *j->plan;
    p->q.data = sb_tensor_bf16(j->in->q, first, 0);
    p->o.data = static_cast<uint8_t *>(j->out->o->data) +
                first * p->o.head_stride * static_cast<int64_t>(sb_dtype_bytes(p->o.dtype));
    p->k.data  = k;
    p->v.data  = v;
    p->q.heads = p->k.heads = p->v.heads = p->o.heads = n;
    p->k.head_stride = p->v.head_stride = p->k.tokens * p->k.dim;
    if (p->plan.tiles.n_heads != 1) {
        p->plan.tiles.n_heads = n;
        p->plan.tiles.row_ptr += first * p->plan.n_rows;
    }
    if (p->plan.slots.n_heads != 1) {
        p->plan.slots.n_heads = n;
        p->plan.slots.offset += first * p->plan.slots.n_slots;
    }
    p->in           = *j->in;
    p->in.q         = &p->q;
    p->in.k         = &p->k;
    p->in.v         = &p->v;
    p->out          = *j->out;
    p->out.o        = &p->o;
    p->out.lse      = j->out->lse + first * p->q.tokens;
    p->job          = *j;
    p->job.in       = &p->in;
    p->job.out      = &p->out;
    p->job.plan     = &p->plan;
    p->job.in_slots = 1;
}

template <int PIECES> sb_status copy(const sbi_cuda_job *j, int64_t first, const part &p)
{
    const int64_t  rows = THREADS / PIECES * AT_ONCE;
    const unsigned x    = static_cast<unsigned>((p.k.tokens + rows - 1) / rows);
    copy_slots<PIECES><<<dim3(x, static_cast<unsigned>(p.q.heads)), THREADS, 0, j->stream>>>(
        p.plan.slots, first, j->in->q->heads / j->in->k->heads,
        static_cast<const uint4 *>(j->in->k->data), static_cast<const uint4 *>(j->in->v->data),
        j->in->k->head_stride / 8, j->in->v->head_stride / 8, static_cast<uint4 *>(p.k.data),
        static_cast<uint4 *>(p.v.data));
    return sb_cuda_status(cudaGetLastError(), "launch of copy_slots");
}

sb_status run_part(const sbi_cuda_job *j, int64_t first, const part &p)
{
    sb_status st = sb_ctx_enter(j->ctx, SB_PHASE_PERMUTE);
    if (st == SB_OK)
        st = p.k.dim == 64 ? copy<8>(j, first, p) : copy<16>(j, first, p);
    if (st == SB_OK)
        st = sb_ctx_enter(j->ctx, SB_PHASE_COMPUTE);
    return st == SB_OK ? sbi_attend_sm90_cuda(&p.job) : st;
}
} // namespace

const char *sbi_attend_slots_refusal(const sbi_cuda_job *j)
{
    if (!sb_plan_has_slots(j->plan))
        return "no slots";
    if (j->in->k->head_stride % 8 != 0 || j->in->v->head_stride % 8 != 0)
        return "heads that do not start on 16 bytes";
    if (heads_at_once(j) < 1)
        return "no room for copies of K and V";
    part p;
    cut(j, 0, 1, nullptr, nullptr, &p);
    return sbi_attend_sm90_refusal(&p.job);
}

sb_status sbi_attend_slots_cuda(const sbi_cuda_job *j)
{
    sb_arena    *a    = j->ctx->arena;
    const size_t mark = sb_arena_mark(a);
    const auto   n    = heads_at_once(j);
    void        *k = nullptr, *v = nullptr;
    sb_status    st = sb_arena_alloc(a, n * head_bytes(j), 1, "keys in slots", &k);
    if (st == SB_OK)
        st = sb_arena_alloc(a, n * head_bytes(j), 1, "values in slots", &v);
    for (int64_t h = 0; st == SB_OK && h < j->in->q->heads; h += n) {
        part p;
        cut(j, h, min(n, j->in->q->heads - h), k, v, &p);
        st = run_part(j, h, p);
    }
    sb_arena_reset(a, mark);
    return st;
}
