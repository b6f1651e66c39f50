/* Which keys has an item: rows of one row block and one head? Its keys come part by part, N to a
 * block, and each thread finds its own without a walk:
 *   window   key x of the sinks and recent keys that some row sees
 *   tiles    key x is x % width of the listed tile x / width; where tiles overlap, the last has it
 *   tokens   key x is listed id x; not again where a listed tile has it (a binary search)
 * With slots a list's number becomes a token by the map. A key that nobody has at hand has no row,
 * and an id past all. A row sees a key of a block if
 *   id <= row  and  (in the row's window  <>  the block is of a list)
 * so that a key in a window and in a list counts once. */
#ifndef SB_KERNELS_EXEC_PLAN_KEYS_CUDA_CUH
#define SB_KERNELS_EXEC_PLAN_KEYS_CUDA_CUH

#include <climits>

#include "kernels/exec/segments_impl.h"

namespace
{
enum {
    K_RUNS = 8, /* of keys at hand */
    NO_ID  = INT_MAX,
};

/* A plan, and where K and V have the tokens' rows. */
struct plan_keys {
    int32_t n_runs, has_plan;
    int32_t width_shift; /* log2 of the tiles' width, -1: no power of two */
    int32_t plain;       /* keys in one run, no slots, tiles side by side of a power of two */
    sb_run  k_run[K_RUNS];
    sb_plan plan;
};

struct list {
    const int32_t *id;
    int32_t        n;
};

/* The keys of an item, part by part; blocks before the end of each part. */
struct item_keys {
    int32_t from[2], count[2]; /* window: sinks, recent keys */
    list    tiles, tokens;
    int32_t blocks[3];
    int64_t limit; /* ids (slots) below may be seen */
    /* what every row sees: of a window ids below `sinks` and from most_first on, if one_step */
    int32_t gid, sinks, least_first, most_first, one_step;
};

/* The largest first(q) of rows [first, last] where dilation is 1: between spans it does not fall.
 */
static __device__ int64_t most_first_of(const sb_plan *plan, int64_t head, int64_t first,
                                        int64_t last)
{
    int64_t most = max(sbi_plan_row_window(plan, head, first).first,
                       sbi_plan_row_window(plan, head, last).first);
    if (plan == nullptr || plan->form.n_spans == 0)
        return most;
    const sb_window_form &f = plan->form;
    for (int64_t i = sbi_segments_span_of(&f, first); i < f.n_spans && f.span[i].row <= last; i++)
        most = max(most, f.span[i].first);
    return most;
}

/* A row's list without the ids whose keys lie below `from` or at `end` and behind. Pointers of a
 * plan that nobody checked do not lead out of the ids. */
static __device__ list list_of(const sb_csr &c, int64_t head, int64_t row, int64_t n_rows,
                               int64_t from, int64_t end)
{
    const int64_t at    = (c.n_heads == 1 ? 0 : head) * n_rows + row;
    const int64_t last  = min(max(c.row_ptr[at + 1], int64_t(0)), c.capacity);
    const int64_t first = min(max(c.row_ptr[at], int64_t(0)), last);
    const int32_t n     = static_cast<int32_t>(min(last - first, int64_t(INT_MAX)));
    const int64_t width = c.width_tokens, unit = c.unit_tokens;
    const int32_t skip = from < width ? 0 : sbi_ids_below(c.id + first, n, (from - width) / unit + 1);
    const int64_t ids  = (end + unit - 1) / unit;
    list          x;
    x.id = c.id + first + skip;
    x.n  = n - skip;
    if (x.n > 0 && x.id[x.n - 1] >= ids) /* most lists end before */
        x.n = sbi_ids_below(x.id, x.n, ids);
    return x;
}

template <int N> static __device__ __forceinline__ int32_t blocks_of(int64_t keys)
{
    return static_cast<int32_t>((keys + N - 1) / N);
}

/* The keys of rows with ids from begin to before end, of which some may be missing; 0: the plan has
 * no list for them. */
template <int N>
static __device__ __forceinline__ int find_keys(const plan_keys &a, int head, int64_t begin,
                                                int64_t end, item_keys *x)
{
    const sb_plan *plan  = a.has_plan ? &a.plan : nullptr;
    const uint32_t parts = a.has_plan ? a.plan.parts : uint32_t(SB_PART_WINDOW);
    const bool     slots = a.has_plan && a.plan.slots.n_heads > 0;
    const int64_t  row   = sbi_plan_row(plan, begin);
    const int64_t  lo    = slots ? 0 : a.k_run[0].start; /* keys at hand */
    const sb_run   top   = a.k_run[a.n_runs - 1];
    x->limit   = slots ? sb_slots_end(&a.plan.slots, end - 1) : min(end, top.start + top.len);
    x->from[0] = x->from[1] = x->count[0] = x->count[1] = 0;
    x->tiles.n = x->tokens.n = 0;
    x->gid                   = static_cast<int32_t>(begin);
    x->sinks                 = 0;
    x->least_first = x->most_first = NO_ID;
    x->one_step                    = 1;
    if (parts & SB_PART_WINDOW) {
        const sb_row_window late = sbi_plan_row_window(plan, head, end - 1);
        const int64_t       least =
            plan == nullptr ? 0 : sbi_segments_least_first(plan, head, begin, end - 1);
        const int64_t sinks  = min(late.sink_end, x->limit);
        const int64_t recent = max(min(least, x->limit), sinks);
        x->from[0]           = static_cast<int32_t>(lo);
        x->count[0]          = static_cast<int32_t>(max(sinks - lo, int64_t(0)));
        x->from[1]           = static_cast<int32_t>(max(recent, lo));
        x->count[1]          = static_cast<int32_t>(max(x->limit - max(recent, lo), int64_t(0)));
        x->sinks             = static_cast<int32_t>(min(late.sink_end, int64_t(NO_ID)));
        x->least_first       = static_cast<int32_t>(min(least, int64_t(NO_ID)));
        x->most_first =
            static_cast<int32_t>(min(most_first_of(plan, head, begin, end - 1), int64_t(NO_ID)));
        x->one_step = late.step == 1;
    }
    if ((parts & SB_PART_TILES) && row >= 0)
        x->tiles = list_of(a.plan.tiles, head, row, a.plan.n_rows, lo, x->limit);
    if ((parts & SB_PART_TOKENS) && row >= 0)
        x->tokens = list_of(a.plan.tokens, head, row, a.plan.n_rows, lo, x->limit);
    x->blocks[0] = blocks_of<N>(int64_t(x->count[0]) + x->count[1]);
    x->blocks[1] = x->blocks[0] + blocks_of<N>(x->tiles.n * a.plan.tiles.width_tokens);
    x->blocks[2] = x->blocks[1] + blocks_of<N>(x->tokens.n);
    return row >= 0;
}

/* Where key i of block b stands: which part, which number in it. */
static __device__ __forceinline__ int part_of(const item_keys &x, int b)
{
    return b < x.blocks[0] ? 0 : b < x.blocks[1] ? 1 : 2;
}
template <int N>
static __device__ __forceinline__ int64_t number_of(const item_keys &x, int b, int part, int i)
{
    const int first = part == 0 ? 0 : part == 1 ? x.blocks[0] : x.blocks[1];
    return static_cast<int64_t>(b - first) * N + i;
}

/* The tile of key i: widths are powers of two as a rule, and numbers of 32 bits. */
static __device__ __forceinline__ int64_t tile_of(const plan_keys &a, int64_t i)
{
    if (a.width_shift >= 0)
        return i >> a.width_shift;
    if (i >> 32 != 0)
        return i / a.plan.tiles.width_tokens;
    return static_cast<uint32_t>(i) / static_cast<uint32_t>(a.plan.tiles.width_tokens);
}

/* The listed id of key k of block b, early: it may come from far away. */
template <int N>
static __device__ __forceinline__ int32_t listed_id(const plan_keys &a, const item_keys &x, int b,
                                                    int k)
{
    const int part = part_of(x, b);
    int64_t   i    = number_of<N>(x, b, part, k);
    if (part == 0 || b >= x.blocks[2])
        return 0;
    const list &l = part == 1 ? x.tiles : x.tokens;
    if (a.plain) {
        const uint32_t at = static_cast<uint32_t>(i) >> (part == 1 ? a.width_shift : 0);
        return at < static_cast<uint32_t>(l.n) ? l.id[at] : -1;
    }
    if (part == 1)
        i = tile_of(a, i);
    return i < l.n ? l.id[i] : -1;
}

/* Is number `s` of a list's keys in a tile of the list? */
static __device__ __forceinline__ bool in_tiles(const sb_csr &c, const list &tiles, int64_t s)
{
    const int32_t n = sbi_ids_below(tiles.id, tiles.n, s / c.unit_tokens + 1);
    return n > 0 && s < tiles.id[n - 1] * c.unit_tokens + c.width_tokens;
}

/* Row of a token in K and V, -1 when it is not at hand. */
static __device__ __forceinline__ int32_t row_of(const plan_keys &a, int64_t token)
{
    int64_t offset = 0;
    for (int32_t r = 0; r < a.n_runs; offset += a.k_run[r++].len)
        if (token >= a.k_run[r].start && token < a.k_run[r].start + a.k_run[r].len)
            return static_cast<int32_t>(offset + token - a.k_run[r].start);
    return -1;
}

/* The row of key i of a part where the plan is plain; -1: not at hand. The arithmetic is of 32
 * bits, and what leaves them is past the limit. */
static __device__ __forceinline__ int32_t plain_row(const plan_keys &a, const item_keys &x,
                                                    int part, uint32_t i, int32_t raw)
{
    const int32_t start = static_cast<int32_t>(a.k_run[0].start);
    const int32_t room  = max(static_cast<int32_t>(x.limit) - start, 0);
    uint32_t      s     = UINT_MAX;
    if (part == 0) {
        const int32_t late = static_cast<int32_t>(i) - x.count[0];
        if (late < x.count[1])
            s = late < 0 ? x.from[0] + i : static_cast<uint32_t>(x.from[1] + late);
    } else if (raw >= 0) {
        s = raw;
        if (part == 1)
            s = (s << a.width_shift) + (i & ((1u << a.width_shift) - 1));
        else if (x.tiles.n > 0 && in_tiles(a.plan.tiles, x.tiles, raw))
            s = UINT_MAX;
    }
    s -= start;
    return s < static_cast<uint32_t>(room) ? static_cast<int32_t>(s) : -1;
}

/* The token of key i of a part, -1: none that may be seen. */
static __device__ __forceinline__ int64_t any_key(const plan_keys &a, const item_keys &x, int head,
                                                  int part, int64_t i, int32_t raw)
{
    int64_t s = -1;
    if (part == 0) {
        const int64_t late = i - x.count[0];
        if (late < x.count[1])
            s = late < 0 ? x.from[0] + i : x.from[1] + late;
    } else if (part == 1) {
        const sb_csr &c    = a.plan.tiles;
        const int64_t tile = tile_of(a, i);
        if (tile < x.tiles.n && raw >= 0) {
            s = raw * c.unit_tokens + i - tile * c.width_tokens;
            if (c.unit_tokens < c.width_tokens && tile + 1 < x.tiles.n &&
                x.tiles.id[tile + 1] * c.unit_tokens <= s)
                s = -1; /* the next one has it too */
        }
    } else if (raw >= 0) {
        s = raw;
        if (x.tiles.n > 0 && in_tiles(a.plan.tiles, x.tiles, s))
            s = -1;
    }
    if (s >= x.limit)
        s = -1;
    if (s >= 0 && a.has_plan && a.plan.slots.n_heads > 0)
        s = sb_slot_token(&a.plan.slots, sb_slots_of(&a.plan.slots, head), s);
    return s;
}

/* Key k of block b. raw: listed_id of it. all_see: all rows of the item do. */
template <int N>
static __device__ __forceinline__ void key_of(const plan_keys &a, const item_keys &x, int head,
                                              int b, int k, int32_t raw, int32_t *id, int32_t *row,
                                              bool *all_see)
{
    const int     part = part_of(x, b);
    const int64_t i    = number_of<N>(x, b, part, k);
    int64_t       s;
    if (a.plain) {
        *row = plain_row(a, x, part, static_cast<uint32_t>(i), raw);
        s    = *row + a.k_run[0].start;
    } else {
        s    = any_key(a, x, head, part, i, raw);
        *row = s < 0 ? -1 : row_of(a, s);
    }
    *id = *row < 0 ? NO_ID : static_cast<int32_t>(s);
    if (part == 0)
        *all_see = *id <= x.gid && (*id < x.sinks || (x.one_step && *id >= x.most_first));
    else
        *all_see = *id <= x.gid && *id >= x.sinks && *id < x.least_first;
}

/* Plan (NULL: dense) and runs of keys, of which there are at most K_RUNS. */
static inline plan_keys plan_keys_of(const sb_plan *plan, const sb_gid *keys)
{
    plan_keys a = {};
    a.has_plan  = plan != nullptr;
    if (plan != nullptr)
        a.plan = *plan;
    a.width_shift = -1;
    for (int32_t x = 0; x < 31; x++)
        if (a.plan.tiles.width_tokens == int64_t(1) << x)
            a.width_shift = x;
    a.n_runs = keys->n_runs;
    for (int32_t r = 0; r < a.n_runs; r++)
        a.k_run[r] = keys->run[r];
    const bool tiles = plan != nullptr && (plan->parts & SB_PART_TILES) != 0;
    a.plain =
        a.n_runs == 1 && (plan == nullptr || plan->slots.n_heads == 0) &&
        (!tiles || (a.width_shift >= 0 && a.plan.tiles.unit_tokens == a.plan.tiles.width_tokens));
    return a;
}

static inline bool plan_has_lists(const sb_plan *p)
{
    return p != nullptr && (p->parts & (SB_PART_TILES | SB_PART_TOKENS)) != 0;
}
} // namespace

#endif
