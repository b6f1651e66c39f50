/* What the question still sees of the needles [workloads 5, quality_metrics B6].
 *
 *   question rows   the rows of the input's query spans, at most the last 128 of the prompt;
 * without a query span those after the context. All of them are census rows. needle keys     the
 * tokens of its needle spans
 *
 * A needle key counts for a row when it stands at or before it. keys, seen: over such pairs, those
 * whose key the row's support holds. mass, kept: dense attention probability on them. Blocks enter
 * through the support alone: a kept block keeps the needle tokens that lie in it. */
#include <math.h>
#include <stdlib.h>

#include <omp.h>

#include "harness/run/quality_parts.h"
#include "harness/run/quality_source.h"
#include "kernels/exec/row_support.h"

enum { PARTS = sizeof(sbi_needle_value) / sizeof(double) };

typedef struct work {
    int64_t *key; /* ascending ids; a token of two spans stands twice */
    int32_t *of;  /* needle number of a key */
    int64_t  n_keys;
    int64_t first_row, n_rows; /* question rows among the sampled ones; a gap is left out by asks */
    uint8_t *asks;             /* [n_rows] */
    uint8_t  *sees;             /* [threads][n_keys] of one row and head */
    int64_t *local, *place; /* [n_asked] question rows at hand: the row here; its place in n_rows */
    int64_t  n_asked;
    sb_tensor q, k; /* packed: those rows; the needle keys */
    /* [n_rows][heads], [n_rows][heads][n_spans]: of one row and head each, on one rank */
    sbi_needle_value *of_head, *of_span;
} work;

static void work_fini(work *w)
{
    free(w->key);
    free(w->of);
    free(w->asks);
    free(w->sees);
    free(w->local);
    free(w->place);
    free(w->q.data);
    free(w->k.data);
    free(w->of_head);
    free(w->of_span);
}

static int by_key(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (x[0] > y[0]) - (x[0] < y[0]);
}

static sb_status no_memory(const sb_input *in)
{
    return sb_fail(SB_ERR_NOMEM, "quality: no memory for the needles of %lld spans",
                   (long long)in->n_spans);
}

/* Needle spans of the input, and their keys in order. */
static sb_status list_keys(const sb_input *in, int32_t threads, sbi_needles *n, work *w)
{
    int64_t tokens = 0, at = 0;
    for (int64_t i = 0; i < in->n_spans; i++)
        if (in->spans[i].kind == SB_SPAN_NEEDLE) {
            n->span_no[n->n_spans++] = i;
            tokens += in->spans[i].tok_end - in->spans[i].tok_begin;
        }
    int64_t(*pair)[2] = malloc((size_t)(tokens + 1) * sizeof *pair);
    w->key            = malloc((size_t)(tokens + 1) * sizeof *w->key);
    w->of             = malloc((size_t)(tokens + 1) * sizeof *w->of);
    w->sees           = malloc((size_t)(tokens * threads) + 1);
    if (pair == NULL || w->key == NULL || w->of == NULL || w->sees == NULL) {
        free(pair);
        return no_memory(in);
    }
    for (int64_t s = 0; s < n->n_spans; s++)
        for (int64_t k = in->spans[n->span_no[s]].tok_begin; k < in->spans[n->span_no[s]].tok_end;
             k++) {
            pair[at][0]   = k;
            pair[at++][1] = s;
        }
    qsort(pair, (size_t)tokens, sizeof *pair, by_key);
    for (int64_t i = 0; i < tokens; i++) {
        w->key[i] = pair[i][0];
        w->of[i]  = (int32_t)pair[i][1];
    }
    w->n_keys = tokens;
    free(pair);
    return SB_OK;
}

static int in_query(const sb_input *in, int64_t row)
{
    int any = 0;
    for (int64_t i = 0; i < in->n_spans; i++)
        if (in->spans[i].kind == SB_SPAN_QUERY) {
            any = 1;
            if (row >= in->spans[i].tok_begin && row < in->spans[i].tok_end)
                return 1;
        }
    return !any && row >= in->n_context;
}

/* The census is the last stratum of every draw. */
static sb_status list_rows(const sb_input *in, const sb_rows *rows, int64_t heads, int64_t n_spans,
                           work *w)
{
    const sb_stratum *census = &rows->stratum[SB_STRATA];
    w->first_row             = census->first;
    w->n_rows                = census->n_drawn;
    w->asks                  = calloc((size_t)w->n_rows + 1, 1);
    w->of_head               = calloc((size_t)(w->n_rows * heads) + 1, sizeof *w->of_head);
    w->of_span = calloc((size_t)(w->n_rows * heads * n_spans) + 1, sizeof *w->of_span);
    if (w->asks == NULL || w->of_head == NULL || w->of_span == NULL)
        return no_memory(in);
    for (int64_t i = 0; i < w->n_rows; i++)
        w->asks[i] = (uint8_t)in_query(in, rows->row[w->first_row + i]);
    return SB_OK;
}

/* The question rows at hand, and the keys, from wherever they lie. */
static sb_status take(const sb_layer_view *v, const sb_rows *rows, work *w)
{
    w->local = calloc((size_t)w->n_rows + 1, sizeof *w->local);
    w->place = calloc((size_t)w->n_rows + 1, sizeof *w->place);
    if (w->local == NULL || w->place == NULL)
        return sb_fail(SB_ERR_NOMEM, "quality: no memory for %lld question rows",
                       (long long)w->n_rows);
    for (int64_t i = 0; i < w->n_rows; i++) {
        int64_t local = sbi_local_row(&v->shape->q_gid, rows->row[w->first_row + i]);
        if (!w->asks[i] || local < 0)
            continue;
        w->local[w->n_asked]   = local;
        w->place[w->n_asked++] = i;
    }
    sb_status st = sbi_take_rows(v, SBI_Q, w->local, w->n_asked, &w->q);
    return st == SB_OK ? sbi_take_rows(v, SBI_K, w->key, w->n_keys, &w->k) : st;
}

/* Of packed question row `row` and packed key `key`. */
static double probability(const sb_layer_view *v, const work *w, int64_t head, int64_t row,
                          int64_t key, double lse)
{
    const sb_bf16 *q   = sb_tensor_bf16(&w->q, head, row);
    const sb_bf16 *k   = sb_tensor_bf16(&w->k, head / (w->q.heads / w->k.heads), key);
    double         dot = 0;
    for (int64_t x = 0; x < w->q.dim; x++)
        dot += (double)sb_bf16_to_f32(q[x]) * (double)sb_bf16_to_f32(k[x]);
    return exp((double)v->scale * dot - lse);
}

static void add(sbi_needle_value *to, double seen, double p)
{
    to->keys += 1;
    to->seen += seen;
    to->mass += p;
    to->kept += seen * p;
}

/* One question row of one head. sees [n_keys] is scratch; span [n_spans] */
static void look_at(const sb_layer_view *v, const work *w, int64_t head, int64_t id, int64_t row,
                    double lse, uint8_t *sees, sbi_needle_value *all, sbi_needle_value *span)
{
    sb_row_support_of(v->plan, head, id, w->key, w->n_keys, sees);
    for (int64_t i = 0; i < w->n_keys && w->key[i] <= id; i++) {
        double p = probability(v, w, head, row, i, lse);
        add(&span[w->of[i]], sees[i], p);
        if (i == 0 || w->key[i] != w->key[i - 1])
            add(all, sees[i], p);
    }
}

/* A row of a head walks its whole list, a million keys it may be: rows and heads side by side. Each
 * has a record of its own. */
static void look_local(const sb_layer_view *v, const sb_rows *rows, const sbi_row_value *values,
                       int64_t n_spans, const work *w)
{
    int64_t heads = v->shape->heads, all = sbi_all_heads(v), first = v->shape->first_head;
#pragma omp parallel for schedule(dynamic, 1) num_threads(sbi_threads(v))
    for (int64_t t = 0; t < w->n_asked * heads; t++) {
        int64_t r = t / heads, h = t % heads;
        int64_t id = rows->row[w->first_row + w->place[r]];
        int64_t at = w->place[r] * all + first + h;
        look_at(v, w, h, id, r, values[w->first_row * all + at].lse,
                w->sees + omp_get_thread_num() * w->n_keys, &w->of_head[at],
                &w->of_span[at * n_spans]);
    }
}

static void sum_up(sbi_needle_value *to, const sbi_needle_value *v)
{
    to->keys += v->keys;
    to->seen += v->seen;
    to->mass += v->mass;
    to->kept += v->kept;
}

/* Over the question rows, in their order, and over `heads` records of each, `step` apart: sums of
 * keys and seen, means of the masses. */
static sbi_needle_value over_rows(const sbi_needle_value *v, int64_t stride, const work *w,
                                  int64_t heads, int64_t step)
{
    sbi_needle_value sum = {0};
    int64_t          n   = 0;
    for (int64_t i = 0; i < w->n_rows; i++) {
        sbi_needle_value row = {0};
        n += w->asks[i];
        for (int64_t h = 0; h < heads; h++)
            sum_up(&row, &v[i * stride + h * step]);
        sum_up(&sum, &row);
    }
    sum.mass /= (double)n * (double)heads;
    sum.kept /= (double)n * (double)heads;
    return sum;
}

sb_status sbi_needles_find(const sb_layer_view *v, const sb_input *in, const sb_rows *rows,
                           const sbi_row_value *values, sbi_needles *out)
{
    int64_t     heads = sbi_all_heads(v);
    work        w     = {0};
    sbi_needles n     = {.head    = calloc((size_t)heads, sizeof *n.head),
                         .span    = calloc((size_t)in->n_spans + 1, sizeof *n.span),
                         .span_no = calloc((size_t)in->n_spans + 1, sizeof *n.span_no)};
    sb_status   st = n.head == NULL || n.span == NULL || n.span_no == NULL ? no_memory(in) : SB_OK;
    if (st == SB_OK && (st = list_keys(in, sbi_threads(v), &n, &w)) == SB_OK &&
        (st = list_rows(in, rows, heads, n.n_spans, &w)) == SB_OK &&
        (st = take(v, rows, &w)) == SB_OK)
        look_local(v, rows, values, n.n_spans, &w);
    if ((st = sb_comm_agree(v->ctx->comm, st)) != SB_OK ||
        (st = sbi_share(v->ctx->comm, (double *)(void *)w.of_head, w.n_rows * heads * PARTS)) !=
            SB_OK ||
        (st = sbi_share(v->ctx->comm, (double *)(void *)w.of_span,
                        w.n_rows * heads * n.n_spans * PARTS)) != SB_OK)
        goto done;
    for (int64_t h = 0; n.n_spans > 0 && h < heads; h++)
        n.head[h] = over_rows(w.of_head + h, heads, &w, 1, 0);
    for (int64_t s = 0; s < n.n_spans; s++)
        n.span[s] = over_rows(w.of_span + s, heads * n.n_spans, &w, heads, n.n_spans);
    *out = n;
    n    = (sbi_needles){0};
done:
    sbi_needles_fini(&n);
    work_fini(&w);
    return st;
}

void sbi_needles_fini(sbi_needles *n)
{
    free(n->head);
    free(n->span);
    free(n->span_no);
    *n = (sbi_needles){0};
}
