/* Keys in clusters, queries near some of them, positions of no account.
 *
 *   tokens   | run 0 | run 1 | run 2 | run 3 | ...      runs of run_tokens; all heads see the same
 *   cluster  |   5   |   2   |   5   |   9   | ...      clusters, each head its own directions
 *
 * k = B c[cluster of its run] + noise,  q = B (c[t1] + c[t2]) + noise, v = w[cluster] + N(0, 1),
 * with random signs c of length 1, B^2 / sqrt(d) = logit, noise 0.7. The targets t1, t2 are drawn a
 * query head and run. At the defaults about nine tenths of a row's mass lie on the two clusters it
 * looks for, an 1/32 of the keys, spread over the whole context; the share does not depend on the
 * length. */
#include <math.h>

#include "workloads/synthetic/common.h"

#define NOISE 0.7
enum { TARGETS = 2 };

typedef struct clustered_params {
    int64_t clusters, run_tokens;
    double  logit;
} clustered_params;

typedef struct clustered {
    sbi_synthetic    base;
    clustered_params p;
    double           length; /* B over sqrt(d): what a sign counts */
} clustered;

#define P(field) offsetof(clustered_params, field)
static const sb_param params_table[] = {
    {"clusters", "64", "[2,65536]", "directions that keys share", SB_I64, P(clusters)},
    {"run_tokens", "64", "[1,1073741824]", "neighbouring tokens of one cluster, tokens", SB_I64,
     P(run_tokens)},
    {"logit", "6", "(0,60]", "of a key of a cluster that the query looks for, natural log", SB_F64,
     P(logit)},
    {0},
};

static int64_t min_length(const void *params)
{
    (void)params;
    return 1;
}

static int64_t cluster_of(const clustered *c, int64_t run)
{
    sb_rng r = sbi_stream_at(c->base.seed, SBI_STREAM_TOPIC, 0, run);
    return (int64_t)sb_rng_below(&r, (uint64_t)c->p.clusters);
}

static void add_centre(const clustered *c, int64_t kv_head, int64_t cluster, int64_t d, double *row)
{
    double sign[SBI_MAX_HEAD_DIM];
    sb_rng r = sbi_stream_at(c->base.seed, SBI_STREAM_CENTRE, kv_head, cluster);
    sbi_signs(&r, d, sign);
    for (int64_t j = 0; j < d; j++)
        row[j] += c->length * sign[j];
}

static void noise_row(const clustered *c, sbi_stream stream, int64_t head, int64_t token, int64_t d,
                      double *row)
{
    sb_rng r = sbi_stream_at(c->base.seed, stream, head, token);
    sbi_normals(&r, d, row);
    for (int64_t j = 0; j < d; j++)
        row[j] *= NOISE;
}

static void query_row(const clustered *c, int64_t kv_head, int64_t head, int64_t token, int64_t d,
                      double *row)
{
    sb_rng  r      = sbi_stream_at(c->base.seed, SBI_STREAM_TARGET, head, token / c->p.run_tokens);
    int64_t first  = (int64_t)sb_rng_below(&r, (uint64_t)c->p.clusters);
    int64_t second = (int64_t)sb_rng_below(&r, (uint64_t)c->p.clusters - 1);
    noise_row(c, SBI_STREAM_Q, head, token, d, row);
    add_centre(c, kv_head, first, d, row);
    add_centre(c, kv_head, second + (second >= first), d, row);
}

/* A cluster's own value: further words of the stream that gave its direction would tie the two
 * together, so it has an index of its own. */
static void value_row(const clustered *c, int64_t kv_head, int64_t token, int64_t d, double *row)
{
    double  own[SBI_MAX_HEAD_DIM];
    int64_t cluster = cluster_of(c, token / c->p.run_tokens);
    sb_rng  r = sbi_stream_at(c->base.seed, SBI_STREAM_CENTRE, kv_head, c->p.clusters + cluster);
    sb_rng  n = sbi_stream_at(c->base.seed, SBI_STREAM_V, kv_head, token);
    sbi_normals(&r, d, own);
    sbi_normals(&n, d, row);
    for (int64_t j = 0; j < d; j++)
        row[j] += own[j];
}

static sb_status fill(const sb_operands *o, sb_operand part, int64_t kv_head, int64_t first,
                      int64_t n, int64_t slot, const sb_tensor *out)
{
    const clustered *c     = o->impl;
    int64_t          d     = o->shape.head_dim;
    int64_t          group = part == SB_OPERAND_Q ? o->shape.heads / o->shape.kv_heads : 1;
    for (int64_t i = 0; i < n; i++)
        for (int64_t h = kv_head * group; h < (kv_head + 1) * group; h++) {
            double  row[SBI_MAX_HEAD_DIM];
            int64_t token = first + i;
            if (part == SB_OPERAND_Q) {
                query_row(c, kv_head, h, token, d, row);
            } else if (part == SB_OPERAND_K) {
                noise_row(c, SBI_STREAM_K, h, token, d, row);
                add_centre(c, h, cluster_of(c, token / c->p.run_tokens), d, row);
            } else {
                value_row(c, h, token, d, row);
            }
            sbi_to_bf16(row, d, sb_tensor_bf16(out, h, slot + i));
        }
    return SB_OK;
}

static sb_status create(const sb_distribution *dist, const sb_draw *draw, sb_operands **out)
{
    static const sb_operands_ops ops = {fill, sbi_synthetic_destroy};
    sb_operands                 *o   = NULL;
    sb_status                    st = sbi_synthetic_create(dist, draw, &ops, sizeof(clustered), &o);
    if (st != SB_OK)
        return st;
    clustered *c = o->impl;
    double     d = (double)draw->head_dim;
    c->p         = *(const clustered_params *)draw->params;
    c->length    = sqrt(c->p.logit * sqrt(d) / d);
    *out         = o;
    return SB_OK;
}

const sb_distribution sb_synthetic_clustered = {
    .name              = "clustered",
    .summary           = "runs of keys in clusters, each query looks for two of them anywhere",
    .params            = params_table,
    .params_bytes      = sizeof(clustered_params),
    .min_length        = min_length,
    .create            = create,
    .generator_version = SB_SYNTHETIC_VERSION};
