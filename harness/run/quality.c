#include "harness/run/quality.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/run/quality_parts.h"
#include "harness/run/quality_source.h"
#include "kernels/base/rng.h"

int64_t sb_quality_exact_tokens = 8192;

void sb_quality_init(sb_quality *q, sb_quality_mode mode, sb_quality_detail detail,
                     const char *input_sha256, const sb_input *input)
{
    uint64_t seed = 0;
    (void)sscanf(input_sha256, "%16" SCNx64, &seed);
    *q = (sb_quality){.mode = mode, .detail = detail, .seed = seed, .input = input};
}

void sb_quality_fini(sb_quality *q)
{
    free(q->facts);
    free(q->needles);
    free(q->balance);
    *q = (sb_quality){0};
}

/* values [rows->n][heads] on all ranks. */
static sb_status compare(const sb_layer_view *v, const sb_rows *rows, sbi_row_value **out)
{
    int64_t        n = rows->n * sbi_all_heads(v);
    sb_status      st;
    sbi_row_value *values = calloc((size_t)n + 1, sizeof *values);
    if (values == NULL)
        st = sb_fail(SB_ERR_NOMEM, "quality: no memory for %lld rows", (long long)rows->n);
    else
        st = sbi_rows_compare(v, rows, values);
    if ((st = sb_comm_agree(v->ctx->comm, st)) == SB_OK)
        st = sbi_share(v->ctx->comm, (double *)(void *)values, n * SBI_ROW_DOUBLES);
    if (st != SB_OK) {
        free(values);
        return st;
    }
    *out = values;
    return SB_OK;
}

/* Does the layer's error hang on few of the sampled rows? All ranks must find the same. */
static sb_status hangs_on_few(const sb_layer_view *v, const sb_rows *rows,
                              const sbi_row_value *values, int *few)
{
    int64_t   heads = sbi_all_heads(v);
    double   *e     = calloc((size_t)rows->n * 2 + 1, sizeof *e);
    sb_status st    = SB_OK;
    *few            = 0;
    if (e == NULL)
        st = sb_fail(SB_ERR_NOMEM, "quality: no memory for %lld rows", (long long)rows->n);
    if ((st = sb_comm_agree(v->ctx->comm, st)) != SB_OK) {
        free(e);
        return st;
    }
    for (int64_t i = 0; i < rows->n; i++)
        for (int64_t h = 0; h < heads; h++) {
            e[2 * i] += values[i * heads + h].error;
            e[2 * i + 1] += values[i * heads + h].reference;
        }
    *few = sb_estimate_ratio(rows, e, e + 1, 2).share > SB_SHARE_MAX;
    free(e);
    return SB_OK;
}

/* Rows among the queries there are: in a chunk behind earlier tokens the last ones. */
static sb_status draw_rows(const sb_layer_view *v, uint64_t seed, int64_t stratum_rows,
                           sb_rows *out)
{
    sb_status st = sb_rows_draw(v->shape->n_keys - v->first_query, seed, stratum_rows, out);
    for (int64_t i = 0; st == SB_OK && i < out->n; i++)
        out->row[i] += v->first_query;
    for (int l = 0; st == SB_OK && l <= SB_STRATA; l++) {
        out->stratum[l].begin += v->first_query;
        out->stratum[l].end += v->first_query;
    }
    return st;
}

/* Twice as many rows of each stratum; the ones already there are not run again [C]. */
static sb_status add_rows(const sb_layer_view *v, uint64_t seed, sb_rows *rows,
                          sbi_row_value **values)
{
    int64_t        heads = sbi_all_heads(v), known = 0;
    sb_rows        more = {0}, fresh = {0};
    sbi_row_value *got = NULL, *all = NULL;
    sb_status      st = draw_rows(v, seed, 2 * rows->stratum_rows, &more);
    if (st == SB_OK) {
        fresh.n_tokens = more.n_tokens;
        fresh.row      = malloc((size_t)more.n * sizeof *fresh.row);
        all            = calloc((size_t)(more.n * heads), sizeof *all);
        if (fresh.row == NULL || all == NULL)
            st = sb_fail(SB_ERR_NOMEM, "quality: no memory for %lld rows", (long long)more.n);
    }
    for (int64_t i = 0; st == SB_OK && i < more.n; i++) {
        if (known < rows->n && rows->row[known] == more.row[i])
            known++;
        else
            fresh.row[fresh.n++] = more.row[i];
    }
    if ((st = sb_comm_agree(v->ctx->comm, st)) == SB_OK)
        st = compare(v, &fresh, &got);
    if (st == SB_OK) {
        for (int64_t i = 0, a = 0, b = 0; i < more.n; i++) {
            int                  old  = a < rows->n && rows->row[a] == more.row[i];
            const sbi_row_value *from = old ? *values + a++ * heads : got + b++ * heads;
            memcpy(all + i * heads, from, (size_t)heads * sizeof *all);
        }
        sbi_row_value *unused = *values;
        *values               = all;
        all                   = unused;
        sb_rows old           = *rows;
        *rows                 = more;
        more                  = old;
    }
    free(all);
    free(got);
    sb_rows_fini(&more);
    sb_rows_fini(&fresh);
    return st;
}

/* Everything that needs dense attention. */
static sb_status look_at_rows(sb_quality *q, const sb_layer_view *v, const sbi_index *index)
{
    uint64_t       seed = sb_mix(q->seed + (uint64_t)v->layer);
    int            all =
        q->mode == SB_QUALITY_EXACT || v->shape->n_keys - v->first_query <= sb_quality_exact_tokens;
    sb_rows        rows    = {0};
    sbi_row_value *values  = NULL;
    sbi_needles    needles = {0};
    double        *gap     = NULL;
    int            few     = 0;
    sb_status      st      = draw_rows(v, seed, all ? 0 : SB_STRATUM_ROWS, &rows);
    if (st == SB_OK && (gap = calloc((size_t)sbi_all_heads(v), sizeof *gap)) == NULL)
        st =
            sb_fail(SB_ERR_NOMEM, "quality: no memory for %lld heads", (long long)sbi_all_heads(v));
    if ((st = sb_comm_agree(v->ctx->comm, st)) != SB_OK ||
        (st = compare(v, &rows, &values)) != SB_OK)
        goto done;
    if ((st = hangs_on_few(v, &rows, values, &few)) != SB_OK ||
        (few && (st = add_rows(v, seed, &rows, &values)) != SB_OK))
        goto done;
    if (sbi_has_recall(v) && (st = sbi_oracle_gap(v, &rows, values, seed, gap)) != SB_OK)
        goto done;
    if (sbi_has_index(v) && q->input != NULL &&
        (st = sbi_needles_find(v, q->input, &rows, values, &needles)) != SB_OK)
        goto done;
    st = sbi_facts_add(q, v, index, &rows, values, sbi_has_recall(v) ? gap : NULL, &needles);
done:
    sbi_needles_fini(&needles);
    sb_rows_fini(&rows);
    free(values);
    free(gap);
    return st;
}

/* A method that diverges is a failed sample: no score of it, and no time, means anything. */
static sb_status check_finite(const sb_layer_view *v)
{
    const sb_tensor *o = v->o;
    sb_not_finite    bad;
    sb_status        st = sbi_not_finite(v, &bad);
    return st != SB_OK || bad.n == 0
               ? st
               : sb_fail(SB_ERR_INTERNAL,
                         "%s diverges: %lld of %lld values of layer %d's output are not finite, "
                         "the first in head %lld, row %lld of this rank",
                         v->method->name, (long long)bad.n,
                         (long long)(o->heads * o->tokens * o->dim), v->layer, (long long)bad.head,
                         (long long)bad.row);
}

sb_status sb_quality_look(void *arg, const sb_layer_view *v)
{
    sb_quality *q     = arg;
    sbi_index   index = {0};
    sb_status   st    = sb_comm_agree(v->ctx->comm, check_finite(v));
    if (st != SB_OK)
        return st;
    if (v->layer == 0) {
        q->n_facts = q->n_needles = q->n_balance = 0;
        q->digest                 = 0;
    }
    q->has_index = sbi_has_index(v);
    q->fallback |= v->plan->fallback;
    st = sbi_index_count(v, &index);
    if (st == SB_OK) {
        q->digest += sbi_index_digest(v, &index);
        st = q->mode == SB_QUALITY_NONE ? sbi_facts_add(q, v, &index, NULL, NULL, NULL, NULL)
                                        : look_at_rows(q, v, &index);
        st = sb_comm_agree(v->ctx->comm, st); /* records are each rank's own */
    }
    sbi_index_fini(&index);
    return st == SB_OK ? sbi_balance_add(q, v) : st;
}
