/* Lists of every row block, a thread a list. row_lists.c goes through all diagonals of a row; here
 * a row goes from tile to tile, and the next one is where the nearest chosen distance below the end
 * of the last says: a look into a set of bits. Columns between two ranges are a stretch of the
 * sorted columns, found by their number.
 *
 *   distances of a row   |  x      x x   x        xxxxx|      in the order of keys
 *   tiles                  [64][64]    [64][64]  [64][64]     anchored at the first, then in a row
 */
#include "kernels/backend/cuda_status.cuh"
#include "kernels/backend/cuda_stream.h"
#include "kernels/exec/row_sum_device.h"
#include "kernels/minference/device.h"
#include "kernels/minference/work.h"

namespace
{
enum { THREADS = 128, B = SBI_MINFERENCE_BLOCK };

struct lists {
    int32_t *tile, *token; /* NULL: count */
    int32_t  n_tiles, n_tokens;
};

/* The sets of a head. */
struct lines {
    const uint32_t *column, *slash;
    const int32_t  *before, *skip, *id;
};

/* Largest chosen distance up to `at`; there is one. */
__device__ int last_member(const lines &h, int at)
{
    int      w = at / 32;
    uint32_t x = __ldg(h.slash + w) & (0xffffffffu >> (31 - at % 32));
    if (x == 0) {
        w = __ldg(h.skip + w);
        x = __ldg(h.slash + w);
    }
    return w * 32 + 31 - __clz(static_cast<int>(x));
}

/* Columns before `key`. */
__device__ int columns_before(const lines &h, int key)
{
    int w = key / 32;
    return __ldg(h.before + w) + __popc(__ldg(h.column + w) & ((1u << key % 32) - 1));
}

/* As sbi_minference_row. `range` is the end of the last tile; distances of at least end - range
 * give nothing new. FILL or count. */
template <bool FILL> __device__ void walk(const lines &h, int n_keys, int row, lists *l)
{
    int end = (row + 1) * B, top = end < n_keys ? end : n_keys, from = 0, tiles = 0, tokens = 0;
    int range = end - last_member(h, top - 1);
    range     = range > B ? range : B;
    for (;;) {
        int begin = range - B; /* of the next tile; columns [from, begin) stand alone */
        if (begin > from) { /* else `from` may lie behind the last key, and its set with it */
            int i = columns_before(h, from), n = columns_before(h, begin);
            if (FILL)
                for (; i < n; i++)
                    l->token[tokens++] = h.id[i];
            else
                tokens += n - i;
        }
        if (FILL)
            l->tile[tiles] = begin;
        tiles++;
        from = range;
        if (range >= end)
            break;
        int next = end - last_member(h, end - range - 1);
        range    = next > range + B ? next : range + B;
    }
    l->n_tiles  = tiles;
    l->n_tokens = tokens;
}

__device__ lines lines_of(const sbi_minference_device &r, int64_t place)
{
    const uint32_t *set = r.set + place * 2 * r.words;
    return lines{set, set + r.words, r.before + place * r.words, r.skip + place * r.words,
                 r.column + place * r.most_columns};
}

/* skip[w]: the last word before w that has a distance; a thread a word. */
__global__ __launch_bounds__(THREADS) void find_skips(sbi_minference_device r)
{
    int64_t at = static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x;
    if (at >= r.n_lines * r.words)
        return;
    const uint32_t *slash = r.set + (at / r.words * 2 + 1) * r.words;
    int64_t         w     = at % r.words - 1;
    while (w > 0 && slash[w] == 0)
        w--;
    r.skip[at] = static_cast<int32_t>(w > 0 ? w : 0);
}

__global__ __launch_bounds__(THREADS) void count(sbi_minference_device r, int64_t *tile,
                                                 int64_t *token)
{
    int64_t at = static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x;
    if (at >= r.heads * r.n_rows)
        return;
    const sbi_minference_device_head *h   = r.head + at / r.n_rows;
    int64_t                           row = r.row_id[at % r.n_rows];
    lists                             l   = {};
    if (h->pattern == SB_MINFERENCE_VERTICAL_SLASH)
        walk<false>(lines_of(r, h->place), static_cast<int>(r.n_keys), static_cast<int>(row), &l);
    else if (h->pattern == SB_MINFERENCE_BLOCK_SPARSE)
        l.n_tiles = static_cast<int32_t>(r.top_k_blocks < row + 1 ? r.top_k_blocks : row + 1);
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
    walk<true>(lines_of(r, h->place), static_cast<int>(r.n_keys), r.row_id[at % r.n_rows], &l);
}

unsigned blocks_of(const sbi_minference_device *r)
{
    return static_cast<unsigned>((r->heads * r->n_rows + THREADS - 1) / THREADS);
}

sb_status sum_up(const sbi_minference_device *r, int64_t *ptr, cudaStream_t stream)
{
    return sb_row_sum_cuda(r->temp, r->temp_bytes, ptr, r->heads * r->n_rows, stream);
}
} // namespace

extern "C" sb_status sbi_minference_lengths_cuda(const sbi_minference_device *r, int64_t *tile_ptr,
                                                 int64_t *token_ptr, void *stream_)
{
    auto    stream = sb_cuda_stream(stream_);
    int64_t words  = r->n_lines * r->words;
    if (words > 0)
        find_skips<<<static_cast<unsigned>((words + THREADS - 1) / THREADS), THREADS, 0, stream>>>(
            *r);
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
    fill<<<blocks_of(r), THREADS, 0, sb_cuda_stream(stream)>>>(*r, *tiles, *tokens);
    return sb_cuda_status(cudaGetLastError(), "launch of fill");
}
