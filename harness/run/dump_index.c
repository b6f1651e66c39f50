/* The block index of all ranks as one: rows by ascending id, whoever planned them. */
#include <stdlib.h>
#include <string.h>

#include "harness/run/dump_parts.h"
#include "kernels/exec/segments.h"

void sbi_dump_index_fini(sbi_dump_index *x)
{
    free(x->row_id);
    free(x->place);
    free(x->tiles.row_ptr);
    free(x->tokens.row_ptr);
    *x = (sbi_dump_index){0};
}

static int64_t window_heads(const sb_plan *p)
{
    if (!(p->parts & SB_PART_WINDOW))
        return 0;
    if (p->form.head != NULL)
        return p->form.n_heads;
    return sb_plan_window_is_plain(p) ? 0 : 1;
}

/* What all ranks with rows agree on; one without any may have left it open. */
static sb_status share_rule(const sb_layer_view *v, sbi_dump_index *x)
{
    const sb_plan *p   = v->plan;
    int64_t        m[] = {p->parts,
                          p->row_tokens,
                          p->sink_tokens,
                          p->window_tokens,
                          p->fallback,
                   p->parts & SB_PART_TILES ? p->tiles.n_heads : 0,
                          p->tiles.unit_tokens,
                          p->tiles.width_tokens,
                   p->parts & SB_PART_TOKENS ? p->tokens.n_heads : 0,
                          p->own_softmax,
                          p->overlap_twice,
                          window_heads(p),
                   p->form.dilation_tokens > 1 ? p->form.dilation_tokens : 1};
    sb_status      st = sb_comm_allreduce_i64(v->ctx->comm, m, sizeof m / sizeof *m, SB_REDUCE_MAX);
    *x                 = (sbi_dump_index){
                        .parts         = (uint32_t)m[0],
                        .row_tokens    = m[1],
                        .sink_tokens   = m[2],
                        .window_tokens = m[3],
                        .fallback      = (int32_t)m[4],
                        .own_softmax   = (int32_t)m[9],
                        .overlap_twice = (int32_t)m[10],
                        .window_heads  = m[11],
                        .window_step   = m[12],
                        .tiles  = {.csr = &p->tiles, .n_heads = m[5], .unit_tokens = m[6], .width_tokens = m[7]},
                        .tokens = {.csr = &p->tokens, .n_heads = m[8], .unit_tokens = 1, .width_tokens = 1}};
    if (x->tiles.n_heads + x->tokens.n_heads > 0)
        x->n_local = p->n_rows;
    return st;
}

typedef struct row_place {
    int32_t id;
    int64_t place;
} row_place;

static int by_id(const void *pa, const void *pb)
{
    const row_place *a = pa, *b = pb;
    return (a->id > b->id) - (a->id < b->id);
}

static sb_status sort_rows(sbi_dump_index *x, const int32_t *id)
{
    row_place *rows = calloc((size_t)x->n_rows + 1, sizeof *rows);
    x->row_id       = calloc((size_t)x->n_rows + 1, sizeof *x->row_id);
    x->place        = calloc((size_t)x->n_rows + 1, sizeof *x->place);
    sb_status st    = SB_OK;
    if (rows == NULL || x->row_id == NULL || x->place == NULL)
        st = sb_fail(SB_ERR_NOMEM, "dump: no memory for %lld row blocks", (long long)x->n_rows);
    for (int64_t i = 0; st == SB_OK && i < x->n_rows; i++)
        rows[i] = (row_place){id[i], i};
    if (st == SB_OK)
        qsort(rows, (size_t)x->n_rows, sizeof *rows, by_id);
    for (int64_t i = 0; st == SB_OK && i < x->n_rows; i++) {
        x->row_id[i] = rows[i].id;
        x->place[i]  = rows[i].place;
        if (i > 0 && rows[i - 1].id == rows[i].id)
            st = sb_fail(SB_ERR_INTERNAL, "dump: row block %d stands in two shards", rows[i].id);
    }
    free(rows);
    return st;
}

static sb_status gather_rows(const sb_layer_view *v, sbi_gathered *g, sbi_dump_index *x)
{
    sb_status st =
        sbi_gather_bytes(g, v->plan->row_id, x->n_local * (int64_t)sizeof *v->plan->row_id);
    if (st != SB_OK)
        return st;
    int32_t last = g->comm->size - 1;
    x->n_rows    = (g->displ_bytes[last] + g->count_bytes[last]) / (int64_t)sizeof *v->plan->row_id;
    return sb_comm_agree(g->comm, sort_rows(x, g->all));
}

static const int64_t *local_ptr(const sbi_dump_index *x, const sbi_dump_list *l, int64_t head)
{
    return l->csr->row_ptr + head * x->n_local;
}

/* Lengths of the lists of every row, summed up in id order. */
static sb_status gather_row_ptr(sbi_gathered *g, const sbi_dump_index *x, sbi_dump_list *l)
{
    int64_t  *len = calloc((size_t)x->n_local + 1, sizeof *len);
    sb_status st  = SB_OK;
    l->row_ptr    = calloc((size_t)(l->n_heads * x->n_rows) + 1, sizeof *l->row_ptr);
    if (len == NULL || l->row_ptr == NULL)
        st = sb_fail(SB_ERR_NOMEM, "dump: no memory for %lld row pointers",
                     (long long)(l->n_heads * x->n_rows));
    st = sb_comm_agree(g->comm, st);
    for (int64_t h = 0; st == SB_OK && h < l->n_heads; h++) {
        for (int64_t i = 0; i < x->n_local; i++)
            len[i] = local_ptr(x, l, h)[i + 1] - local_ptr(x, l, h)[i];
        if ((st = sbi_gather_bytes(g, len, x->n_local * (int64_t)sizeof *len)) != SB_OK)
            break;
        int64_t *ptr = l->row_ptr + h * x->n_rows;
        for (int64_t i = 0; i < x->n_rows; i++)
            ptr[i + 1] = ptr[i] + ((const int64_t *)g->all)[x->place[i]];
    }
    free(len);
    return st;
}

sb_status sbi_dump_index_gather(const sb_layer_view *v, sbi_dump_index *x)
{
    sbi_gathered g;
    sb_status    st = sbi_gathered_init(&g, v->ctx->comm);
    *x              = (sbi_dump_index){0};
    if (st == SB_OK)
        st = share_rule(v, x);
    if (st == SB_OK && x->tiles.n_heads + x->tokens.n_heads > 0)
        st = gather_rows(v, &g, x);
    if (st == SB_OK && x->tiles.n_heads > 0)
        st = gather_row_ptr(&g, x, &x->tiles);
    if (st == SB_OK && x->tokens.n_heads > 0)
        st = gather_row_ptr(&g, x, &x->tokens);
    sbi_gathered_fini(&g);
    return st;
}

/* One head's ids, rank by rank in g->all, into row order; begin[] is room for the rows' places. */
static void order_ids(const sbi_gathered *g, const sbi_dump_index *x, const int64_t *ptr,
                      int64_t *begin, int32_t *out)
{
    for (int64_t i = 0; i < x->n_rows; i++)
        begin[x->place[i] + 1] = ptr[i + 1] - ptr[i];
    begin[0] = 0;
    for (int64_t i = 0; i < x->n_rows; i++)
        begin[i + 1] += begin[i];
    for (int64_t i = 0; i < x->n_rows; i++)
        memcpy(out + (ptr[i] - ptr[0]), (const int32_t *)g->all + begin[x->place[i]],
               (size_t)(ptr[i + 1] - ptr[i]) * sizeof *out);
}

sb_status sbi_dump_ids(sb_safetensors_out *out, const sb_layer_view *v, const sbi_dump_index *x,
                       const sbi_dump_list *l)
{
    sbi_gathered g;
    int64_t      most = 0, *begin = calloc((size_t)x->n_rows + 1, sizeof *begin);
    for (int64_t h = 0; h < l->n_heads; h++) {
        int64_t n = l->row_ptr[(h + 1) * x->n_rows] - l->row_ptr[h * x->n_rows];
        most      = n > most ? n : most;
    }
    int32_t  *ids = calloc((size_t)most + 1, sizeof *ids);
    sb_status st = sbi_gathered_init(&g, v->ctx->comm), ms = SB_OK;
    if (begin == NULL || ids == NULL)
        ms = sb_fail(SB_ERR_NOMEM, "dump: no memory for %lld ids", (long long)most);
    if (st == SB_OK)
        st = sb_comm_agree(v->ctx->comm, ms);
    for (int64_t h = 0; st == SB_OK && h < l->n_heads; h++) {
        const int64_t *ptr  = l->row_ptr + h * x->n_rows;
        const int32_t *mine = x->n_local > 0 ? l->csr->id + local_ptr(x, l, h)[0] : NULL;
        int64_t n = x->n_local > 0 ? local_ptr(x, l, h)[x->n_local] - local_ptr(x, l, h)[0] : 0;
        if ((st = sbi_gather_bytes(&g, mine, n * (int64_t)sizeof *mine)) == SB_OK && out != NULL) {
            order_ids(&g, x, ptr, begin, ids);
            st = sb_safetensors_write(out, ids, (ptr[x->n_rows] - ptr[0]) * (int64_t)sizeof *ids);
        }
        st = sb_comm_agree(v->ctx->comm, st);
    }
    free(begin);
    free(ids);
    sbi_gathered_fini(&g);
    return st;
}

sb_status sbi_dump_windows(sb_safetensors_out *out, const sb_layer_view *v, const sbi_dump_index *x)
{
    const sb_gid *gid = &v->shape->q_gid;
    int64_t       n = gid->n_tokens, rows = x->window_heads * n;
    int64_t      *first = calloc((size_t)rows + 1, sizeof *first);
    int64_t      *sinks = calloc((size_t)x->window_heads + 1, sizeof *sinks);
    sb_status     st    = SB_OK;
    if (first == NULL || sinks == NULL)
        st = sb_fail(SB_ERR_NOMEM, "dump: no memory for %lld windows", (long long)rows);
    for (int64_t h = 0; st == SB_OK && h < x->window_heads; h++) {
        sinks[h]   = sb_plan_window(v->plan, h).sink_tokens;
        int64_t at = h * n;
        for (int32_t r = 0; r < gid->n_runs; r++)
            for (int64_t i = 0; i < gid->run[r].len; i++)
                first[at++] = sb_plan_row_window(v->plan, h, gid->run[r].start + i).first;
    }
    if (st == SB_OK && out != NULL)
        st = sb_safetensors_write(out, sinks, x->window_heads * (int64_t)sizeof *sinks);
    if ((st = sb_comm_agree(v->ctx->comm, st)) == SB_OK)
        st = sbi_dump_rows(out, v, first, x->window_heads, n * (int64_t)sizeof *first,
                           (int64_t)sizeof *first);
    free(first);
    free(sinks);
    return st;
}
