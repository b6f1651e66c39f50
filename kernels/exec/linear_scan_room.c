#include "kernels/exec/linear_scan_room.h"

#include <math.h>

#include "kernels/exec/linear_scan_device.h"
#include "kernels/exec/shape_check.h"

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t up16(int64_t n) { return (n + 15) / 16 * 16; }

sbi_scan_decay sbi_scan_decay_of(double total)
{
    if (total < -0.7) /* about half is lost: no fine distinction to keep */
        return (sbi_scan_decay){0.0f, (float)exp(total)};
    return (sbi_scan_decay){1.0f, (float)expm1(total)};
}

void sbi_scan_fade(sbi_scan_decay f, float *x, int64_t n)
{
    if (f.a == 1.0f && f.b == 0.0f)
        return;
    for (int64_t i = 0; i < n; i++)
        x[i] = f.a * x[i] + f.b * x[i];
}

int64_t sb_scan_map_dim(sb_scan_map map, int64_t d)
{
    switch (map) {
    case SB_SCAN_DPFP:
        return 8 * d; /* 2 nu d, nu = 4 */
    case SB_SCAN_TAYLOR:
        return 1 + d + d * (d + 1) / 2;
    default:
        return d;
    }
}

static int64_t state_floats(const sb_scan *s, int64_t d)
{
    int64_t dk = up16(sb_scan_map_dim(s->map, d));
    return s->rule == SB_SCAN_MEAN ? 2 * d + 2 : dk * d + (s->normalize ? dk : 0);
}

int64_t sbi_scan_record_floats(const sb_scan *s, int64_t d)
{
    int64_t dk = up16(sb_scan_map_dim(s->map, d));
    switch (s->rule) {
    case SB_SCAN_GATE:
        return dk * d + 2 * dk;
    case SB_SCAN_DELTA:
        return dk * (d + dk);
    case SB_SCAN_MEAN:
        return d + 2;
    default:
        return state_floats(s, d);
    }
}

int64_t sbi_scan_records_floats(const sb_scan *s, int64_t state_heads, int64_t d)
{
    return up16(state_heads * sbi_scan_record_floats(s, d));
}

sb_status sb_scan_check(const sb_scan *s, const sb_shape *shape)
{
    if (s->chunk_tokens < 16 || s->chunk_tokens % 16 != 0)
        return sb_fail(SB_ERR_UNSUPPORTED, "chunk_tokens: found %lld, allowed a multiple of 16",
                       (long long)s->chunk_tokens);
    return sb_shape_check(shape, 1);
}

int64_t sb_scan_state_bytes(const sb_scan *s, const sb_shape *shape)
{
    int64_t heads = s->per_query_head ? shape->heads : shape->kv_heads;
    return (int64_t)sizeof(sbi_scan_state) +
           heads * state_floats(s, shape->head_dim) * (int64_t)sizeof(float);
}

int64_t sb_scan_record_bytes(const sb_scan *s, const sb_shape *shape)
{
    int64_t heads = s->per_query_head ? shape->heads : shape->kv_heads;
    return sbi_scan_records_floats(s, heads, shape->head_dim) * (int64_t)sizeof(float);
}

int64_t sb_scan_quantum(const void *params)
{
    (void)params;
    return 1;
}

/* Several arrays of one arena; the first failure is kept. */
typedef struct taker {
    sb_arena *a;
    sb_status st;
} taker;

static void *take(taker *t, int64_t count, size_t bytes, const char *what)
{
    void *p = NULL;
    if (t->st == SB_OK)
        t->st = sb_arena_alloc(t->a, count, bytes, what, &p);
    return p;
}

static void take_scratch(taker *t, const sbi_scan_room *r, sbi_scan_scratch *out)
{
    static const char what[] = "linear scan scratch";
    size_t            f      = sizeof(float);
    int64_t           c = r->chunk, dk = r->dk, most = max_i64(c, dk);
    sbi_scan_scratch  s;
    if (r->scan.rule == SB_SCAN_MEAN) { /* rows alone */
        s     = (sbi_scan_scratch){0};
        s.raw = take(t, r->d, f, what);
        s.v   = take(t, r->d, f, what);
        s.o   = take(t, r->d, f, what);
    } else {
        s.raw   = take(t, 2 * r->d, f, what);
        s.q     = take(t, c * dk, f, what);
        s.k     = take(t, c * dk, f, what);
        s.kt    = take(t, dk * c, f, what);
        s.ktw   = take(t, dk * c, f, what);
        s.v     = take(t, c * r->cols, f, what);
        s.o     = take(t, c * r->cols, f, what);
        s.p     = take(t, c * c, f, what);
        s.w     = take(t, c * c, f, what);
        s.row   = take(t, c, f, what);
        s.alpha = take(t, c, f, what);
        s.norm  = take(t, c, f, what);
        s.ones  = take(t, most, f, what);
        s.temp  = take(t, dk * r->d, f, what);
        s.g     = take(t, most, sizeof(double), what);
    }
    if (out != NULL)
        *out = s;
}

static sbi_scan_room room_of(const sb_ctx *ctx, const sb_scan *s, const sb_shape *shape)
{
    int64_t       longest = max_i64(16, up16(shape->q_gid.n_tokens));
    sbi_scan_room r       = {.scan         = *s,
                             .heads        = shape->heads,
                             .kv_heads     = shape->kv_heads,
                             .state_heads  = s->per_query_head ? shape->heads : shape->kv_heads,
                             .dk           = up16(sb_scan_map_dim(s->map, shape->head_dim)),
                             .d            = shape->head_dim,
                             .state_floats = state_floats(s, shape->head_dim),
                             .n_tokens     = shape->n_keys,
                             .is_decode    = shape->is_decode != 0,
                             .threads      = ctx->threads > 1 ? ctx->threads : 1,
                             .ranks        = ctx->comm != NULL ? ctx->comm->size : 1};
    r.recurrent           = r.is_decode || s->form == SB_SCAN_RECURRENT ||
                  (s->form == SB_SCAN_AUTO && r.n_tokens <= SBI_SCAN_SHORT);
    r.chunk   = r.recurrent ? SBI_SCAN_SUB : min_i64(s->chunk_tokens, longest);
    r.chunk   = s->rule == SB_SCAN_GATE ? SBI_SCAN_SUB : r.chunk;
    r.ranks   = r.is_decode ? 1 : r.ranks; /* decode has nothing to tell other ranks */
    r.cols    = s->rule == SB_SCAN_DELTA && r.ranks > 1 ? r.d + r.dk : r.d;
    r.threads = (int32_t)min_i64(r.threads, r.state_heads);
    if (r.ranks > 1) {
        r.record_floats  = sbi_scan_record_floats(s, r.d);
        r.records_floats = sbi_scan_records_floats(s, r.state_heads, r.d);
    }
    return r;
}

sb_status sb_scan_layout(sb_ctx *ctx, const sb_scan *scan, const sb_shape *shape, sb_plan *plan)
{
    taker         t = {ctx->arena, SB_OK};
    sbi_scan_room r = room_of(ctx, scan, shape);
    /* before any input is made, and for who lays out without a device */
    sb_status st = ctx->backend->id != SB_CPU ? sbi_scan_device_check(&r) : SB_OK;
    if (st != SB_OK)
        return st;
    sbi_scan_room *room = take(&t, 1, sizeof r, "linear scan room");
    r.slope             = take(&t, r.state_heads, sizeof *r.slope, "decay of each head");
    r.state   = take(&t, r.state_heads * r.state_floats, sizeof *r.state, "states at work");
    r.scratch = take(&t, r.threads, sizeof *r.scratch, "linear scan threads");
    for (int32_t i = 0; i < r.threads; i++) /* a counting arena has no room to note it in */
        take_scratch(&t, &r, ctx->arena->counting ? NULL : &r.scratch[i]);
    if (r.ranks > 1) {
        int64_t batch = min_i64(r.ranks - 1, SB_SCAN_BATCH);
        r.told        = take(&t, r.ranks, sizeof *r.told, "what ranks tell");
        r.transfer    = take(&t, r.ranks + batch, sizeof *r.transfer, "transfers of states");
        if (ctx->backend->id == SB_CPU) { /* devices have room of their own */
            r.own = take(&t, r.records_floats, sizeof *r.own, "states of the own tokens");
            r.others =
                take(&t, batch * r.records_floats, sizeof *r.others, "states of other ranks");
        }
        if (scan->rule == SB_SCAN_MEAN)
            r.query = take(&t, r.heads * r.d, sizeof *r.query, "query of token 0");
        r.count_bytes = take(&t, r.ranks, sizeof *r.count_bytes, "state gather counts");
        r.displ_bytes = take(&t, r.ranks, sizeof *r.displ_bytes, "state gather places");
    }
    if (t.st != SB_OK)
        return t.st;
    *plan = (sb_plan){0};
    if (!ctx->arena->counting)
        *room = r;
    plan->method_data = room;
    return SB_OK;
}

double *sb_scan_slopes(const sb_plan *plan, int64_t *n)
{
    const sbi_scan_room *r = plan->method_data;
    *n                     = r->state_heads;
    return r->slope;
}

/* Pairs (row, key up to it in its chunk) of the rows before token x. */
static int64_t pairs_before(int64_t x, int64_t chunk)
{
    int64_t rest = x % chunk;
    return x / chunk * (chunk * (chunk + 1) / 2) + rest * (rest + 1) / 2;
}

int64_t sb_scan_flops(const sb_plan *plan, const sb_shape *shape)
{
    const sbi_scan_room *r = plan->method_data;
    int64_t rows = shape->q_gid.n_tokens, pairs = 0, dk = sb_scan_map_dim(r->scan.map, r->d);
    int64_t s = r->state_heads, h = r->heads, product = 2 * dk * r->d, delta = 0;
    int64_t chunk = r->scan.rule == SB_SCAN_GATE ? SBI_SCAN_SUB : r->scan.chunk_tokens;
    if (r->scan.rule == SB_SCAN_MEAN)
        return rows * h * (2 * r->d + 6 * r->d);
    for (int32_t i = 0; !r->recurrent && i < shape->q_gid.n_runs; i++) {
        sb_run run = shape->q_gid.run[i];
        pairs += pairs_before(run.start + run.len, chunk) - pairs_before(run.start, chunk);
    }
    /* k S, and in chunks K K' with the solve, both below the diagonal */
    if (r->scan.rule == SB_SCAN_DELTA)
        delta = s * (rows * product + (r->recurrent ? 0 : (pairs - rows) * 2 * (dk + r->d)));
    return (s + h) * rows * product + h * pairs * 2 * (dk + r->d) + delta;
}
