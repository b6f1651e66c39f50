/* Lists of every row block, a thread a list. row_lists.c goes through all diagonals of a row; here
 * a row goes from tile to tile, and the next one is where the nearest chosen distance below the end
 * of the last says: a look into a set of bits. Columns between two ranges are a stretch of the
 * sorted columns, found by their number.
 *
 *   distances of a row   |  x      x x   x        xxxxx|      in the order of keys
 *   tiles                  [64][64]    [64][64]  [64][64]     anchored at the first, then in a row
 */
#include <cub/device/device_scan.cuh>

#include "kernels/backend/cuda_status.cuh"
#include "kernels/minference/device.h"
#include "kernels/minference/work.h"

namespace
{
enum { THREADS = 128, B = SBI_MINFERENCE_BLOCK };

struct lists {
    int32_t *tile, *token; /* NULL: count */
    int64_t  n_tiles, n_tokens;
};

/* Largest member of a set that is at most `at`; there is one. */
__device__ int64_t last_member(const uint32_t *set, int64_t at)
{
    int64_t  w = at / 32;
    uint32_t x = __ldg(set + w) & (0xffffffffu >> (31 - at % 32));
    while (x == 0)
        x = __ldg(set + --w);
    return w * 32 + 31 - __clz(static_cast<int>(x));
}

/* Columns before `key`. */
__device__ int64_t columns_before(const uint32_t *set, const int32_t *before, int64_t key)
{
    int64_t w = key / 32;
    return __ldg(before + w) + __popc(__ldg(set + w) & ((1u << key % 32) - 1));
}

__device__ void put_tile(lists *l, int64_t key)
{
    if (l->tile != nullptr)
        l->tile[l->n_tiles] = static_cast<int32_t>(key);
    l->n_tiles++;
}

/* As sbi_minference_row. `range` is the end of the last tile; distances of at least end - range
 * give nothing new. */
__device__ void walk(const sbi_minference_device &r, int64_t place, int64_t row, lists *l)
{
    const uint32_t *columns = r.set + place * 2 * r.words, *slash = columns + r.words;
    const int32_t  *before = r.before + place * r.words, *column = r.column + place * r.most_columns;
    int64_t         end = (row + 1) * B, top = end < r.n_keys ? end : r.n_keys, from = 0;
    int64_t         range = end - last_member(slash, top - 1);
    range                 = range > B ? range : B;
    int64_t begin         = range - B; /* of the next tile */
    l->n_tiles = l->n_tokens = 0;
    for (;;) {
        if (begin > from) { /* a gap, or the start: columns [from, begin) stand alone */
            int64_t n = columns_before(columns, before, begin);
            for (int64_t i = from > 0 ? columns_before(columns, before, from) : 0; i < n; i++) {
                if (l->token != nullptr)
                    l->token[l->n_tokens] = column[i];
                else {
                    l->n_tokens += n - i;
                    break;
                }
                l->n_tokens++;
            }
        }
        put_tile(l, begin);
        from = range;
        if (range >= end)
            return;
        int64_t next = end - last_member(slash, end - range - 1);
        range        = next > range + B ? next : range + B;
        begin        = range - B;
    }
}

__global__ __launch_bounds__(THREADS) void count(sbi_minference_device r, int64_t *tile,
                                                 int64_t *token)
{
    int64_t at = static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x;
    if (at >= r.heads * r.n_rows)
        return;
    const sbi_minference_device_head *h   = r.head + at / r.n_rows;
    int64_t                           row = at % r.n_rows;
    lists                             l   = {};
    if (h->pattern == SB_MINFERENCE_VERTICAL_SLASH)
        walk(r, h->place, row, &l);
    else if (h->pattern == SB_MINFERENCE_BLOCK_SPARSE)
        l.n_tiles = r.top_k_blocks < row + 1 ? r.top_k_blocks : row + 1;
    tile[at + 1] = l.n_tiles;
    if (token != nullptr)
        token[at + 1] = l.n_tokens;
    if (at == 0) {
        tile[0] = 0;
        if (token != nullptr)
            token[0] = 0;
    }
}

__global__ __launch_bounds__(THREADS) void fill(sbi_minference_device r, sb_csr tiles,
                                                sb_csr tokens)
{
    int64_t at = static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x;
    if (at >= r.heads * r.n_rows)
        return;
    const sbi_minference_device_head *h = r.head + at / r.n_rows;
    if (h->pattern != SB_MINFERENCE_VERTICAL_SLASH)
        return;
    lists l = {tiles.id + tiles.row_ptr[at], tokens.id + tokens.row_ptr[at], 0, 0};
    walk(r, h->place, at % r.n_rows, &l);
}

unsigned blocks_of(const sbi_minference_device *r)
{
    return static_cast<unsigned>((r->heads * r->n_rows + THREADS - 1) / THREADS);
}

sb_status sum_up(const sbi_minference_device *r, int64_t *ptr, cudaStream_t stream)
{
    size_t bytes = static_cast<size_t>(r->temp_bytes);
    return SB_CUDA(cub::DeviceScan::InclusiveSum(
        r->temp, bytes, ptr + 1, ptr + 1, static_cast<int>(r->heads * r->n_rows), stream));
}
} // namespace

extern "C" sb_status sbi_minference_sum_bytes(int64_t lists, int64_t *bytes)
{
    size_t    n    = 0;
    int64_t  *none = nullptr;
    sb_status st   = SB_OK;
    if (lists > INT32_MAX - 1)
        return sb_fail(SB_ERR_UNSUPPORTED, "minference: found %lld lists, allowed below 2^31",
                       static_cast<long long>(lists));
    st = SB_CUDA(
        cub::DeviceScan::InclusiveSum(nullptr, n, none, none, static_cast<int>(lists)));
    if (st == SB_OK)
        *bytes = static_cast<int64_t>(n);
    return st;
}

extern "C" sb_status sbi_minference_lengths_cuda(const sbi_minference_device *r, int64_t *tile_ptr,
                                                 int64_t *token_ptr, void *stream_)
{
    auto stream = static_cast<cudaStream_t>(stream_);
    count<<<blocks_of(r), THREADS, 0, stream>>>(*r, tile_ptr, token_ptr);
    sb_status st = sb_cuda_status(cudaGetLastError(), "launch of count");
    if (st == SB_OK)
        st = sum_up(r, tile_ptr, stream);
    return st == SB_OK && token_ptr != nullptr ? sum_up(r, token_ptr, stream) : st;
}

extern "C" sb_status sbi_minference_fill_lines_cuda(const sbi_minference_device *r,
                                                    const sb_csr *tiles, const sb_csr *tokens,
                                                    void *stream)
{
    fill<<<blocks_of(r), THREADS, 0, static_cast<cudaStream_t>(stream)>>>(*r, *tiles, *tokens);
    return sb_cuda_status(cudaGetLastError(), "launch of fill");
}
