/* Dense attention of the sampled rows, beside what the method made of them [quality_metrics B2,
 * B3].
 */
#include <math.h>
#include <stdlib.h>

#include "harness/run/quality_parts.h"
#include "harness/run/quality_source.h"

enum { CHUNK_ROWS = 512 }; /* rows compared at a time: bounds the scratch of exact passes */

typedef struct chunk {
    sb_tensor o;                   /* fp32, the dense reference of packed rows */
    float    *lse, *got_lse;       /* the reference's, the method's */
    int64_t  *gid, *local, *index; /* token id, local row, place among all sampled rows */
    int64_t   n;
} chunk;

static void chunk_fini(chunk *c)
{
    free(c->o.data);
    free(c->lse);
    free(c->got_lse);
    free(c->gid);
    free(c->local);
    free(c->index);
}

static sb_status chunk_init(chunk *c, int64_t heads, int64_t dim)
{
    size_t rows = (size_t)(heads * CHUNK_ROWS);
    *c          = (chunk){.o = {.dtype = SB_F32, .heads = heads, .dim = dim}};
    c->o.data   = aligned_alloc(SB_ARENA_ALIGN, rows * (size_t)dim * sizeof(float));
    c->lse      = malloc(rows * sizeof *c->lse);
    c->got_lse  = malloc(rows * sizeof *c->got_lse);
    c->gid      = malloc(CHUNK_ROWS * sizeof *c->gid);
    c->local    = malloc(CHUNK_ROWS * sizeof *c->local);
    c->index    = malloc(CHUNK_ROWS * sizeof *c->index);
    if (c->o.data == NULL || c->lse == NULL || c->got_lse == NULL || c->gid == NULL ||
        c->local == NULL || c->index == NULL)
        return sb_fail(SB_ERR_NOMEM, "quality: no memory for %d rows of %lld heads", CHUNK_ROWS,
                       (long long)heads);
    return SB_OK;
}

/* floor_error: on the CPU the dense kernel gives these rows bit for bit, rounded once [B3]. */
static sbi_row_value compare_row(const sb_bf16 *got, const float *want, int64_t dim)
{
    sbi_row_value r    = {0};
    double        got2 = 0, dot = 0;
    for (int64_t j = 0; j < dim; j++) {
        double w = (double)want[j], g = (double)sb_bf16_to_f32(got[j]), e = g - w;
        double f = (double)sb_bf16_to_f32(sb_bf16_from_f32(want[j])) - w;
        r.error += e * e;
        r.reference += w * w;
        r.abs_error += fabs(e);
        r.abs_reference += fabs(w);
        r.floor_error += f * f;
        got2 += g * g;
        dot += g * w;
    }
    r.cosine = got2 > 0 && r.reference > 0 ? dot / sqrt(got2 * r.reference)
                                           : (double)(got2 == 0 && r.reference == 0);
    return r;
}

/* Compare the rows collected so far and empty the chunk. values: [row][head]. */
static sb_status chunk_flush(chunk *c, const sb_layer_view *v, sbi_row_value *values)
{
    int64_t   heads = v->shape->heads, dim = v->shape->head_dim;
    int64_t   all = sbi_all_heads(v), first = v->shape->first_head;
    sb_tensor q = {0}, got = {0};
    sb_status st = SB_OK;
    if (c->n == 0)
        return SB_OK;
    c->o.tokens      = c->n;
    c->o.head_stride = c->n * dim;
    if ((st = sbi_take_rows(v, SBI_Q, c->local, c->n, &q)) == SB_OK &&
        (st = sbi_take_rows(v, SBI_O, c->local, c->n, &got)) == SB_OK &&
        (!sbi_has_recall(v) || (st = sbi_take_lse(v, c->local, c->n, c->got_lse)) == SB_OK))
        st = sbi_dense_rows(v, &q, c->gid, &c->o, c->lse);
    int64_t pairs = st == SB_OK ? heads * c->n : 0;
#pragma omp parallel for schedule(static) num_threads(sbi_threads(v))
    for (int64_t x = 0; x < pairs; x++) {
        int64_t       h = x / c->n, i = x % c->n;
        sbi_row_value r = compare_row(sb_tensor_bf16(&got, h, i), sb_tensor_f32(&c->o, h, i), dim);
        r.lse           = (double)c->lse[x];
        r.recall        = sbi_has_recall(v) ? exp((double)c->got_lse[x] - r.lse) : NAN;
        values[c->index[i] * all + first + h] = r;
    }
    c->n = 0;
    free(q.data);
    free(got.data);
    return st;
}

sb_status sbi_rows_compare(const sb_layer_view *v, const sb_rows *rows, sbi_row_value *values)
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
