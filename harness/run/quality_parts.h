/* The steps of one look at a layer, for the files quality*.c of this folder.
 *
 *   index    pairs, lanes, blocks of every head             exact, no attention run
 *   rows     dense attention of sampled rows | method's     recall, error
 *   oracle   a few of those rows | best selection           oracle_gap
 *   needles  question rows | needle keys of the input       needle recall
 *   facts    rows and heads to one record a layer (a head)
 *
 * A rank works on the rows it owns, or (heads over ranks) on its heads; arrays by head have all
 * heads of the model, and each number of them is worked out on one rank. Then values travel as they
 * are, so that all ranks sum the same numbers in the same order. */
#ifndef SB_HARNESS_RUN_QUALITY_PARTS_H
#define SB_HARNESS_RUN_QUALITY_PARTS_H

#include "harness/run/estimate.h"
#include "harness/run/quality.h"

/* Does the layer have an index at all? */
static inline int sbi_has_index(const sb_layer_view *v)
{
    return v->method == NULL || (v->method->caps & SB_CAP_NO_INDEX) == 0;
}

/* Is its lse one of the dense softmax over fewer keys? */
static inline int sbi_has_recall(const sb_layer_view *v)
{
    return sbi_has_index(v) && !v->plan->own_softmax;
}

/* Query heads of the model, on all ranks together, and the number of the first one here. */
static inline int64_t sbi_all_heads(const sb_layer_view *v)
{
    return sb_shape_model_heads(v->shape);
}

static inline int32_t sbi_threads(const sb_layer_view *v)
{
    return v->ctx->threads > 1 ? v->ctx->threads : 1;
}

/* ---- quality_parts.c ---- */

/* Doubles that are non-zero on one rank at most, to all ranks: bit patterns add up exactly. */
sb_status sbi_share(sb_comm *comm, double *values, int64_t n);

/* Local row of token id; -1: another rank's. */
int64_t sbi_local_row(const sb_gid *gid, int64_t id);

/* ---- quality_index.c ---- */
typedef struct sbi_head_index { /* over all ranks; integers only, they travel as an array */
    int64_t rho_num, rho_den, tile_lanes, tile_lanes_dense, block_rows, block_rows_dense, digest;
} sbi_head_index;
typedef struct sbi_index {
    sbi_head_index *head;  /* [heads]; zeros without an index */
    int64_t         pairs; /* causal ones of a head */
    int64_t         estimate_flops, attend_flops;
} sbi_index;
sb_status sbi_index_count(const sb_layer_view *v, sbi_index *out); /* collective */
void      sbi_index_fini(sbi_index *x);
/* Selections of a layer into the running digest; the same for any number of ranks. */
uint64_t sbi_index_digest(const sb_layer_view *v, const sbi_index *x);

/* ---- quality_balance.c ---- */
sb_status sbi_balance_add(sb_quality          *q,
                          const sb_layer_view *v); /* collective; nothing of one rank */

/* ---- quality_rows.c ---- */
/* One query row of one head. o' is the method's output, o dense attention's in fp32. */
typedef struct sbi_row_value {
    double lse;              /* of dense attention */
    double recall;           /* exp(lse of the support - lse); NaN where it does not exist */
    double error, reference; /* |o' - o|^2, |o|^2 */
    double abs_error, abs_reference; /* sums of |o' - o|, |o| */
    double cosine;                   /* of o' and o; 1 when both are 0 */
    double floor_error;              /* |bf16(o) - o|^2: what our own dense kernel would leave */
} sbi_row_value;
enum { SBI_ROW_DOUBLES = sizeof(sbi_row_value) / sizeof(double) };
/* values [rows->n][heads] of the local rows, the others untouched; local. */
sb_status sbi_rows_compare(const sb_layer_view *v, const sb_rows *rows, sbi_row_value *values);

/* ---- quality_oracle.c ---- */
/* gap [heads]: mean over rows of (mass of the |S_i| likeliest keys) - recall. Collective. */
sb_status sbi_oracle_gap(const sb_layer_view *v, const sb_rows *rows, const sbi_row_value *values,
                         uint64_t seed, double *gap);

/* ---- quality_needle.c ---- */
typedef struct sbi_needle_value {
    double keys,
        seen; /* needle keys that the question rows could see, and do see; summed over rows */
    double mass, kept; /* dense attention mass on them, and on those seen; mean over rows */
} sbi_needle_value;
typedef struct sbi_needles {
    sbi_needle_value *head; /* [heads]: all needles together */
    sbi_needle_value
            *span;    /* [n_spans]: one needle, heads together (keys, seen: sums; masses: mean) */
    int64_t *span_no; /* [n_spans] place among the input's spans */
    int64_t  n_spans; /* 0: the input has no needle, and head is NULL */
} sbi_needles;
/* Collective. */
sb_status sbi_needles_find(const sb_layer_view *v, const sb_input *in, const sb_rows *rows,
                           const sbi_row_value *values, sbi_needles *out);
void      sbi_needles_fini(sbi_needles *n);

/* ---- quality_facts.c ---- */
/* rows NULL: the index alone. gap NULL: unknown. */
sb_status sbi_facts_add(sb_quality *q, const sb_layer_view *v, const sbi_index *index,
                        const sb_rows *rows, const sbi_row_value *values, const double *gap,
                        const sbi_needles *needles);

#endif
