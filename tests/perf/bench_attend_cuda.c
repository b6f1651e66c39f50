/* How fast are the device executors on this GPU?
 *   bench_attend_cuda [repeat [rows [kernels]]]
 *   default            15      all   auto
 * rows: the table below, or those whose name starts so. kernels: of SPAN_CUDA_KERNEL, and
 * for dense rows cudnn, by commas.
 *
 * 32 query heads over 8 KV heads (a million tokens: 4 over 1), causal. Each repetition runs the
 * dense anchor (32K, d 128), then every kernel of the row, so that clock and power drift hit all
 * alike; median with least and most. Prefill: device time by events, one call a sample. Decode,
 * merges and copies: wall time of 20 queued calls over 20, which leaves the host's launches out.
 * TFLOP/s: 4 * d FLOP a pair that the row computes (of tile lists, whole tiles); % of the 989
 * TFLOP/s in the H100 SXM data sheet. Decode: bytes of K and V once, with
 * a plan of the keys selected, merges: of parts and result; % of the rate of a copy (bytes read and
 * written) measured beside it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "kernels/exec/attend.h"
#include "kernels/exec/cudnn.h"
#include "kernels/exec/merge_lse.h"
#include "kernels/exec/plan_place.h"
#include "tests/perf/bench.h"

enum {
    FEW_SINKS   = 128,  /* of FEW_RECENT */
    FEW_KEYS    = 2048, /* of a head, of FEW_TILES */
    MAX_KERNELS = 4,
    ROW_TOKENS  = 128,
    HEADS       = 32,
    KV_HEADS    = 8,
    QUEUED      = 20,
    PERIOD      = 65537, /* rows after which operands repeat */
    ANCHOR_N    = 32768
};

typedef enum form {
    DENSE,
    RUNNING,
    TILES,
    TOKENS,
    WINDOW,
    DECODE,
    FEW_RECENT, /* decode with a plan: sinks and recent keys, */
    FEW_TILES,  /* and tiles, each head's own */
    MERGE
} form;
typedef struct row {
    const char *name;
    form        form;
    int64_t     n, d;
    int64_t     percent; /* TILES, TOKENS: of the keys, 0: UNEVEN; WINDOW: sinks; DECODE, FEW_:
                            queries; MERGE: parts */
    int64_t tile;        /* tokens; TOKENS: ids side by side; WINDOW, FEW_RECENT: recent ones */
    int64_t heads;       /* over one KV head; 0: 32 over 8 */
} row;

static const int64_t UNEVEN[] = {2, 5, 10, 20}; /* percent, of heads in turn */

static const row rows[] = {
    {"dense_32k", DENSE, 32768, 128, 0, 0, 0},
    {"dense_128k", DENSE, 131072, 128, 0, 0, 0},
    {"dense_32k_d64", DENSE, 32768, 64, 0, 0, 0},
    {"dense_128k_d64", DENSE, 131072, 64, 0, 0, 0},
    {"dense_32k_running", RUNNING, 32768, 128, 0, 0, 0}, /* fp32 o and lse of other keys */
    {"lists_5", TILES, 131072, 128, 5, 128, 0},
    {"lists_10", TILES, 131072, 128, 10, 128, 0},
    {"lists_20", TILES, 131072, 128, 20, 128, 0},
    {"lists_50", TILES, 131072, 128, 50, 128, 0},
    {"lists_10_tile_64", TILES, 131072, 128, 10, 64, 0},
    {"lists_1m_5", TILES, 1 << 20, 128, 5, 128, 4},
    {"lists_1m_20", TILES, 1 << 20, 128, 20, 128, 4},
    {"lists_1m_uneven", TILES, 1 << 20, 128, 0, 128, 4},
    {"dense_1m", DENSE, 1 << 20, 128, 0, 0, 4},
    {"window", WINDOW, 131072, 128, 128, 3968, 0},
    {"tokens_5", TOKENS, 131072, 128, 5, 1, 0},
    {"tokens_10", TOKENS, 131072, 128, 10, 1, 0},
    {"tokens_10_runs_of_8", TOKENS, 131072, 128, 10, 8, 0},
    {"tokens_5_runs_of_8", TOKENS, 131072, 128, 5, 8, 0},
    {"tokens_5_runs_of_16", TOKENS, 131072, 128, 5, 16, 0},
    {"tokens_5_runs_of_32", TOKENS, 131072, 128, 5, 32, 0},
    {"tokens_10_runs_of_16", TOKENS, 131072, 128, 10, 16, 0},
    {"tokens_10_runs_of_32", TOKENS, 131072, 128, 10, 32, 0},
    {"tokens_10_d64", TOKENS, 131072, 64, 10, 1, 0},
    {"tokens_5_runs_of_8_d64", TOKENS, 131072, 64, 5, 8, 0},
    {"tokens_5_runs_of_16_d64", TOKENS, 131072, 64, 5, 16, 0},
    {"tokens_5_runs_of_32_d64", TOKENS, 131072, 64, 5, 32, 0},
    {"tokens_10_runs_of_8_d64", TOKENS, 131072, 64, 10, 8, 0},
    {"tokens_10_runs_of_16_d64", TOKENS, 131072, 64, 10, 16, 0},
    {"tokens_10_runs_of_32_d64", TOKENS, 131072, 64, 10, 32, 0},
    {"tiles_8", TILES, 131072, 128, 10, 8, 0},
    {"tiles_16", TILES, 131072, 128, 10, 16, 0},
    {"tiles_32", TILES, 131072, 128, 10, 32, 0},
    {"tiles_8_d64", TILES, 131072, 64, 10, 8, 0},
    {"tiles_16_d64", TILES, 131072, 64, 10, 16, 0},
    {"tiles_32_d64", TILES, 131072, 64, 10, 32, 0},
    {"tiles_2_of_8", TILES, 32768, 128, 10, 2, 0},
    {"decode_128k", DECODE, 131072, 128, 1, 0, 0},
    {"decode_128k_4q", DECODE, 131072, 128, 4, 0, 0},
    {"decode_128k_16q", DECODE, 131072, 128, 16, 0, 0},
    {"decode_128k_d64", DECODE, 131072, 64, 1, 0, 0},
    {"decode_1m", DECODE, 1 << 20, 128, 1, 0, 0},
    {"decode_recent_1m", FEW_RECENT, 1 << 20, 128, 1, 3968, 0},
    {"decode_recent_1m_d64", FEW_RECENT, 1 << 20, 64, 1, 3968, 0},
    {"decode_recent_1m_16q", FEW_RECENT, 1 << 20, 128, 16, 3968, 0},
    {"decode_tiles_16", FEW_TILES, 131072, 128, 1, 16, 0},
    {"decode_tiles_16_d64", FEW_TILES, 131072, 64, 1, 16, 0},
    {"decode_tiles_16_16q", FEW_TILES, 131072, 128, 16, 16, 0},
    {"decode_tiles_1", FEW_TILES, 131072, 128, 1, 1, 0},
    {"merge_2", MERGE, 131072, 128, 2, 0, 0},
    {"merge_8", MERGE, 131072, 128, 8, 0, 0},
};

static int queued(form f) { return f == DECODE || f == FEW_RECENT || f == FEW_TILES || f == MERGE; }
static int64_t heads_of(const row *x) { return x->heads > 0 ? x->heads : HEADS; }
static int64_t kv_heads_of(const row *x) { return x->heads > 0 ? 1 : KV_HEADS; }

static const sb_backend *const b = &sb_backend_cuda;

/* Random numbers in [-1, 1); heads and operands start at different rows of one period. */
static sb_tensor on_device(int64_t heads, int64_t tokens, int64_t dim, const sb_run *run,
                           uint64_t seed)
{
    static sb_bf16 *period;
    sb_tensor       t = {.dtype       = SB_BF16,
                         .heads       = heads,
                         .tokens      = tokens,
                         .dim         = dim,
                         .head_stride = tokens * dim,
                         .gid         = {.run = run, .n_runs = 1, .n_tokens = tokens}};
    if (period == NULL) {
        period = bench_room((int64_t)PERIOD * 128 * (int64_t)sizeof *period);
        for (int64_t i = 0; i < (int64_t)PERIOD * 128; i++)
            period[i] = sb_bf16_from_f32((float)(sb_mix((uint64_t)i) >> 40) * 0x1p-23f - 1.0f);
    }
    bench_must(b->alloc((size_t)(heads * tokens * dim) * sizeof *period, &t.data));
    for (int64_t h = 0; h < heads; h++)
        for (int64_t at = 0; at < tokens;) {
            int64_t from = (at + 4099 * h + 20011 * (int64_t)seed) % PERIOD;
            int64_t n    = PERIOD - from < tokens - at ? PERIOD - from : tokens - at;
            bench_must(b->copy(sb_tensor_bf16(&t, h, at), period + from * dim,
                               (size_t)(n * dim) * sizeof *period, SB_COPY_TO_DEVICE, NULL));
            at += n;
        }
    bench_must(b->sync(NULL));
    return t;
}

/* Each unit of `unit` keys with probability percent / 100, and those of the diagonal: by the gaps
 * between them, which are short lists' cheaper side. *listed: units in all. */
static sb_csr random_list(int64_t heads, int64_t n, int64_t n_rows, int64_t unit, int64_t percent,
                          int64_t *listed)
{
    sb_rng  r   = {42};
    int64_t per = ROW_TOKENS / unit, lists = heads * n_rows, at = 0;
    int64_t most   = n_rows * (n_rows + 1) / 2 * per * heads;
    sb_csr  c      = {.n_heads      = heads,
                      .unit_tokens  = unit,
                      .width_tokens = unit,
                      .capacity     = lists * per + 4096};
    int     uneven = percent == 0;
    c.capacity += most * (uneven ? 10 : percent) / 100 * 11 / 10;
    c.row_ptr = bench_room((lists + 1) * (int64_t)sizeof *c.row_ptr);
    c.id      = bench_room(c.capacity * (int64_t)sizeof *c.id);
    for (int64_t i = 0; i < lists; i++) {
        int64_t own  = i % n_rows * per;
        c.row_ptr[i] = at;
        if (uneven)
            percent = UNEVEN[i / n_rows % 4];
        if (percent >= 50) {
            for (int64_t t = 0; t < own; t++)
                if ((int64_t)sb_rng_below(&r, 100) < percent && at < c.capacity)
                    c.id[at++] = (int32_t)t;
        } else { /* gaps uniform in 1 .. 2 * 100 / percent - 1 */
            uint64_t width = (uint64_t)(200 / percent - 1);
            for (int64_t t = (int64_t)sb_rng_below(&r, width); t < own && at < c.capacity;
                 t += 1 + (int64_t)sb_rng_below(&r, width))
                c.id[at++] = (int32_t)t;
        }
        for (int64_t t = own; t < own + per && t * unit < n && at < c.capacity; t++)
            c.id[at++] = (int32_t)t;
    }
    c.row_ptr[lists] = at;
    *listed          = at;
    return c;
}

/* Ids in runs of `run` single tokens. */
static void spell_out(sb_csr *c, int64_t n_lists, int64_t run)
{
    int32_t *id = bench_room(c->row_ptr[n_lists] * run * (int64_t)sizeof *id);
    for (int64_t i = 0; i < c->row_ptr[n_lists]; i++)
        for (int64_t x = 0; x < run; x++)
            id[i * run + x] = c->id[i] * (int32_t)run + (int32_t)x;
    for (int64_t i = 0; i <= n_lists; i++)
        c->row_ptr[i] *= run;
    free(c->id);
    c->id           = id;
    c->capacity     = c->row_ptr[n_lists];
    c->unit_tokens  = 1;
    c->width_tokens = 1;
}

/* FEW_KEYS keys of each head in tiles, one in each of as many equal parts of the sequence; the last
 * tile of each list is the sequence's. */
static sb_csr few_tiles(int64_t heads, int64_t n, int64_t unit)
{
    sb_rng  r    = {42};
    int64_t each = FEW_KEYS / unit, part = n / FEW_KEYS;
    sb_csr  c = {
         .n_heads = heads, .unit_tokens = unit, .width_tokens = unit, .capacity = heads * each};
    c.row_ptr = bench_room((heads + 1) * (int64_t)sizeof *c.row_ptr);
    c.id      = bench_room(c.capacity * (int64_t)sizeof *c.id);
    for (int64_t h = 0; h < heads; h++)
        for (int64_t i = 0; i < each; i++)
            c.id[h * each + i] =
                (int32_t)(i * part +
                          (i + 1 < each ? (int64_t)sb_rng_below(&r, (uint64_t)part) : part - 1));
    for (int64_t h = 0; h <= heads; h++)
        c.row_ptr[h] = h * each;
    return c;
}

/* The row's plan on the device; *density: share of the causal pairs that it computes. */
static void *make_plan(const row *x, const sb_gid *q, sb_plan *placed, double *density)
{
    void   *index  = NULL;
    int64_t n_rows = (x->n + ROW_TOKENS - 1) / ROW_TOKENS, listed = 0;
    *density = 1;
    if (x->form == WINDOW) {
        double pairs = 0;
        *placed =
            (sb_plan){.parts = SB_PART_WINDOW, .sink_tokens = x->percent, .window_tokens = x->tile};
        for (int64_t i = 0; i < x->n; i++) {
            int64_t out_of_window = i + 1 > x->tile ? i + 1 - x->tile : 0;
            pairs += (double)(i + 1 - out_of_window);
            pairs += (double)(out_of_window < x->percent ? out_of_window : x->percent);
        }
        *density = 2 * pairs / ((double)x->n * (double)x->n);
    }
    if (x->form == FEW_RECENT)
        *placed =
            (sb_plan){.parts = SB_PART_WINDOW, .sink_tokens = FEW_SINKS, .window_tokens = x->tile};
    if (x->form != TILES && x->form != TOKENS && x->form != FEW_TILES)
        return NULL;
    int      few = x->form == FEW_TILES;
    sb_plan  p   = {.row_tokens = ROW_TOKENS, .n_rows = few ? 1 : n_rows};
    sb_csr   c   = few ? few_tiles(heads_of(x), x->n, x->tile)
                       : random_list(heads_of(x), x->n, n_rows, x->tile, x->percent, &listed);
    sb_arena a;
    p.row_id = bench_room(n_rows * (int64_t)sizeof *p.row_id);
    for (int64_t i = 0; i < p.n_rows; i++)
        p.row_id[i] = (int32_t)(n_rows - p.n_rows + i);
    if (x->form == TOKENS && x->tile > 1)
        spell_out(&c, heads_of(x) * n_rows, x->tile);
    p.parts = x->form == TOKENS ? SB_PART_TOKENS : SB_PART_TILES;
    if (x->form == TOKENS)
        p.tokens = c;
    else
        p.tiles = c;
    *density = (double)listed * (double)x->tile /
               ((double)heads_of(x) * (double)n_rows * (double)(n_rows + 1) / 2 * ROW_TOKENS);
    sb_arena_init_count(&a);
    bench_must(sb_plan_place(b, NULL, &a, &p, q, heads_of(x), x->n, placed));
    size_t bytes = a.high_water_bytes;
    bench_must(b->alloc(bytes, &index));
    sb_arena_init(&a, index, bytes, SB_ARENA_PLAIN);
    bench_must(sb_plan_place(b, NULL, &a, &p, q, heads_of(x), x->n, placed));
    bench_must(b->sync(NULL));
    free(p.row_id);
    free(c.row_ptr);
    free(c.id);
    return index;
}

typedef struct call {
    sb_tensor   q, k, v, o;
    void       *lse, *index;
    sb_run      q_run, k_run;
    sb_plan     plan;
    double      density;
    form        form;
    sb_partials parts; /* MERGE */
} call;

/* Partials of every row, of the numbers of K and V in turn. */
static void open_parts(call *c, const row *x)
{
    int64_t n_rows = heads_of(x) * x->n,
            each   = kv_heads_of(x) * x->n * x->d / 2; /* fp32 numbers of K's room */
    float *o;
    c->parts     = (sb_partials){.o_part_stride   = n_rows * x->d,
                                 .o_row_stride    = x->d,
                                 .lse_part_stride = n_rows,
                                 .lse_row_stride  = 1,
                                 .n_parts         = x->percent,
                                 .rows            = n_rows,
                                 .dim             = x->d};
    size_t bytes = (size_t)(x->percent * n_rows * (x->d + 1)) * sizeof(float);
    bench_must(b->alloc(bytes, &c->index));
    bench_must(b->fill(c->index, 0, bytes, NULL));
    o = c->index;
    for (int64_t i = 0; i + each <= x->percent * n_rows * x->d; i += each)
        bench_must(b->copy(o + i, i / each % 2 ? c->k.data : c->v.data,
                           (size_t)each * sizeof(float), SB_COPY_ON_DEVICE, NULL));
    c->parts.o   = o;
    c->parts.lse = o + x->percent * n_rows * x->d;
    bench_must(b->sync(NULL));
}

static void open_call(call *c, const row *x)
{
    int64_t n_q    = queued(x->form) && x->form != MERGE ? x->percent : x->n;
    *c             = (call){.q_run = {x->n - n_q, n_q}, .k_run = {0, x->n}, .form = x->form};
    c->q           = on_device(heads_of(x), n_q, x->d, &c->q_run, 1);
    c->k           = on_device(kv_heads_of(x), x->n, x->d, &c->k_run, 2);
    c->v           = on_device(kv_heads_of(x), x->n, x->d, &c->k_run, 3);
    c->o           = c->q;
    c->o.dtype     = x->form == RUNNING || x->form == MERGE ? SB_F32 : SB_BF16;
    size_t o_bytes = (size_t)(heads_of(x) * n_q * x->d) * (size_t)sb_dtype_bytes(c->o.dtype);
    bench_must(b->alloc(o_bytes, &c->o.data));
    bench_must(b->alloc((size_t)(heads_of(x) * n_q) * sizeof(float), &c->lse));
    bench_must(
        b->fill(c->o.data, 0, o_bytes, NULL)); /* what a running partial adds to: o 0, lse 0 */
    bench_must(b->fill(c->lse, 0, (size_t)(heads_of(x) * n_q) * sizeof(float), NULL));
    if (x->form == MERGE)
        open_parts(c, x);
    else
        c->index = make_plan(x, &c->q.gid, &c->plan, &c->density);
}

static void close_call(call *c)
{
    void *rooms[] = {c->q.data, c->k.data, c->v.data, c->o.data, c->lse, c->index};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++)
        b->free(rooms[i]);
}

static void attend(call *c, int cudnn, sb_phase_times *phases)
{
    sb_ctx     ctx = {.backend = b, .phases = phases, .threads = 1};
    sb_attn_in in  = {
         .q = &c->q, .k = &c->k, .v = &c->v, .scale = c->q.dim == 64 ? 0.125f : 0.0883883f};
    sb_attn_out out = {
        .o = &c->o, .lse = c->lse, .mode = c->form == RUNNING ? SB_OUT_MERGE : SB_OUT_SET};
    if (c->form == MERGE) {
        bench_must(
            sb_merge_lse_cuda(&c->parts, SB_F32, SB_MERGE_INTO_NOTHING, c->o.data, c->lse, NULL));
        return;
    }
    if (cudnn) {
        bench_must(sb_attend_dense_cudnn(&ctx, NULL, &in, NULL, NULL, &out));
        return;
    }
    bench_must(c->form == DENSE || c->form == RUNNING || c->form == DECODE
                   ? sb_attend_dense_cuda(&ctx, NULL, &in, NULL, NULL, &out)
                   : sb_attend_block_csr_cuda(&ctx, NULL, &in, &c->plan, NULL, &out));
}

static double sample_ns(call *c, const char *kernel)
{
    int cudnn = strcmp(kernel, "cudnn") == 0;
    bench_must(cudnn || setenv("SPAN_CUDA_KERNEL", kernel, 1) == 0 ? SB_OK : SB_ERR_INTERNAL);
    if (!queued(c->form)) {
        sb_phase_times phases = {0};
        attend(c, cudnn, &phases);
        return (double)phases.ns[SB_PHASE_COMPUTE];
    }
    bench_must(b->sync(NULL));
    double t0 = bench_now_ns();
    for (int i = 0; i < QUEUED; i++)
        attend(c, cudnn, NULL);
    bench_must(b->sync(NULL));
    return (bench_now_ns() - t0) / QUEUED;
}

/* K's room copied over V's and back: bytes read and written are those of K and V together. */
static double copy_ns(call *c)
{
    size_t bytes = (size_t)(c->k.heads * c->k.head_stride) * sizeof(sb_bf16);
    bench_must(b->sync(NULL));
    double t0 = bench_now_ns();
    for (int i = 0; i < QUEUED; i++)
        bench_must(b->copy(i % 2 ? c->k.data : c->v.data, i % 2 ? c->v.data : c->k.data, bytes,
                           SB_COPY_ON_DEVICE, NULL));
    bench_must(b->sync(NULL));
    return (bench_now_ns() - t0) / QUEUED;
}

static void print(const char *name, const char *kernel, bench_times *t)
{
    double ns = bench_median(t);
    (void)printf("%-20s %-8s %9.3f ms (%.3f to %.3f, %d)", name, kernel, ns * 1e-6,
                 bench_least(t) * 1e-6, bench_most(t) * 1e-6, t->n);
}

static void bench_row(const row *x, call *anchor, int64_t repeat, char **kernel, int n_kernels)
{
    bench_times times[MAX_KERNELS] = {0}, dense = {0}, copies = {0};
    call        c;
    open_call(&c, x);
    for (int64_t r = -2; r < repeat; r++) {
        double ns = sample_ns(anchor, "auto");
        if (r >= 0)
            bench_add(&dense, ns);
        for (int i = 0; i < n_kernels; i++) {
            ns = sample_ns(&c, kernel[i]);
            if (r >= 0)
                bench_add(&times[i], ns);
        }
        if (queued(x->form) && r >= 0)
            bench_add(&copies, copy_ns(&c));
    }
    double kv    = 4.0 * (double)x->d * (double)x->n * (double)kv_heads_of(x);
    double bytes = kv;
    if (x->form == MERGE)
        bytes = 4.0 * (double)heads_of(x) * (double)x->n * ((double)x->d + 1) *
                ((double)x->percent + 1);
    if (x->form == FEW_RECENT)
        bytes = 4.0 * (double)x->d * (double)(FEW_SINKS + x->tile) * (double)kv_heads_of(x);
    if (x->form == FEW_TILES)
        bytes = 4.0 * (double)x->d * FEW_KEYS * (double)heads_of(x);
    double flop =
        2.0 * (double)x->d * (double)heads_of(x) * (double)x->n * (double)x->n * c.density;
    for (int i = 0; i < n_kernels; i++) {
        print(x->name, kernel[i], &times[i]);
        double ns = bench_median(&times[i]);
        if (queued(x->form))
            (void)printf("  %.3f TB/s  %.1f %% of copy", bytes / ns * 1e-3,
                         100 * bytes / kv * bench_median(&copies) / ns);
        else
            (void)printf("  %6.1f TFLOP/s  %4.1f %%  density %.3f", flop / ns * 1e-3,
                         flop / ns * 1e-3 / 9.89, c.density);
        (void)printf("  anchor %.2f ms\n", bench_median(&dense) * 1e-6);
    }
    if (queued(x->form)) {
        print(x->name, "copy", &copies);
        (void)printf("  %.3f TB/s\n", kv / bench_median(&copies) * 1e-3);
    }
    (void)fflush(stdout);
    close_call(&c);
}

int main(int argc, char **argv)
{
    static const row anchor_row = {"anchor", DENSE, ANCHOR_N, 128, 0, 0, 0};
    int64_t          repeat     = bench_arg(argc, argv, 1, 15);
    const char      *only       = argc > 2 && strcmp(argv[2], "all") != 0 ? argv[2] : "";
    int              n_kernels = 0, found = 0;
    char             text[128], *kernel[MAX_KERNELS];
    sb_device_facts  facts;
    call             anchor;
    (void)snprintf(text, sizeof text, "%s", argc > 3 ? argv[3] : "auto");
    for (char *k = strtok(text, ","); k != NULL && n_kernels < MAX_KERNELS; k = strtok(NULL, ","))
        kernel[n_kernels++] = k;
    bench_must(b->available());
    bench_must(b->facts(&facts));
    (void)printf("%s; %s\n", facts.name, facts.detail);
    open_call(&anchor, &anchor_row);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strncmp(rows[i].name, only, strlen(only)) == 0) {
            bench_row(&rows[i], &anchor, repeat, kernel, n_kernels);
            found++;
        }
    close_call(&anchor);
    if (found == 0)
        (void)fprintf(stderr, "bench_attend_cuda: found no row %s\n", only);
    return found == 0;
}
