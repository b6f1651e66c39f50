/* A few keys with overwhelming logits at known places.
 *
 *   tokens  |....n.....|.n........|.......n..|  one needle, a single key, in each of `needles`
 * equal parts: the same places for all heads, as spans
 *
 * k = noise, at a needle + B e[needle];  q = noise + B e[one of the needles before it];  v ~ N(0,
 * 1). e are random signs of length 1, one a needle and KV head; B^2 / sqrt(d) = logit. At the
 * default a million other keys weigh e^15 together and the needle e^22. Which needle a query looks
 * for is drawn a row of every head, among those it can see; queries before the first needle look
 * for none. The last span is of kind query: the last 128 rows. */
#include <math.h>
#include <stdlib.h>

#include "workloads/synthetic/common.h"

#define NOISE 0.7
enum { QUESTION_TOKENS = 128 }; /* the rows that stand for all where needles are looked for */

typedef struct needle_params {
    int64_t needles;
    double  logit;
} needle_params;

typedef struct needle {
    sbi_synthetic base;
    needle_params p;
    double        length; /* B over sqrt(d): what a sign counts */
    int64_t      *place;  /* [needles], ascending */
} needle;

#define P(field) offsetof(needle_params, field)
static const sb_param params_table[] = {
    {"needles", "8", "[1,4096]", "single keys that hold nearly all mass", SB_I64, P(needles)},
    {"logit", "22", "(0,60]", "of the needle that a query looks for, natural log", SB_F64,
     P(logit)},
    {0},
};

static int64_t min_length(const void *params) { return ((const needle_params *)params)->needles; }

/* Needles at places <= token. */
static int64_t needles_before(const needle *s, int64_t token)
{
    int64_t lo = 0, hi = s->p.needles;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (s->place[mid] <= token)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* The needle that the row shows: of a key its own, of a query the one it looks for; -1: none. */
static int64_t needle_of(const needle *s, sb_operand part, int64_t head, int64_t token)
{
    int64_t n = needles_before(s, token);
    if (n == 0)
        return -1;
    if (part == SB_OPERAND_K)
        return s->place[n - 1] == token ? n - 1 : -1;
    sb_rng r = sbi_stream_at(s->base.seed, SBI_STREAM_TARGET, head, token);
    return (int64_t)sb_rng_below(&r, (uint64_t)n);
}

static void fill_row(const needle *s, sb_operand part, int64_t kv_head, int64_t head, int64_t token,
                     int64_t d, double *row)
{
    sbi_stream stream = part == SB_OPERAND_Q ? SBI_STREAM_Q : SBI_STREAM_K;
    sb_rng     r      = sbi_stream_at(s->base.seed, stream, head, token);
    int64_t    shown  = needle_of(s, part, head, token);
    double     sign[SBI_MAX_HEAD_DIM];
    sbi_normals(&r, d, row);
    for (int64_t j = 0; j < d; j++)
        row[j] *= NOISE;
    if (shown < 0)
        return;
    r = sbi_stream_at(s->base.seed, SBI_STREAM_CENTRE, kv_head, shown);
    sbi_signs(&r, d, sign);
    for (int64_t j = 0; j < d; j++)
        row[j] += s->length * sign[j];
}

static sb_status fill(const sb_operands *o, sb_operand part, int64_t kv_head, int64_t first,
                      int64_t n, int64_t slot, const sb_tensor *out)
{
    int64_t d     = o->shape.head_dim;
    int64_t group = part == SB_OPERAND_Q ? o->shape.heads / o->shape.kv_heads : 1;
    if (part == SB_OPERAND_V) {
        sbi_fill_normal(o, SBI_STREAM_V, kv_head, first, n, slot, out);
        return SB_OK;
    }
    for (int64_t h = kv_head * group; h < (kv_head + 1) * group; h++)
        for (int64_t i = 0; i < n; i++) {
            double row[SBI_MAX_HEAD_DIM];
            fill_row(o->impl, part, kv_head, h, first + i, d, row);
            sbi_to_bf16(row, d, sb_tensor_bf16(out, h, slot + i));
        }
    return SB_OK;
}

static void destroy(sb_operands *o)
{
    free(((needle *)o->impl)->place);
    sbi_synthetic_destroy(o);
}

static sb_status place_needles(sb_operands *o)
{
    needle *s = o->impl;
    int64_t n = s->p.needles;
    sb_rng  r = sbi_stream_at(s->base.seed, SBI_STREAM_PLACE, 0, 0);
    s->place  = calloc((size_t)n, sizeof *s->place);
    o->spans  = calloc((size_t)n + 1, sizeof *o->spans);
    if (s->place == NULL || o->spans == NULL)
        return sb_fail(SB_ERR_NOMEM, "needle: no memory for %lld needles", (long long)n);
    for (int64_t i = 0; i < n; i++) {
        int64_t lo = o->shape.n_tokens * i / n, hi = o->shape.n_tokens * (i + 1) / n;
        int64_t at  = lo + (int64_t)sb_rng_below(&r, (uint64_t)(hi - lo));
        s->place[i] = at;
        o->spans[i] = (sb_span){.tok_begin = at,
                                .tok_end   = at + 1,
                                .depth     = (double)at / (double)o->shape.n_tokens,
                                .kind      = SB_SPAN_NEEDLE,
                                .ref       = -1};
    }
    int64_t last = o->shape.n_tokens > QUESTION_TOKENS ? o->shape.n_tokens - QUESTION_TOKENS : 0;
    o->spans[n]  = (sb_span){.tok_begin = last,
                             .tok_end   = o->shape.n_tokens,
                             .depth     = (double)last / (double)o->shape.n_tokens,
                             .kind      = SB_SPAN_QUERY,
                             .ref       = -1};
    o->n_spans   = n + 1;
    return SB_OK;
}

static sb_status create(const sb_distribution *dist, const sb_draw *draw, sb_operands **out)
{
    static const sb_operands_ops ops = {fill, destroy};
    sb_operands                 *o   = NULL;
    sb_status                    st  = sbi_synthetic_create(dist, draw, &ops, sizeof(needle), &o);
    if (st != SB_OK)
        return st;
    needle *s = o->impl;
    double  d = (double)draw->head_dim;
    s->p      = *(const needle_params *)draw->params;
    s->length = sqrt(s->p.logit * sqrt(d) / d);
    if ((st = place_needles(o)) != SB_OK) {
        destroy(o);
        return st;
    }
    *out = o;
    return SB_OK;
}

const sb_distribution sb_synthetic_needle = {.name = "needle",
                                             .summary =
                                                 "single keys at known places hold nearly all mass",
                                             .params            = params_table,
                                             .params_bytes      = sizeof(needle_params),
                                             .min_length        = min_length,
                                             .create            = create,
                                             .generator_version = SB_SYNTHETIC_VERSION};
