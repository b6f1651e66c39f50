#include "harness/run/quality.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/run/estimate.h"
#include "kernels/base/rng.h"
#include "kernels/exec/index_stats.h"
#include "kernels/exec/rows_cpu.h"

enum { CHUNK_ROWS = 512 }; /* rows compared at a time: bounds the scratch of exact passes */

/* One query row of one head: attention mass kept, squared error, squared reference. */
typedef struct row_value {
    double recall, error, reference;
} row_value;
enum { VALUES = sizeof(row_value) / sizeof(double) };

void sb_quality_init(sb_quality *q, sb_quality_mode mode, sb_quality_detail detail,
                     const char *input_sha256)
{
    uint64_t seed = 0;
    (void)sscanf(input_sha256, "%16" SCNx64, &seed);
    *q = (sb_quality){.mode = mode, .detail = detail, .seed = seed};
}

void sb_quality_fini(sb_quality *q)
{
    free(q->facts);
    *q = (sb_quality){0};
}

static sb_status add_fact(sb_quality *q, const sb_quality_facts *fact)
{
    if (q->n_facts == q->capacity) {
        int64_t           more  = q->capacity > 0 ? 2 * q->capacity : 16;
        sb_quality_facts *facts = realloc(q->facts, (size_t)more * sizeof *facts);
        if (facts == NULL)
            return sb_fail(SB_ERR_NOMEM, "quality: no memory for %lld rows", (long long)more);
        q->facts    = facts;
        q->capacity = more;
    }
    q->facts[q->n_facts++] = *fact;
    return SB_OK;
}

/* ---- the index, counted exactly ---- */

/* Methods that carry a state have no index: figures stay 0, which the store keeps as NULL [B1]. */
static int has_index(const sb_layer_view *v) { return v->plan->parts != 0; }

static sb_status count_index(const sb_layer_view *v, sb_index_stats *per_head, uint64_t *digest)
{
    if (!has_index(v))
        return SB_OK;
    int64_t   n    = v->shape->heads;
    sb_status st   = SB_OK;
    int64_t  *sums = malloc((size_t)n * 5 * sizeof *sums);
    if (sums == NULL)
        return sb_fail(SB_ERR_NOMEM, "quality: no memory for %lld heads", (long long)n);
    for (int64_t h = 0; st == SB_OK && h < n; h++) {
        sb_index_stats s = {0};
        st               = sb_index_stats_count(v->plan, v->shape, h, &s);
        int64_t *x       = sums + 5 * h;
        x[0] = s.rho_num, x[1] = s.rho_den, x[2] = s.tile_lanes, x[3] = s.tile_lanes_dense,
        x[4] = (int64_t)s.digest;
    }
    /* Local rows only: ranks add up. The digest is a wrapping sum as well. */
    if ((st = sb_comm_agree(v->ctx->comm, st)) == SB_OK)
        st = sb_comm_allreduce_i64(v->ctx->comm, sums, 5 * n, SB_REDUCE_SUM);
    for (int64_t h = 0; st == SB_OK && h < n; h++) {
        const int64_t *x = sums + 5 * h;
        per_head[h]      = (sb_index_stats){.rho_num          = x[0],
                                            .rho_den          = x[1],
                                            .tile_lanes       = x[2],
                                            .tile_lanes_dense = x[3],
                                            .digest           = (uint64_t)x[4]};
        *digest += sb_mix((uint64_t)x[4] + sb_mix((uint64_t)(v->layer * n + h)));
    }
    free(sums);
    return st;
}

/* ---- dense attention of the sampled rows, beside what the method made of them ---- */

typedef struct chunk {
    sb_tensor q, o; /* packed rows; o fp32, the dense reference */
    float    *lse;
    int64_t  *gid, *local, *index; /* token id, local row, place among all sampled rows */
    int64_t   n;
} chunk;

static void chunk_fini(chunk *c)
{
    free(c->q.data);
    free(c->o.data);
    free(c->lse);
    free(c->gid);
    free(c->local);
    free(c->index);
}

static sb_status chunk_init(chunk *c, int64_t heads, int64_t dim)
{
    size_t rows = (size_t)(heads * CHUNK_ROWS);
    *c          = (chunk){.q = {.dtype = SB_BF16, .heads = heads, .dim = dim},
                          .o = {.dtype = SB_F32, .heads = heads, .dim = dim}};
    c->q.data   = aligned_alloc(SB_ARENA_ALIGN, rows * (size_t)dim * sizeof(sb_bf16));
    c->o.data   = aligned_alloc(SB_ARENA_ALIGN, rows * (size_t)dim * sizeof(float));
    c->lse      = malloc(rows * sizeof *c->lse);
    c->gid      = malloc(CHUNK_ROWS * sizeof *c->gid);
    c->local    = malloc(CHUNK_ROWS * sizeof *c->local);
    c->index    = malloc(CHUNK_ROWS * sizeof *c->index);
    if (c->q.data == NULL || c->o.data == NULL || c->lse == NULL || c->gid == NULL ||
        c->local == NULL || c->index == NULL)
        return sb_fail(SB_ERR_NOMEM, "quality: no memory for %d rows of %lld heads", CHUNK_ROWS,
                       (long long)heads);
    return SB_OK;
}

/* Compare the rows collected so far and empty the chunk. values: [row][head]. */
static sb_status chunk_flush(chunk *c, const sb_layer_view *v, row_value *values)
{
    int64_t heads = v->shape->heads, dim = v->shape->head_dim, local_rows = v->q->tokens;
    if (c->n == 0)
        return SB_OK;
    c->q.tokens = c->o.tokens = c->n;
    c->q.head_stride = c->o.head_stride = c->n * dim;
    for (int64_t h = 0; h < heads; h++)
        for (int64_t i = 0; i < c->n; i++)
            memcpy(sb_tensor_bf16(&c->q, h, i), sb_tensor_bf16(v->q, h, c->local[i]),
                   (size_t)dim * sizeof(sb_bf16));
    sb_status st = sb_dense_rows_cpu(v->ctx, &c->q, c->gid, v->k, v->v, v->scale, &c->o, c->lse);
    for (int64_t h = 0; st == SB_OK && h < heads; h++)
        for (int64_t i = 0; i < c->n; i++) {
            row_value      r    = {.recall = has_index(v)
                                                 ? exp((double)v->lse[h * local_rows + c->local[i]] -
                                                       (double)c->lse[h * c->n + i])
                                                 : (double)NAN};
            const sb_bf16 *got  = sb_tensor_bf16(v->o, h, c->local[i]);
            const float   *want = sb_tensor_f32(&c->o, h, i);
            for (int64_t j = 0; j < dim; j++) {
                double w = (double)want[j], e = (double)sb_bf16_to_f32(got[j]) - w;
                r.error += e * e;
                r.reference += w * w;
            }
            values[c->index[i] * heads + h] = r;
        }
    c->n = 0;
    return st;
}

/* values [rows->n][heads]: this rank's rows filled, the others left zero. */
static sb_status compare_local(const sb_layer_view *v, const sb_rows *rows, row_value *values)
{
    chunk     c;
    int64_t   local = 0, at = 0;
    sb_status st = chunk_init(&c, v->shape->heads, v->shape->head_dim);
    for (int32_t r = 0; st == SB_OK && r < v->shape->q_gid.n_runs; r++) {
        sb_run run = v->shape->q_gid.run[r];
        while (at < rows->n && rows->row[at] < run.start)
            at++;
        for (; st == SB_OK && at < rows->n && rows->row[at] < run.start + run.len; at++) {
            c.gid[c.n]     = rows->row[at];
            c.local[c.n]   = local + rows->row[at] - run.start;
            c.index[c.n++] = at;
            if (c.n == CHUNK_ROWS)
                st = chunk_flush(&c, v, values);
        }
        local += run.len;
    }
    if (st == SB_OK)
        st = chunk_flush(&c, v, values);
    chunk_fini(&c);
    return st;
}

/* ---- one layer's facts ---- */

static sb_quality_facts index_fact(int32_t layer, int32_t head, const sb_index_stats *s, int64_t n)
{
    sb_quality_facts f = {.layer       = layer,
                          .head        = head,
                          .def_version = SB_QUALITY_DEF_VERSION,
                          .recall_mean = NAN,
                          .recall_se   = NAN,
                          .recall_tail = NAN,
                          .recall_p05  = NAN,
                          .rel_l2      = NAN};
    for (int64_t i = 0; i < n; i++) {
        f.rho_num += s[i].rho_num;
        f.rho_den += s[i].rho_den;
        f.tile_lanes += s[i].tile_lanes;
        f.tile_lanes_dense += s[i].tile_lanes_dense;
    }
    return f;
}

static void set_recall(sb_quality_facts *f, const sb_rows *rows, const double *recall,
                       int64_t stride)
{
    sb_estimate e   = sb_estimate_mean(rows, recall, stride);
    f->recall_mean  = e.mean;
    f->recall_se    = isnan(e.mean) ? (double)NAN : e.se;
    f->recall_tail  = e.tail;
    f->rows_sampled = rows->n;
    f->rows_total   = rows->n_tokens;
}

/* Per head from its own rows; the summary from row means over heads (heads share rows, so their
 * variances do not add). */
static sb_status recall_facts(sb_quality *q, const sb_layer_view *v, const sb_rows *rows,
                              const row_value *values, const sb_index_stats *stats)
{
    int64_t          heads = v->shape->heads, stride = heads * VALUES;
    sb_quality_facts sum   = index_fact(v->layer, -1, stats, heads);
    double           error = 0, reference = 0;
    sb_status        st   = SB_OK;
    double          *mean = malloc((size_t)rows->n * sizeof *mean),
           *of_head       = malloc((size_t)heads * sizeof *of_head);
    if (mean == NULL || of_head == NULL) {
        st = sb_fail(SB_ERR_NOMEM, "quality: no memory for %lld rows", (long long)rows->n);
        goto done;
    }
    for (int64_t i = 0; i < rows->n; i++) {
        mean[i] = 0;
        for (int64_t h = 0; h < heads; h++)
            mean[i] += values[i * heads + h].recall / (double)heads;
    }
    for (int64_t h = 0; st == SB_OK && h < heads; h++) {
        sb_quality_facts f = index_fact(v->layer, (int32_t)h, stats + h, 1);
        double           e = sb_estimate_total(rows, &values[h].error, stride),
               a           = sb_estimate_total(rows, &values[h].reference, stride);
        set_recall(&f, rows, &values[h].recall, stride);
        f.recall_p05 = sb_percentile(&values[h].recall, rows->n, stride, 0.05);
        f.rel_l2     = a > 0 ? sqrt(e / a) : NAN;
        of_head[h]   = f.recall_mean;
        error += e;
        reference += a;
        if (q->detail == SB_DETAIL_PER_HEAD)
            st = add_fact(q, &f);
    }
    set_recall(&sum, rows, mean, 1);
    sum.recall_p05 = sb_percentile(of_head, heads, 1, 0.05);
    sum.rel_l2     = reference > 0 ? sqrt(error / reference) : NAN;
    if (st == SB_OK)
        st = add_fact(q, &sum);
done:
    free(mean);
    free(of_head);
    return st;
}

/* Each value is non-zero on one rank only, so adding bit patterns as integers moves it exactly. */
static sb_status share(sb_comm *comm, row_value *values, int64_t n)
{
    int64_t *bits = (int64_t *)(void *)values;
    _Static_assert(sizeof(double) == sizeof(int64_t), "bit patterns travel as integers");
    return sb_comm_allreduce_i64(comm, bits, n * VALUES, SB_REDUCE_SUM);
}

sb_status sb_quality_look(void *arg, const sb_layer_view *v)
{
    sb_quality     *q      = arg;
    int64_t         heads  = v->shape->heads;
    sb_rows         rows   = {0};
    row_value      *values = NULL;
    sb_index_stats *stats  = calloc((size_t)heads, sizeof *stats);
    sb_status       st =
        stats == NULL ? sb_fail(SB_ERR_NOMEM, "quality: no memory for %lld heads", (long long)heads)
                            : SB_OK;
    if (v->layer == 0) {
        q->n_facts = 0;
        q->digest  = 0;
    }
    q->fallback |= v->plan->fallback;
    if ((st = sb_comm_agree(v->ctx->comm, st)) != SB_OK ||
        (st = count_index(v, stats, &q->digest)) != SB_OK)
        goto done;
    if (q->mode == SB_QUALITY_NONE) {
        sb_quality_facts f = index_fact(v->layer, -1, stats, heads);
        st                 = add_fact(q, &f);
        goto done;
    }
    st = sb_rows_draw(v->shape->n_keys, sb_mix(q->seed + (uint64_t)v->layer),
                      q->mode == SB_QUALITY_EXACT, &rows);
    if (st == SB_OK && (values = calloc((size_t)(rows.n * heads), sizeof *values)) == NULL)
        st = sb_fail(SB_ERR_NOMEM, "quality: no memory for %lld rows", (long long)rows.n);
    if (st == SB_OK)
        st = compare_local(v, &rows, values);
    if ((st = sb_comm_agree(v->ctx->comm, st)) != SB_OK ||
        (st = share(v->ctx->comm, values, rows.n * heads)) != SB_OK)
        goto done;
    st = recall_facts(q, v, &rows, values, stats);
done:
    sb_rows_fini(&rows);
    free(values);
    free(stats);
    return st;
}
