/* From chosen columns, offsets and scores to a bit a block of every row's list [3.8, 3.9]. */
#include "kernels/backend/cuda_status.cuh"
#include "kernels/flexprefill/room_cuda.cuh"

namespace
{
enum { THREADS = 256, WARPS = THREADS / 32 };

/* Members at, at + 1, .. at + 31 of a set, the first lowest; at may be negative. */
__device__ uint32_t members(const uint32_t *set, int64_t words, int64_t at)
{
    int64_t  w  = at >> 5;
    uint32_t lo = w >= 0 && w < words ? set[w] : 0;
    uint32_t hi = w + 1 >= 0 && w + 1 < words ? set[w + 1] : 0;
    return __funnelshift_r(lo, hi, static_cast<unsigned>(at & 31));
}

/* A warp a list (head, row); a lane a word of columns and offsets, then, where there are scores, a
 * lane a block. */
__global__ void set_bits(sbi_flex_device r, int64_t cover)
{
    int64_t list = static_cast<int64_t>(blockIdx.x) * WARPS + threadIdx.x / 32;
    int     lane = static_cast<int>(threadIdx.x % 32);
    if (list >= r.bits.lists)
        return;
    int64_t         head = list / r.rows.n_rows, row = r.rows.row_id[list % r.rows.n_rows];
    const uint32_t *columns = r.set + head * 2 * r.set_words, *offsets = columns + r.set_words;
    uint32_t       *word = r.bits.word + list * r.bits.words;
    for (int64_t w = lane; w < r.bits.words; w += 32) {
        int64_t  first = w * 32, left = row - first; /* bits 0 .. left may be set */
        uint32_t x = 0;
        if (left >= 0) { /* bit b: block first + b, at offset left - b */
            x = columns[w] | __brev(members(offsets, r.set_words, left - 31));
            if (cover == 2) /* an offset brings the next one along [5] */
                x |= __brev(members(offsets, r.set_words, left - 32));
            if (left < 31)
                x &= (2u << left) - 1;
            x |= w == 0; /* where pairs outside the matrix alias to */
        }
        word[w] = x;
    }
    if (!r.aware[head])
        return;
    __syncwarp();
    const int32_t *score = r.score + head * r.scores + sbi_flex_row_at(row);
    uint32_t       cut = r.cut[head].score, before = (1u << lane) - 1;
    int64_t        ties = r.ties[head * r.n + row];
    for (int64_t first = 0; first <= row; first += 32) {
        int64_t  i     = first + lane;
        uint32_t x     = i <= row ? static_cast<uint32_t>(score[i]) : 0;
        uint32_t equal = __ballot_sync(0xffffffffu, i <= row && x == cut);
        bool     take  = i <= row && (x > cut || (x == cut && __popc(equal & before) < ties));
        uint32_t set   = __ballot_sync(0xffffffffu, take);
        ties -= __popc(equal);
        if (lane == 0 && set != 0)
            word[first / 32] |= set;
    }
}
} // namespace

sb_status sbi_flex_set_bits(const sbi_flex_device &r, const sbi_flex_asked &a, cudaStream_t stream)
{
    auto blocks = static_cast<unsigned>((r.bits.lists + WARPS - 1) / WARPS);
    set_bits<<<blocks, THREADS, 0, stream>>>(r, a.slash_cover);
    return sb_cuda_status(cudaGetLastError(), "launch of set_bits");
}
