/* What the state before a call adds to outputs that were made without it [sharding 8.5]:
 *
 *   O += scale e^(-s (i + 1)) Q S     rows i within reach of S (sb_scan_reach), no others
 *
 * Grid: (256 rows, query head); CTAs past their head's reach end at once. Eight warps, 64 rows at a
 * time: S as bf16 and mapped Q in shared memory, a product by mma.sync, its rows back through
 * shared memory so that O is read and written in whole pieces of 16 bytes. No CTA waits for
 * another.
 *
 * Rounded to bf16: mapped q, the S that meets q; and O, which had been rounded before, once more.
 * Shared memory: 85 KiB at head_dim 128, 36 KiB at 64. Bytes: 6 d a row in reach. Bound: memory. */
#include "kernels/exec/scan_share_cuda.cuh"

namespace
{
enum { C = SCAN_ROWS, THREADS = SCAN_THREADS, ROWS = 4 * C };

template <int D> struct prefix_room {
    sb_bf16 q[C][D + SCAN_PAD], s[D][D + SCAN_PAD];
    float   o[C][D + SCAN_PAD];
};

/* r.o = w Q S, of the rows from `row` on. */
template <int D>
__device__ void weighted_product(prefix_room<D> &r, double slope, int64_t row, float scale)
{
    enum { TILES = D / 16 };
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    const int band = 16 * (warp % 4), side = warp / 4 * (D / 2);
    float     o[TILES][4];
#pragma unroll
    for (int t = 0; t < TILES; t++)
        o[t][0] = o[t][1] = o[t][2] = o[t][3] = 0.0f;
#pragma unroll
    for (int t = 0; t < D / 16; t++) {
        uint32_t q[4], b[4];
        sbi_ldmatrix(q, &r.q[band + (lane & 15)][16 * t + (lane >> 4) * 8]);
#pragma unroll
        for (int x = 0; x < TILES / 2; x++) {
            sbi_ldmatrix_t(b, &r.s[16 * t + (lane & 15)][side + 16 * x + (lane >> 4) * 8]);
            sbi_mma(o[2 * x], q, b[0], b[1]);
            sbi_mma(o[2 * x + 1], q, b[2], b[3]);
        }
    }
#pragma unroll
    for (int i = 0; i < 2; i++) {
        const int   at = band + (lane >> 2) + 8 * i;
        const float w = static_cast<float>(exp(-slope * static_cast<double>(row + at + 1))) * scale;
#pragma unroll
        for (int t = 0; t < TILES; t++)
            *reinterpret_cast<float2 *>(&r.o[at][side + 8 * t + 2 * (lane & 3)]) =
                make_float2(o[t][2 * i] * w, o[t][2 * i + 1] * w);
    }
}

/* Rows [0, m) of r.o to those of O. */
template <int D> __device__ void add_rows(const prefix_room<D> &r, sb_bf16 *o, int m)
{
    for (int i = threadIdx.x; i < m * D / 8; i += THREADS) {
        const int    row = i / (D / 8), x = i % (D / 8) * 8;
        uint4       *to    = reinterpret_cast<uint4 *>(o + row * D + x);
        uint4        raw   = *to;
        const float *more  = &r.o[row][x];
        uint32_t(&part)[4] = reinterpret_cast<uint32_t(&)[4]>(raw);
#pragma unroll
        for (int p = 0; p < 4; p++)
            part[p] = sbi_pack_bf16(scan_low(part[p]) + more[2 * p],
                                    scan_high(part[p]) + more[2 * p + 1]);
        *to = raw;
    }
}

template <int D>
__global__ void __launch_bounds__(THREADS, 2)
    add_prefix(const __grid_constant__ sbi_scan_cuda_job a)
{
    extern __shared__ __align__(16) unsigned char raw[];
    prefix_room<D>                               &r = *reinterpret_cast<prefix_room<D> *>(raw);
    const int64_t  head = blockIdx.y, first = blockIdx.x * static_cast<int64_t>(ROWS);
    const double   slope = a.room.slope[head / a.group];
    const int64_t  end   = min(first + ROWS, sb_scan_reach(slope, a.n));
    const sb_bf16 *q     = a.q + head * a.q_stride;
    sb_bf16       *o     = static_cast<sb_bf16 *>(a.o) + head * a.o_stride;
    if (first >= end)
        return;
    {
        share<D> s;
        s.read(a.start + head / a.group * a.state_floats);
        s.publish(r.s);
    }
    for (int64_t i = first; i < end; i += C) {
        const int m = static_cast<int>(min(end - i, static_cast<int64_t>(C)));
        scan_load_mapped<D>(r.q, q + i * D, m, a.map);
        __syncthreads();
        weighted_product(r, slope, i, a.scale);
        __syncthreads();
        add_rows<D>(r, o + i * D, m);
        /* r.q has been read before the last barrier; r.o is written behind the next one */
    }
}

template <int D> sb_status launch(const sbi_scan_cuda_job &a, int64_t most, cudaStream_t stream)
{
    const int  bytes = static_cast<int>(sizeof(prefix_room<D>));
    const dim3 grid(static_cast<unsigned>((most + ROWS - 1) / ROWS),
                    static_cast<unsigned>(a.heads));
    sb_status  st = sbi_scan_room_of(add_prefix<D>, bytes);
    if (st != SB_OK)
        return st;
    add_prefix<D><<<grid, THREADS, bytes, stream>>>(a);
    return sb_cuda_status(cudaGetLastError(), "launch of what a state adds");
}
} // namespace

sb_status sbi_scan_prefix_cuda(const sbi_scan_cuda_job *j, const double *slope, cudaStream_t stream)
{
    int64_t most = 0;
    for (int32_t s = 0; s < j->state_heads; s++) {
        const int64_t rows = sb_scan_reach(slope[s], j->n);
        most               = rows > most ? rows : most;
    }
    if (j->o_is_f32 || j->normalize)
        return sb_fail(SB_ERR_INTERNAL, "linear scan: a state adds to bf16 sums only");
    return j->d == 64 ? launch<64>(*j, most, stream) : launch<128>(*j, most, stream);
}
