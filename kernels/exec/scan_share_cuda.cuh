/* Pieces that the chunk kernels of linear scans share: a warp's part of S, rows of values and
 * outputs. CTAs of eight warps, products by mma.sync. */
#ifndef SB_KERNELS_EXEC_SCAN_SHARE_CUDA_CUH
#define SB_KERNELS_EXEC_SCAN_SHARE_CUDA_CUH

#include "kernels/exec/linear_scan_cuda.cuh"
#include "kernels/exec/mma_cuda.cuh"

#if defined(__CUDACC__)
namespace
{
enum { SCAN_ROWS = SBI_SCAN_CHUNK, SCAN_THREADS = 256, SCAN_PAD = 8 };

__device__ __forceinline__ float scan_low(uint32_t two) { return __uint_as_float(two << 16); }
__device__ __forceinline__ float scan_high(uint32_t two)
{
    return __uint_as_float(two & 0xFFFF0000u);
}

/* The rows of the next chunk into L2. */
template <int D> __device__ void scan_ask(const sb_bf16 *from, int64_t m)
{
    for (int64_t i = threadIdx.x * 64; i < m * D; i += SCAN_THREADS * 64) /* lines of 128 bytes */
        asm volatile("prefetch.global.L2 [%0];" ::"l"(from + i));
}

/* Rows [0, m) of a head to shared memory as they are; rows past m are zeros. */
template <int D>
__device__ void scan_load(sb_bf16 (&to)[SCAN_ROWS][D + SCAN_PAD], const sb_bf16 *from, int64_t m)
{
#pragma unroll 4
    for (int i = threadIdx.x; i < SCAN_ROWS * D / 8; i += SCAN_THREADS) {
        const int row = i / (D / 8), x = i % (D / 8) * 8;
        uint4     raw = make_uint4(0, 0, 0, 0);
        if (row < m)
            raw = __ldg(reinterpret_cast<const uint4 *>(from + row * D + x));
        *reinterpret_cast<uint4 *>(&to[row][x]) = raw;
    }
}

template <sb_scan_map M, int D>
__device__ void scan_load_as(sb_bf16 (&to)[SCAN_ROWS][D + SCAN_PAD], const sb_bf16 *from, int64_t m)
{
#pragma unroll 4
    for (int i = threadIdx.x; i < SCAN_ROWS * D / 8; i += SCAN_THREADS) {
        const int row = i / (D / 8), x = i % (D / 8) * 8;
        uint4     raw = make_uint4(0, 0, 0, 0);
        if (row < m) {
            raw                = __ldg(reinterpret_cast<const uint4 *>(from + row * D + x));
            uint32_t(&part)[4] = reinterpret_cast<uint32_t(&)[4]>(raw);
#pragma unroll
            for (int p = 0; p < 4; p++)
                part[p] =
                    sbi_pack_bf16(scan_map(M, scan_low(part[p])), scan_map(M, scan_high(part[p])));
        }
        *reinterpret_cast<uint4 *>(&to[row][x]) = raw;
    }
}

/* Rows [0, m) of a head to shared memory, mapped; rows past m are zeros. */
template <int D>
__device__ void scan_load_mapped(sb_bf16 (&to)[SCAN_ROWS][D + SCAN_PAD], const sb_bf16 *from,
                                 int64_t m, sb_scan_map map)
{
    switch (map) {
    case SB_SCAN_SILU:
        return scan_load_as<SB_SCAN_SILU, D>(to, from, m);
    case SB_SCAN_RELU:
        return scan_load_as<SB_SCAN_RELU, D>(to, from, m);
    case SB_SCAN_SQRELU:
        return scan_load_as<SB_SCAN_SQRELU, D>(to, from, m);
    case SB_SCAN_ELU:
        return scan_load_as<SB_SCAN_ELU, D>(to, from, m);
    case SB_SCAN_ELU1:
        return scan_load_as<SB_SCAN_ELU1, D>(to, from, m);
    default:
        return scan_load<D>(to, from, m);
    }
}

/* Key channels that a warp has, and value channels. */
template <int D> struct share {
    enum { BANDS = D / 16, SIDES = 8 / BANDS, TILES = D / SIDES / 8 };
    float s[TILES][4];
    int   row, col; /* of this lane's first number */

    __device__ share()
    {
        const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
        row = 16 * (warp % BANDS) + (lane >> 2);
        col = warp / BANDS * (D / SIDES) + 2 * (lane & 3);
    }
    __device__ void zero()
    {
#pragma unroll
        for (int t = 0; t < TILES; t++)
            s[t][0] = s[t][1] = s[t][2] = s[t][3] = 0.0f;
    }
    __device__ void read(const float *from)
    {
#pragma unroll
        for (int t = 0; t < TILES; t++)
#pragma unroll
            for (int i = 0; i < 2; i++) {
                const float2 x =
                    *reinterpret_cast<const float2 *>(from + (row + 8 * i) * D + col + 8 * t);
                s[t][2 * i]     = x.x;
                s[t][2 * i + 1] = x.y;
            }
    }
    __device__ void write(float *to) const
    {
#pragma unroll
        for (int t = 0; t < TILES; t++)
#pragma unroll
            for (int i = 0; i < 2; i++)
                *reinterpret_cast<float2 *>(to + (row + 8 * i) * D + col + 8 * t) =
                    make_float2(s[t][2 * i], s[t][2 * i + 1]);
    }
    __device__ void publish(sb_bf16 (&to)[D][D + SCAN_PAD]) const
    {
#pragma unroll
        for (int t = 0; t < TILES; t++)
#pragma unroll
            for (int i = 0; i < 2; i++)
                *reinterpret_cast<uint32_t *>(&to[row + 8 * i][col + 8 * t]) =
                    sbi_pack_bf16(s[t][2 * i], s[t][2 * i + 1]);
    }
};

/* o += P V: sixteen rows of P as products left them, TILES tiles of eight columns of V from `side`
 * on. */
template <int D, int TILES>
__device__ void scan_add_values(float (&o)[TILES][4], const float (&p)[SCAN_ROWS / 8][4],
                                const sb_bf16 (&v)[SCAN_ROWS][D + SCAN_PAD], int side)
{
    const int lane = threadIdx.x & 31;
#pragma unroll
    for (int j = 0; j < SCAN_ROWS / 16; j++) {
        uint32_t b[4], w[4] = {sbi_pack_bf16(p[2 * j][0], p[2 * j][1]),
                               sbi_pack_bf16(p[2 * j][2], p[2 * j][3]),
                               sbi_pack_bf16(p[2 * j + 1][0], p[2 * j + 1][1]),
                               sbi_pack_bf16(p[2 * j + 1][2], p[2 * j + 1][3])};
#pragma unroll
        for (int x = 0; x < TILES / 2; x++) {
            sbi_ldmatrix_t(b, &v[16 * j + (lane & 15)][side + 16 * x + (lane >> 4) * 8]);
            sbi_mma(o[2 * x], w, b[0], b[1]);
            sbi_mma(o[2 * x + 1], w, b[2], b[3]);
        }
    }
}

/* o times norm to the rows first + band .. of a query head, those below m of the chunk. */
template <int D, int TILES>
__device__ void scan_store(const sbi_scan_cuda_job &a, const float (&o)[TILES][4], int64_t head,
                           int64_t first, int m, int band, int side, const float (&norm)[2])
{
    const int lane = threadIdx.x & 31;
#pragma unroll
    for (int i = 0; i < 2; i++) {
        const int row = band + (lane >> 2) + 8 * i;
        if (row >= m)
            continue;
        const int64_t at = head * a.o_stride + (first + row) * D + side + 2 * (lane & 3);
#pragma unroll
        for (int t = 0; t < TILES; t++) {
            const float x = o[t][2 * i] * norm[i], y = o[t][2 * i + 1] * norm[i];
            if (a.o_is_f32)
                *reinterpret_cast<float2 *>(static_cast<float *>(a.o) + at + 8 * t) =
                    make_float2(x, y);
            else
                *reinterpret_cast<uint32_t *>(static_cast<sb_bf16 *>(a.o) + at + 8 * t) =
                    sbi_pack_bf16(x, y);
        }
    }
}
} // namespace
#endif

#endif
