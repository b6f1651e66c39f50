/* The distribution `structured` [gpu_targets 4]: the patterns of real prompts, at their logits.
 *
 *   a row of q or k:   | content: 3/8 d RoPE pairs (j, j + 3/8 d) | level | zeros |
 *
 * Content is rotated noise plus a constant u in the slow pairs: two tokens agree the better the
 * nearer they stand (local window). A query also holds the rotated content of the keys at three
 * offsets (slashes). The level is 4 in queries and, in keys, what makes the logit of a sink or of a
 * column. All else of the row is noise.
 *
 * The spec names KV heads 3 and 7 as those with four times as many columns; here it is every fourth
 * head, so that shares stay the same for more than 8. Offsets are drawn without replacement: two
 * equal ones would make one slash of twice the logit. */
#include <math.h>
#include <stdlib.h>

#include "workloads/synthetic/common.h"

enum {
    SINK_TOKENS  = 4,
    FIRST_COLUMN = 64,
    FEW_COLUMNS  = 64,
    MANY_COLUMNS = 256,
    MANY_EVERY   = 4, /* heads 3, 7, ... */
    MIN_OFFSET   = 512,
    OFFSETS      = 3,
    MIN_TOKENS   = 2 * (MIN_OFFSET + OFFSETS),
    MAX_PAIRS    = 3 * SBI_MAX_HEAD_DIM / 8
};
#define LN_BASE 13.122363377404328 /* ln 5e5: RoPE */
#define NOISE 0.7                  /* sigma */
#define QUERY_LEVEL 4.0
#define TWO_PI 6.283185307179586
#define SLOW 8192.0 /* pairs with a longer wavelength than this carry the local window */

static const sb_param no_params[] = {{0}};

typedef struct head {
    double  near;        /* g: u's length in each slow pair */
    double  sink, level; /* of a sink key, of a column's key */
    double  slash;       /* a: weight of a slash in the query */
    int64_t offset[OFFSETS];
    int64_t column[MANY_COLUMNS]; /* ascending */
    int64_t n_columns;
} head;

typedef struct structured {
    sbi_synthetic base;
    int64_t       pairs, slow; /* the first `slow` of them */
    double        theta[MAX_PAIRS];
    head         *heads;
} structured;

static int64_t min_length(const void *params)
{
    (void)params;
    return MIN_TOKENS;
}

/* n of [lo, hi) without replacement, ascending. */
static void choose(sb_rng *r, int64_t lo, int64_t hi, int64_t n, int64_t *out)
{
    for (int64_t k = 0; k < n; k++) {
        int64_t x  = lo + (int64_t)sb_rng_below(r, (uint64_t)(hi - lo - k));
        int64_t at = 0;
        for (; at < k && out[at] <= x; at++)
            x++; /* the x-th of those not taken yet */
        for (int64_t i = k; i > at; i--)
            out[i] = out[i - 1];
        out[at] = x;
    }
}

static void draw_head(const structured *s, int64_t h, int64_t head_dim, int64_t n_tokens, head *out)
{
    sb_rng r    = sbi_stream_at(s->base.seed, SBI_STREAM_HEAD, h, 0);
    double root = sqrt((double)head_dim), m = (double)s->slow;
    double local = sbi_uniform_in(&r, 10.5, 12), sink = sbi_uniform_in(&r, 11, 13),
           column = sbi_uniform_in(&r, 7.5, 9), slash = sbi_uniform_in(&r, 11.5, 13);
    out->near  = sqrt(local * root / m);
    out->sink  = sink * root / QUERY_LEVEL;
    out->level = column * root / QUERY_LEVEL;
    out->slash = slash * root / (2 * (double)s->pairs * NOISE * NOISE + m * out->near * out->near);
    out->n_columns = h % MANY_EVERY == MANY_EVERY - 1 ? MANY_COLUMNS : FEW_COLUMNS;
    choose(&r, FIRST_COLUMN, n_tokens, out->n_columns, out->column);
    choose(&r, MIN_OFFSET, n_tokens / 2, OFFSETS, out->offset);
}

static double level_of(const head *h, int64_t token)
{
    if (token < SINK_TOKENS)
        return h->sink;
    int64_t lo = 0, hi = h->n_columns;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (h->column[mid] < token)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < h->n_columns && h->column[lo] == token ? h->level : 0;
}

typedef struct rotation {
    double cos[MAX_PAIRS], sin[MAX_PAIRS];
} rotation;

static void rotation_of(const structured *s, int64_t token, rotation *out)
{
    for (int64_t j = 0; j < s->pairs; j++)
        sbi_sin_cos((double)token * s->theta[j], &out->sin[j], &out->cos[j]);
}

/* out[0..2 pairs) += weight * R(noise + u). */
static void add_content(const structured *s, double near, const rotation *rot, sb_rng noise,
                        double weight, double *out)
{
    double x[2 * MAX_PAIRS];
    sbi_normals(&noise, 2 * s->pairs, x);
    for (int64_t j = 0; j < s->pairs; j++) {
        double a = NOISE * x[j] + (j < s->slow ? near : 0), b = NOISE * x[s->pairs + j];
        out[j] += weight * (a * rot->cos[j] - b * rot->sin[j]);
        out[s->pairs + j] += weight * (a * rot->sin[j] + b * rot->cos[j]);
    }
}

static void key_row(const structured *s, int64_t kv_head, int64_t token, double *row)
{
    rotation    rot;
    const head *h = &s->heads[kv_head];
    rotation_of(s, token, &rot);
    add_content(s, h->near, &rot, sbi_stream_at(s->base.seed, SBI_STREAM_K, kv_head, token), 1,
                row);
    row[2 * s->pairs] = level_of(h, token);
}

/* What the query heads of a group share: the slashes. */
static void slash_row(const structured *s, int64_t kv_head, int64_t token, double *row)
{
    const head *h = &s->heads[kv_head];
    for (int i = 0; i < OFFSETS; i++) {
        rotation rot;
        int64_t  key = token - h->offset[i];
        if (key < 0)
            continue;
        rotation_of(s, key, &rot);
        add_content(s, h->near, &rot, sbi_stream_at(s->base.seed, SBI_STREAM_K, kv_head, key),
                    h->slash, row);
    }
    row[2 * s->pairs] = QUERY_LEVEL;
}

static void fill_k(const sb_operands *o, int64_t kv_head, int64_t first, int64_t n, int64_t slot,
                   const sb_tensor *out)
{
    for (int64_t i = 0; i < n; i++) {
        double row[SBI_MAX_HEAD_DIM] = {0};
        key_row(o->impl, kv_head, first + i, row);
        sbi_to_bf16(row, o->shape.head_dim, sb_tensor_bf16(out, kv_head, slot + i));
    }
}

static void fill_q(const sb_operands *o, int64_t kv_head, int64_t first, int64_t n, int64_t slot,
                   const sb_tensor *out)
{
    const structured *s     = o->impl;
    int64_t           group = o->shape.heads / o->shape.kv_heads;
    for (int64_t i = 0; i < n; i++) {
        rotation rot;
        double   shared[SBI_MAX_HEAD_DIM] = {0}, row[SBI_MAX_HEAD_DIM];
        slash_row(s, kv_head, first + i, shared);
        rotation_of(s, first + i, &rot);
        for (int64_t h = kv_head * group; h < (kv_head + 1) * group; h++) {
            for (int64_t j = 0; j < o->shape.head_dim; j++)
                row[j] = shared[j];
            add_content(s, s->heads[kv_head].near, &rot,
                        sbi_stream_at(s->base.seed, SBI_STREAM_Q, h, first + i), 1, row);
            sbi_to_bf16(row, o->shape.head_dim, sb_tensor_bf16(out, h, slot + i));
        }
    }
}

static sb_status fill(const sb_operands *o, sb_operand part, int64_t kv_head, int64_t first,
                      int64_t n, int64_t slot, const sb_tensor *out)
{
    if (part == SB_OPERAND_Q)
        fill_q(o, kv_head, first, n, slot, out);
    else if (part == SB_OPERAND_K)
        fill_k(o, kv_head, first, n, slot, out);
    else
        sbi_fill_normal(o, SBI_STREAM_V, kv_head, first, n, slot, out);
    return SB_OK;
}

static void destroy(sb_operands *o)
{
    free(((structured *)o->impl)->heads);
    sbi_synthetic_destroy(o);
}

static sb_status create(const sb_distribution *d, const sb_draw *draw, sb_operands **out)
{
    static const sb_operands_ops ops = {fill, destroy};
    sb_operands                 *o   = NULL;
    sb_status                    st  = sbi_synthetic_create(d, draw, &ops, sizeof(structured), &o);
    if (st != SB_OK)
        return st;
    structured *s = o->impl;
    s->pairs      = 3 * draw->head_dim / 8;
    for (int64_t j = 0; j < s->pairs; j++) {
        s->theta[j] = sbi_exp(-LN_BASE * (double)j / (double)s->pairs);
        s->slow += s->theta[j] > TWO_PI / SLOW;
    }
    s->heads = calloc((size_t)draw->kv_heads, sizeof *s->heads);
    if (s->heads == NULL) {
        destroy(o);
        return sb_fail(SB_ERR_NOMEM, "%s: no memory for %lld heads", d->name,
                       (long long)draw->kv_heads);
    }
    for (int64_t h = 0; h < draw->kv_heads; h++)
        draw_head(s, h, draw->head_dim, draw->length_tokens, &s->heads[h]);
    *out = o;
    return SB_OK;
}

const sb_distribution sb_synthetic_structured = {
    .name              = "structured",
    .summary           = "sink, columns, slashes and local window at the logits of real prompts",
    .params            = no_params,
    .params_bytes      = 0,
    .min_length        = min_length,
    .create            = create,
    .generator_version = SB_SYNTHETIC_VERSION};
