/* From rows and heads to the records of a layer: one of each head and the summary, or that alone.
 * Heads share rows, so the summary's errors come from sums over heads in each row, never from
 * adding up heads' variances [quality_metrics C]. */
#include <math.h>
#include <stdlib.h>

#include "harness/run/quality_parts.h"
#include "kernels/exec/index_blocks.h"

/* lse of the support may lie this far above dense lse by rounding [B2]. */
static const double OVERFLOW_LSE = 2e-3;

static sb_status grow(void **p, int64_t n, int64_t *capacity, size_t size)
{
    if (n < *capacity)
        return SB_OK;
    int64_t more = *capacity > 0 ? 2 * *capacity : 16;
    void   *to   = realloc(*p, (size_t)more * size);
    if (to == NULL)
        return sb_fail(SB_ERR_NOMEM, "quality: no memory for %lld records", (long long)more);
    *p        = to;
    *capacity = more;
    return SB_OK;
}

static sb_status add_fact(sb_quality *q, const sb_quality_facts *fact)
{
    void     *p  = q->facts;
    sb_status st = grow(&p, q->n_facts, &q->capacity, sizeof *fact);
    q->facts     = p;
    if (st == SB_OK)
        q->facts[q->n_facts++] = *fact;
    return st;
}

/* ---- the index ---- */

/* n heads from `first` on; n > 1: the summary, which alone knows what the estimate cost, for heads
 * may share it. */
static sb_quality_facts index_fact(const sb_layer_view *v, const sbi_index *x, int64_t first,
                                   int64_t n, int32_t head)
{
    int64_t          mac = 4 * v->shape->head_dim; /* QK and PV, a multiply-add counting 2 [B4] */
    sb_quality_facts f   = {.layer               = v->layer,
                            .head                = head,
                            .def_version         = SB_QUALITY_DEF_VERSION,
                            .blocks_exec         = NAN,
                            .f_est               = -1,
                            .f_exec              = -1,
                            .f_dense             = mac * n * x->pairs,
                            .recall_mean         = NAN,
                            .recall_se           = NAN,
                            .recall_lo           = NAN,
                            .recall_hi           = NAN,
                            .recall_tail         = NAN,
                            .recall_p05          = NAN,
                            .recall_min          = NAN,
                            .recall_w            = NAN,
                            .recall_overflow     = -1,
                            .oracle_gap          = NAN,
                            .needle_block_recall = NAN,
                            .needle_mass         = NAN,
                            .needle_mass_kept    = NAN,
                            .rel_l2              = NAN,
                            .rel_l2_se           = NAN,
                            .rel_l2_unreliable   = -1,
                            .rel_l2_p99          = NAN,
                            .rel_l1              = NAN,
                            .cos_row             = NAN,
                            .floor               = NAN};
    int64_t          block_rows = 0, block_rows_dense = 0;
    if (head < 0)
        f.f_est = x->estimate_flops;
    if (!sbi_has_index(v)) {
        if (head < 0)
            f.f_exec = x->attend_flops;
        return f;
    }
    for (int64_t h = first; h < first + n; h++) {
        f.rho_num += x->head[h].rho_num;
        f.rho_den += x->head[h].rho_den;
        f.tile_lanes += x->head[h].tile_lanes;
        f.tile_lanes_dense += x->head[h].tile_lanes_dense;
        block_rows += x->head[h].block_rows;
        block_rows_dense += x->head[h].block_rows_dense;
    }
    f.blocks_exec  = (double)block_rows / SB_INDEX_BLOCK;
    f.blocks_dense = block_rows_dense / SB_INDEX_BLOCK;
    f.f_exec       = mac * f.tile_lanes;
    return f;
}

/* ---- rows ---- */

/* One row of the layer, or of one head. */
typedef struct row {
    double recall, weighted, visible; /* weighted: recall times the number of visible keys */
    double error, reference, abs_error, abs_reference, cosine, floor_error;
    double relative; /* |o' - o| / |o| */
} row;
enum { STRIDE = sizeof(row) / sizeof(double) };

/* Heads [first, first + n) of one sampled row: errors add up, recall and cosine are means. */
static row merge_heads(const sbi_row_value *v, int64_t first, int64_t n, int64_t token)
{
    row r = {.visible = (double)(token + 1)};
    for (int64_t h = first; h < first + n; h++) {
        r.recall += v[h].recall / (double)n;
        r.cosine += v[h].cosine / (double)n;
        r.error += v[h].error;
        r.reference += v[h].reference;
        r.abs_error += v[h].abs_error;
        r.abs_reference += v[h].abs_reference;
        r.floor_error += v[h].floor_error;
    }
    r.weighted = r.visible * r.recall;
    r.relative = r.error == 0 ? 0 : sqrt(r.error / r.reference);
    return r;
}

static double clip(double x) { return x < 0 ? 0 : x > 1 ? 1 : x; } /* NaN stays */

static void set_recall(sb_quality_facts *f, const sb_rows *rows, const row *r)
{
    sb_estimate e  = sb_estimate_mean(rows, &r->recall, STRIDE);
    f->recall_mean = e.mean;
    f->recall_se   = e.se;
    f->recall_lo   = clip(e.lo);
    f->recall_hi   = clip(e.hi);
    f->recall_tail = e.tail;
    f->recall_w    = sb_estimate_ratio(rows, &r->weighted, &r->visible, STRIDE).value;
}

static sb_status set_errors(sb_quality_facts *f, const sb_rows *rows, const row *r)
{
    sb_status st         = sb_estimate_percentile(rows, &r->relative, STRIDE, 0.99, &f->rel_l2_p99);
    sb_ratio  e          = sb_estimate_ratio(rows, &r->error, &r->reference, STRIDE);
    f->rel_l2            = sqrt(e.value);
    f->rel_l2_se         = e.value > 0 ? e.se / (2 * f->rel_l2) : e.se;
    f->rel_l2_unreliable = e.share > SB_SHARE_MAX;
    f->rel_l1            = sb_estimate_ratio(rows, &r->abs_error, &r->abs_reference, STRIDE).value;
    f->cos_row           = sb_estimate_mean(rows, &r->cosine, STRIDE).mean;
    f->floor = sqrt(sb_estimate_ratio(rows, &r->floor_error, &r->reference, STRIDE).value);
    if (!isfinite(f->rel_l2_p99)) /* a reference of 0 */
        f->rel_l2_p99 = NAN;
    f->rows_sampled = rows->n;
    f->rows_total   = rows->n_tokens;
    return st;
}

/* Row values of heads [first, first + n) into r, and what follows from them into f. */
static sb_status set_rows(sb_quality_facts *f, const sb_layer_view *v, const sb_rows *rows,
                          const sbi_row_value *values, int64_t first, int64_t n, row *r)
{
    double    most = 0;
    sb_status st;
    for (int64_t i = 0; i < rows->n; i++) {
        const sbi_row_value *at = values + i * sbi_all_heads(v);
        r[i]                    = merge_heads(at, first, n, rows->row[i]);
        for (int64_t h = first; h < first + n; h++)
            most = at[h].recall > most ? at[h].recall : most;
    }
    if ((st = set_errors(f, rows, r)) != SB_OK || !sbi_has_recall(v))
        return st;
    set_recall(f, rows, r);
    f->recall_overflow = log(most) > OVERFLOW_LSE;
    return SB_OK;
}

static void set_needles(sb_quality_facts *f, const sbi_needles *n, int64_t first, int64_t heads)
{
    sbi_needle_value sum = {0};
    if (n->n_spans == 0)
        return;
    for (int64_t h = first; h < first + heads; h++) {
        sum.keys += n->head[h].keys;
        sum.seen += n->head[h].seen;
        sum.mass += n->head[h].mass / (double)heads;
        sum.kept += n->head[h].kept / (double)heads;
    }
    f->needle_block_recall = sum.keys > 0 ? sum.seen / sum.keys : NAN;
    f->needle_mass         = sum.mass;
    f->needle_mass_kept    = sum.kept;
}

static double smallest(const double *y, int64_t n, int64_t stride)
{
    double least = y[0];
    for (int64_t i = 1; i < n; i++)
        least = y[i * stride] < least ? y[i * stride] : least;
    return least;
}

static sb_status add_needles(sb_quality *q, const sb_layer_view *v, const sbi_needles *n)
{
    sb_status st = SB_OK;
    for (int64_t s = 0; st == SB_OK && s < n->n_spans; s++) {
        void *p    = q->needles;
        st         = grow(&p, q->n_needles, &q->needle_capacity, sizeof *q->needles);
        q->needles = p;
        if (st == SB_OK)
            q->needles[q->n_needles++] = (sb_needle_facts){
                .layer      = v->layer,
                .span_no    = n->span_no[s],
                .key_recall = n->span[s].keys > 0 ? n->span[s].seen / n->span[s].keys : NAN,
                .mass       = n->span[s].mass,
                .mass_kept  = n->span[s].kept};
    }
    return st;
}

/* Heads one by one, then all together. */
static sb_status add_rows(sb_quality *q, const sb_layer_view *v, const sbi_index *index,
                          const sb_rows *rows, const sbi_row_value *values, const double *gap,
                          const sbi_needles *needles, row *r, double *of_head)
{
    int64_t   heads    = sbi_all_heads(v);
    double    mean_gap = 0;
    int       recall   = sbi_has_recall(v);
    sb_status st;
    for (int64_t h = 0; h < heads; h++) {
        sb_quality_facts f = index_fact(v, index, h, 1, (int32_t)h);
        if ((st = set_rows(&f, v, rows, values, h, 1, r)) != SB_OK)
            return st;
        set_needles(&f, needles, h, 1);
        of_head[h] = f.recall_mean;
        if (recall) {
            if ((st = sb_estimate_percentile(rows, &r->recall, STRIDE, 0.05, &f.recall_p05)) !=
                SB_OK)
                return st;
            f.recall_min = smallest(&r->recall, rows->n, STRIDE);
            f.oracle_gap = gap[h];
            mean_gap += gap[h] / (double)heads;
        }
        if (q->detail == SB_DETAIL_PER_HEAD && (st = add_fact(q, &f)) != SB_OK)
            return st;
    }
    sb_quality_facts sum = index_fact(v, index, 0, heads, -1);
    if ((st = set_rows(&sum, v, rows, values, 0, heads, r)) != SB_OK ||
        (recall && (st = sb_percentile(of_head, heads, 1, 0.05, &sum.recall_p05)) != SB_OK))
        return st;
    set_needles(&sum, needles, 0, heads);
    if (recall) {
        sum.recall_min = smallest(of_head, heads, 1);
        sum.oracle_gap = mean_gap;
    }
    return add_fact(q, &sum);
}

sb_status sbi_facts_add(sb_quality *q, const sb_layer_view *v, const sbi_index *index,
                        const sb_rows *rows, const sbi_row_value *values, const double *gap,
                        const sbi_needles *needles)
{
    if (rows == NULL) {
        sb_quality_facts f = index_fact(v, index, 0, sbi_all_heads(v), -1);
        return add_fact(q, &f);
    }
    row      *r       = malloc((size_t)(rows->n + 1) * sizeof *r);
    double   *of_head = malloc((size_t)sbi_all_heads(v) * sizeof *of_head);
    sb_status st      = SB_OK;
    if (r == NULL || of_head == NULL)
        st = sb_fail(SB_ERR_NOMEM, "quality: no memory for %lld rows", (long long)rows->n);
    if (st == SB_OK)
        st = add_rows(q, v, index, rows, values, gap, needles, r, of_head);
    if (st == SB_OK)
        st = add_needles(q, v, needles);
    free(r);
    free(of_head);
    return st;
}
