/* Work of a method's phases from shape and parameters: the formulas of the methods' own specs,
 * section 7 of each, as their plans count them (sb_plan.estimate_flops), H query heads. */
#include <math.h>
#include <string.h>

#include "harness/plan/parts.h"
#include "kernels/exec/linear_scan.h"
#include "kernels/lightning/lightning.h"
#include "kernels/linear/linear.h"

double sbi_param_value(const sb_method *m, const void *params, const char *name, double fallback)
{
    const sb_param *p = sb_params_find(m->params, name);
    if (p == NULL)
        return fallback;
    const char *at = (const char *)params + p->offset;
    switch (p->type) {
    case SB_I64:
        return (double)*(const int64_t *)(const void *)at;
    case SB_F64:
        return *(const double *)(const void *)at;
    case SB_ENUM:
        return *(const int32_t *)(const void *)at;
    default:
        return fallback;
    }
}

typedef struct terms { /* the letters of the formulas */
    const sb_plan_case *c;
    double              n, q, h, d; /* keys, queries, query heads, head_dim */
    double block, blocks, tiles;    /* block_tokens; row blocks; pairs of blocks, causal */
} terms;

static double value(const terms *t, const char *name, double fallback)
{
    return sbi_param_value(t->c->method, t->c->params, name, fallback);
}

/* Two passes of the last block's queries over all keys, and means [flexprefill 7]. */
static void flexprefill(const terms *t, sbi_work *w)
{
    w->estimate_flops = 2 * t->d * t->h * (2 * t->block * t->n + t->n / t->block);
    w->select_entries = t->h * t->n;
}

/* One product of d for each pair of strides of visible blocks [xattention 7]. */
static void xattention(const terms *t, sbi_work *w)
{
    w->estimate_flops =
        2 * t->d * t->h * t->tiles * t->block * (t->block / value(t, "stride_tokens", 16));
    w->estimate_is_triangle = 1;
    w->select_entries       = t->h * t->tiles;
}

/* Two passes of the last block over all keys, sorts, and pooled scores [pbs_attn 7]. */
static void pbs_attn(const terms *t, sbi_work *w)
{
    double orders = value(t, "perm_share", 0) > 0 ? (double)t->c->kv_heads : t->h;
    w->estimate_flops =
        2 * t->d * (2 * t->block * t->n * orders + t->h * (t->tiles - t->blocks / 2));
    w->select_entries = t->h * t->tiles;
    w->permute_bytes  = 2 * orders * t->n * t->d * (double)sizeof(sb_bf16);
}

/* Two passes of the last 64 queries, or pairs of block means [minference 7]. */
static void minference(const terms *t, sbi_work *w)
{
    double nb = ceil(t->n / 64), tiles = t->q / 64 * (nb - t->q / 128 + 0.5);
    switch ((int)value(t, "pattern", 0)) {
    case 0:
        w->estimate_flops = 2 * t->d * t->h * 2 * 64 * t->n;
        w->select_entries = t->h * t->n;
        break;
    case 1:
        w->estimate_flops       = 2 * t->d * t->h * tiles;
        w->estimate_is_triangle = 1;
        w->select_entries       = t->h * tiles;
        break;
    default:
        break;
    }
}

/* log2(t / top_k) halvings a query block of 2 top_k / block_k chunks, by the last queries of its
 * strides; a mean log2 over rows is 1 / ln 2 less than that of the last [hip 7]. */
static void hip(const terms *t, sbi_work *w)
{
    double top = value(t, "top_k_tokens", 512), bk = value(t, "block_k_tokens", 2);
    double bq = value(t, "block_q_tokens", 64), sq = value(t, "stride_q_tokens", 2);
    double sk     = value(t, "stride_k_tokens", 1);
    double rounds = fmax(log2(t->n / top) - 1.3, 0.1);
    w->estimate_flops =
        2 * t->d * t->h * (t->q / bq) * rounds * 2 * (top / bk) * (bq / sq) * (bk / sk);
}

/* Anchors: first block and own super-block; then mean queries against all candidates [anchor 7].
 * Short sequences have none and are dense. */
static void anchor(const terms *t, sbi_work *w)
{
    double steps = value(t, "step_blocks", 16), supers = t->blocks / steps;
    if (t->n <= 2 * steps * t->block)
        return;
    w->estimate_flops = 2 * t->d * t->h *
                        (supers * t->block * t->block * (3 * steps + steps * (steps - 1) / 2) +
                         t->tiles * t->block);
    w->select_entries = t->h * t->tiles;
}

/* The decay of a head, of those that have one; 0: what came before reaches all rows. */
static double decay(const sb_plan_case *c, int64_t head, int32_t layer)
{
    double slope;
    if (c->method == &sb_linear)
        return sb_linear_slope(c->params, head);
    const sb_lightning_params *p   = c->params;
    int64_t                    all = p->slope_heads == SB_LIGHTNING_PER_Q ? c->heads : c->kv_heads;
    sb_lightning_slope_table((sb_lightning_slopes)p->slope_rule, all, layer, c->n_layers,
                             head * all / c->heads, 1, &slope);
    return slope;
}

/* Of a rank's rows those that the ranks before reach, all heads and layers together. */
static double reached(const sb_plan_case *c)
{
    int64_t rows = c->n_queries / c->ranks + 1, sum = 0, all = 0;
    for (int32_t l = 0; l < c->n_layers; l++)
        for (int64_t h = 0; h < c->heads; h++, all += rows)
            sum += sb_scan_reach(decay(c, h, l), rows);
    return (double)sum / (double)all;
}

/* The state of every head, its product with queries, and triangles of a chunk [lightning 7, linear
 * 7]; over ranks one of the products once more for rows that feel the ranks before [sharding 8]. */
static void linear(const terms *t, sbi_work *w)
{
    double chunk = value(t, "chunk_tokens", 64), passes = t->c->ranks > 1 ? 2 + reached(t->c) : 2;
    w->has_lanes = 0;
    w->compute_flops =
        passes * t->h * t->q * 2 * t->d * t->d + t->h * t->q * (chunk + 1) / 2 * 2 * 2 * t->d;
}

static const struct {
    const char *method;
    void (*work)(const terms *t, sbi_work *w);
} works[] = {{"flexprefill", flexprefill},
             {"xattention", xattention},
             {"pbs_attn", pbs_attn},
             {"minference", minference},
             {"hip", hip},
             {"anchor_attention", anchor},
             {"lightning", linear},
             {"linear", linear}};

sbi_work sbi_work_of(const sb_plan_case *c)
{
    terms t  = {.c = c,
                .n = (double)c->n_tokens,
                .q = (double)c->n_queries,
                .h = (double)c->heads,
                .d = (double)c->head_dim};
    t.block  = value(&t, "block_tokens", 128);
    t.blocks = ceil(t.q / t.block);
    t.tiles  = t.blocks * (ceil(t.n / t.block) - t.blocks / 2 + 0.5);
    /* dense, in tiles of 64 x 64 */
    sbi_work w = {.compute_flops = 4 * t.d * t.h * t.q * (t.n - t.q / 2 + 32), .has_lanes = 1};
    for (size_t i = 0; i < sizeof works / sizeof *works; i++)
        if (strcmp(works[i].method, c->method->name) == 0)
            works[i].work(&t, &w);
    return w;
}
