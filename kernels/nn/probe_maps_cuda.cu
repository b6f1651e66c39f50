/* Structured maps on the device.
 *
 * Grid: (map, 64 rows), maps first, so that the sources which maps share are read from device
 * memory once and from L2 after that. A CTA builds its [64][128] tile in shared memory, term by
 * term, and writes it out in 16-byte pieces, through the map's permutation where it has one.
 *   SCALE       a warp eight rows, two dims a lane where the term allows; a map that is a copy of
 *               whole rows goes past the tile
 *   SUM         a warp a row
 *   ROTATE      a warp eight rows, two pairs a lane
 *   DOT         a thread a row: 128 products in the written order
 *   PROJECT     a thread four rows and one output, table in shared memory, same order
 * No product is contracted with a sum: the CPU's bits are wanted.
 * Shared memory: tile 16 KiB, table 8 KiB. Bound: device memory (probe_cuda.h). */
#include <cstdint>

#include "kernels/backend/cuda_status.cuh"
#include "kernels/backend/cuda_stream.h"
#include "kernels/nn/probe_bf16_cuda.cuh"
#include "kernels/nn/probe_cuda.h"

namespace
{
enum {
    D         = SB_PROBE_DIM,
    PAD       = SB_PROBE_TOPIC_PAD,
    ROWS      = 64,
    THREADS   = 256,
    WARPS     = THREADS / 32,
    WARP_ROWS = ROWS / WARPS,
    GROUPS    = THREADS / PAD, /* rows that PROJECT works on side by side */
    PER_GROUP = ROWS / GROUPS
};

struct maps_args {
    sb_probe_map map[SB_PROBE_CUDA_MAPS];
    sb_bf16     *dst[SB_PROBE_CUDA_MAPS];
    int32_t      n_maps;
    int64_t      row0, n_rows;
    /* with STEP alone: rows that the first n_stepped maps write are counted from step->slot */
    const sb_step *step;
    int32_t        n_stepped;
};

__device__ const sb_bf16 *row_of(const sb_probe_source &s, int64_t row)
{
    return s.data + (s.index != nullptr ? static_cast<int64_t>(s.index[row]) : row) * s.stride;
}

/* A term and where its rows are. */
struct work {
    int64_t  row;  /* of the tile's first row */
    int      n;    /* rows of the tile */
    sb_bf16 *tile; /* [ROWS][D] */
};

__device__ uint32_t scaled_pair(float gain, uint32_t x)
{
    return sbi_pair(sbi_round(__fmul_rn(gain, sbi_low(x))),
                    sbi_round(__fmul_rn(gain, sbi_high(x))));
}

/* Rows of this warp, all under way at once: row k is warp + k * WARPS, past the end the last. */
template <typename T>
__device__ void fetch(T (&to)[WARP_ROWS], const sb_probe_source &s, const work &w, int warp, int at)
{
#pragma unroll
    for (int k = 0; k < WARP_ROWS; k++)
        to[k] =
            *reinterpret_cast<const T *>(row_of(s, w.row + min(warp + k * WARPS, w.n - 1)) + at);
}

__device__ void scale(const sb_probe_term &t, const work &w, int warp, int lane)
{
    const bool in_pairs = ((t.at | t.from | t.n) & 1) == 0 && (t.a.stride & 1) == 0 &&
                          (reinterpret_cast<uintptr_t>(t.a.data) & 3) == 0;
    if (in_pairs) {
        for (int i = 2 * lane; i < t.n; i += 64) {
            uint32_t x[WARP_ROWS];
            fetch(x, t.a, w, warp, t.from + i);
#pragma unroll
            for (int k = 0; k < WARP_ROWS; k++)
                *reinterpret_cast<uint32_t *>(w.tile + (warp + k * WARPS) * D + t.at + i) =
                    scaled_pair(t.gain, x[k]);
        }
    } else {
        for (int i = lane; i < t.n; i += 32) {
            sb_bf16 x[WARP_ROWS];
            fetch(x, t.a, w, warp, t.from + i);
#pragma unroll
            for (int k = 0; k < WARP_ROWS; k++)
                w.tile[(warp + k * WARPS) * D + t.at + i] =
                    sbi_round(__fmul_rn(t.gain, sbi_f32(x[k])));
        }
    }
}

__device__ void sum(const sb_probe_term &t, const work &w, int warp, int lane)
{
    for (int r = warp; r < w.n; r += WARPS) {
        const sb_bf16 *x = row_of(t.a, w.row + r) + t.from, *y = row_of(t.b, w.row + r) + t.from;
        for (int i = lane; i < t.n; i += 32)
            w.tile[r * D + t.at + i] = sbi_round(__fadd_rn(sbi_f32(x[i]), sbi_f32(y[i])));
    }
}

__device__ void rotate(const sb_probe_term &t, const work &w, int warp, int lane)
{
    const sb_probe_rotation *o = t.rotation;
    for (int p = lane; p < SB_PROBE_PAIRS; p += 32) {
        const float c = o->c[p], s = o->s[p], gain = o->gain[p];
        uint32_t    x[WARP_ROWS];
        fetch(x, t.a, w, warp, 2 * p);
#pragma unroll
        for (int k = 0; k < WARP_ROWS; k++) {
            const float re = sbi_low(x[k]), im = sbi_high(x[k]);
            const float y0 = __fmul_rn(gain, __fadd_rn(__fmul_rn(c, re), __fmul_rn(s, im)));
            const float y1 = __fmul_rn(gain, __fsub_rn(__fmul_rn(c, im), __fmul_rn(s, re)));
            *reinterpret_cast<uint32_t *>(w.tile + (warp + k * WARPS) * D + 2 * p) =
                sbi_pair(sbi_round(y0), sbi_round(y1));
        }
    }
}

/* Eight numbers of a row that begins at a multiple of 16 bytes. */
__device__ void load_8(float (&to)[8], const sb_bf16 *from)
{
    const uint4 all = *reinterpret_cast<const uint4 *>(from);
    to[0]           = sbi_low(all.x);
    to[1]           = sbi_high(all.x);
    to[2]           = sbi_low(all.y);
    to[3]           = sbi_high(all.y);
    to[4]           = sbi_low(all.z);
    to[5]           = sbi_high(all.z);
    to[6]           = sbi_low(all.w);
    to[7]           = sbi_high(all.w);
}

__device__ void dot(const sb_probe_term &t, const work &w, int thread)
{
    if (thread >= w.n)
        return;
    const sb_bf16 *x   = row_of(t.a, w.row + thread);
    float          acc = 0.0f, part[8];
    for (int j = 0; j < D; j += 8) {
        load_8(part, x + j);
#pragma unroll
        for (int i = 0; i < 8; i++)
            acc = __fadd_rn(acc, __fmul_rn(t.table[j + i], part[i]));
    }
    w.tile[thread * D + t.at] = sbi_round(__fmul_rn(t.gain, acc));
}

__device__ void project(const sb_probe_term &t, const work &w, const float *table, int thread)
{
    const int      output = thread % PAD, group = thread / PAD;
    const sb_bf16 *x[PER_GROUP];
    float          acc[PER_GROUP], part[PER_GROUP][8];
#pragma unroll
    for (int k = 0; k < PER_GROUP; k++) { /* rows past the end repeat the last */
        x[k]   = row_of(t.a, w.row + min(group + k * GROUPS, w.n - 1));
        acc[k] = 0.0f;
    }
    for (int j = 0; j < D; j += 8) {
#pragma unroll
        for (int k = 0; k < PER_GROUP; k++)
            load_8(part[k], x[k] + j);
#pragma unroll
        for (int i = 0; i < 8; i++) {
            const float y = table[(j + i) * PAD + output];
#pragma unroll
            for (int k = 0; k < PER_GROUP; k++)
                acc[k] = __fadd_rn(acc[k], __fmul_rn(y, part[k][i]));
        }
    }
    if (output < t.n)
#pragma unroll
        for (int k = 0; k < PER_GROUP; k++)
            if (group + k * GROUPS < w.n)
                w.tile[(group + k * GROUPS) * D + t.at + output] =
                    sbi_round(__fmul_rn(t.gain, acc[k]));
}

__device__ void write_out(const work &w, const uint8_t *permute, sb_bf16 *dst)
{
    for (int i = threadIdx.x; i < w.n * (D / 8); i += THREADS) {
        uint4          out;
        const sb_bf16 *row = w.tile + i / (D / 8) * D;
        const int      at  = i % (D / 8) * 8;
        if (permute == nullptr) {
            out = *reinterpret_cast<const uint4 *>(row + at);
        } else {
            out.x = sbi_pair(row[permute[at]], row[permute[at + 1]]);
            out.y = sbi_pair(row[permute[at + 2]], row[permute[at + 3]]);
            out.z = sbi_pair(row[permute[at + 4]], row[permute[at + 5]]);
            out.w = sbi_pair(row[permute[at + 6]], row[permute[at + 7]]);
        }
        reinterpret_cast<uint4 *>(dst)[i] = out;
    }
}

/* A map that is one whole row of its source: needs no tile. */
__device__ bool is_copy(const sb_probe_map &m)
{
    const sb_probe_term &t = m.term[0];
    return m.n_terms == 1 && m.permute == nullptr && t.op == SB_PROBE_SCALE && t.gain == 1.0f &&
           t.at == 0 && t.from == 0 && t.n == D && t.a.stride % 8 == 0 &&
           (reinterpret_cast<uintptr_t>(t.a.data) & 15) == 0;
}

__device__ void copy_rows(const sb_probe_source &s, const work &w, sb_bf16 *dst)
{
    constexpr int PIECES = D / 8, TURNS = ROWS * PIECES / THREADS;
    uint4         x[TURNS];
#pragma unroll
    for (int k = 0; k < TURNS; k++) {
        const int i = threadIdx.x + k * THREADS;
        x[k]        = reinterpret_cast<const uint4 *>(
            row_of(s, w.row + min(i / PIECES, w.n - 1)))[i % PIECES];
    }
#pragma unroll
    for (int k = 0; k < TURNS; k++) {
        const int i = threadIdx.x + k * THREADS;
        if (i < w.n * PIECES)
            reinterpret_cast<uint4 *>(dst)[i] = x[k];
    }
}

template <bool STEP>
__global__ void __launch_bounds__(THREADS, 4) run_maps(const __grid_constant__ maps_args a)
{
    __shared__ __align__(16) sb_bf16 tile[ROWS * D];
    __shared__ __align__(16) float table[D * PAD];
    const int                      warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int32_t                  which = static_cast<int32_t>(blockIdx.x % a.n_maps);
    const int64_t                  first = static_cast<int64_t>(blockIdx.x / a.n_maps) * ROWS;
    const sb_probe_map            &m     = a.map[which];
    const work w = {a.row0 + first, static_cast<int>(min(a.n_rows - first, int64_t(ROWS))), tile};
    const int64_t to = first + (STEP && which < a.n_stepped ? a.step->slot : 0);
    if (is_copy(m)) {
        copy_rows(m.term[0].a, w, a.dst[which] + to * D);
        return;
    }
    for (int i = threadIdx.x; i < ROWS * D / 8; i += THREADS)
        reinterpret_cast<uint4 *>(tile)[i] = make_uint4(0, 0, 0, 0);
    __syncthreads();
    for (int k = 0; k < m.n_terms; k++) { /* terms do not overlap */
        const sb_probe_term &t = m.term[k];
        switch (t.op) {
        case SB_PROBE_SCALE:
            scale(t, w, warp, lane);
            break;
        case SB_PROBE_SUM:
            sum(t, w, warp, lane);
            break;
        case SB_PROBE_ROTATE:
            rotate(t, w, warp, lane);
            break;
        case SB_PROBE_DOT:
            dot(t, w, threadIdx.x);
            break;
        default: /* PROJECT: the only one that is left */
            __syncthreads();
            for (int i = threadIdx.x; i < D * PAD; i += THREADS)
                table[i] = t.table[i];
            __syncthreads();
            project(t, w, table, threadIdx.x);
        }
    }
    __syncthreads();
    write_out(w, m.permute, a.dst[which] + to * D);
}

bool out_of_line(const sb_bf16 *p, int64_t stride)
{
    return (reinterpret_cast<uintptr_t>(p) & 15) != 0 || stride % 8 != 0;
}

sb_status check(const sb_probe_map *map, sb_bf16 *const *dst, int32_t n_maps)
{
    if (n_maps > SB_PROBE_CUDA_MAPS)
        return sb_fail(SB_ERR_INTERNAL, "probe maps: found %d maps, allowed %d in a launch", n_maps,
                       (int)SB_PROBE_CUDA_MAPS);
    for (int32_t i = 0; i < n_maps; i++) {
        if (out_of_line(dst[i], 0))
            return sb_fail(SB_ERR_INTERNAL, "probe maps: rows to write that are not on 16 bytes");
        for (int32_t k = 0; k < map[i].n_terms; k++) {
            const sb_probe_term *t = &map[i].term[k];
            if ((t->op == SB_PROBE_DOT || t->op == SB_PROBE_PROJECT || t->op == SB_PROBE_ROTATE) &&
                out_of_line(t->a.data, t->a.stride))
                return sb_fail(SB_ERR_INTERNAL,
                               "probe maps: rows to multiply that are not on 16 bytes");
        }
    }
    return SB_OK;
}
} // namespace

static maps_args args_of(const sb_probe_map *map, sb_bf16 *const *dst, int32_t n_maps, int64_t row0,
                         int64_t n_rows)
{
    maps_args a = {};
    for (int32_t i = 0; i < n_maps; i++) {
        a.map[i] = map[i];
        a.dst[i] = dst[i];
    }
    a.n_maps = n_maps;
    a.row0   = row0;
    a.n_rows = n_rows;
    return a;
}

extern "C" sb_status sb_probe_maps_step_cuda(const sb_probe_map *map, sb_bf16 *const *dst,
                                             int32_t n_maps, int32_t n_stepped, int64_t row0,
                                             const sb_step *step, void *stream)
{
    sb_status st = check(map, dst, n_maps);
    if (st != SB_OK || n_maps == 0)
        return st;
    maps_args a = args_of(map, dst, n_maps, row0, 1);
    a.step      = step;
    a.n_stepped = n_stepped;
    run_maps<true><<<static_cast<unsigned>(n_maps), THREADS, 0, sb_cuda_stream(stream)>>>(a);
    return sb_cuda_status(cudaGetLastError(), "launch of run_maps");
}

extern "C" sb_status sb_probe_maps_run_cuda(const sb_probe_map *map, sb_bf16 *const *dst,
                                            int32_t n_maps, int64_t row0, int64_t n_rows,
                                            void *stream)
{
    sb_status st = check(map, dst, n_maps);
    if (st != SB_OK || n_maps == 0 || n_rows == 0)
        return st;
    const maps_args a    = args_of(map, dst, n_maps, row0, n_rows);
    const int64_t ctas = (n_rows + ROWS - 1) / ROWS * n_maps;
    if (ctas > INT32_MAX)
        return sb_fail(SB_ERR_UNSUPPORTED, "probe maps: found %lld rows, allowed below 2^33",
                       (long long)n_rows);
    run_maps<false><<<static_cast<unsigned>(ctas), THREADS, 0, sb_cuda_stream(stream)>>>(a);
    return sb_cuda_status(cudaGetLastError(), "launch of run_maps");
}
