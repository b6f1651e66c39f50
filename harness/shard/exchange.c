#include "harness/shard/exchange.h"

#include "harness/shard/index.h"
#include "harness/shard/runs.h"

static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

int64_t sbi_exchange_transfers(const sb_team *t)
{
    int64_t in  = t->heads * t->q.most_runs + 2 * t->kv_heads * t->keys.most_runs;
    int64_t out = 2 * t->heads * t->q.most_runs;
    return 2 * (t->size - 1) * (t->stages ? 1 : max_i64(in, out));
}

/* Head i of member p, among the model's `heads`. */
static int64_t head_of(const sb_team *t, int32_t p, int64_t heads, int64_t i)
{
    return p * heads / t->size + i;
}

static char *row_at(const sbi_rows *r, int64_t head, int64_t row)
{
    return r->data + head * r->head_stride_bytes + row * r->row_bytes;
}

static void put(sbi_exchange *x, void *data, int64_t bytes, int32_t p, int32_t is_receive)
{
    x->t[x->n++] = (sb_transfer){data, bytes, x->team->first_rank + p, is_receive};
}

/* ---- run by run ---- */

/* Head i of `whole`, at the tokens of member p. */
static void put_placed(sbi_exchange *x, const sb_spread *s, const sbi_rows *whole, int64_t i,
                       int32_t p, int32_t is_receive)
{
    for (int32_t j = s->first[p]; j < s->first[p + 1]; j++)
        put(x, row_at(whole, i, s->slot[j]), s->part[j].len * whole->row_bytes, p, is_receive);
}

/* Head i of member p in `own`, in the same pieces as the other side has them. */
static void put_own(sbi_exchange *x, const sb_spread *s, const sbi_rows *own, int64_t i, int32_t p,
                    int32_t is_receive)
{
    int64_t at = 0, head = head_of(x->team, p, own->heads, i);
    for (int32_t j = s->first[x->team->place]; j < s->first[x->team->place + 1]; j++) {
        put(x, row_at(own, head, at), s->part[j].len * own->row_bytes, p, is_receive);
        at += s->part[j].len;
    }
}

/* The rows of member p of head i of `whole`, from or to where they lie together. A rank that cannot
 * copy goes on meeting the others: see x->copied. */
static void copy(sbi_exchange *x, const sb_spread *s, const sbi_rows *whole, int64_t i, int32_t p,
                 char *together, int is_in)
{
    int32_t first = s->first[p];
    if (x->copied == SB_OK)
        x->copied = sbi_runs_copy(x->link->backend, is_in ? SBI_RUNS_PLACE : SBI_RUNS_PICK,
                                  s->part + first, s->slot + first, s->first[p + 1] - first,
                                  whole->row_bytes, together, row_at(whole, i, 0), x->stream);
}

/* The heads and tokens that stay here. */
static void copy_kept(sbi_exchange *x, const sb_spread *s, const sbi_rows *own,
                      const sbi_rows *whole, int is_in)
{
    int32_t me = x->team->place;
    for (int64_t i = 0; i < whole->heads; i++)
        copy(x, s, whole, i, me, row_at(own, head_of(x->team, me, own->heads, i), 0), is_in);
}

/* ---- head by head, through the stage ---- */

static char *staged(const sbi_exchange *x, const sb_spread *s, int64_t row_bytes, int32_t p)
{
    int64_t at = 0;
    for (int32_t i = 0; i < p; i++)
        at += s->tokens[i];
    return x->stage + at * row_bytes;
}

/* Between head i of `whole` and the stage, the tokens of all other members. */
static void copy_staged(sbi_exchange *x, const sb_spread *s, const sbi_rows *whole, int64_t i,
                        int is_in)
{
    for (int32_t p = 0; p < s->size; p++)
        if (p != x->team->place)
            copy(x, s, whole, i, p, staged(x, s, whole->row_bytes, p), is_in);
}

/* Also where nothing is to be moved: groups come in the same order on all ranks. */
static sb_status travel(sbi_exchange *x)
{
    int64_t n    = x->n;
    x->n         = 0;
    sb_status st = sb_link_post_alone(x->link, x->t, n, x->stream);
    return st == SB_OK ? sb_link_wait(x->link, x->stream) : st;
}

static sb_status through_stage(sbi_exchange *x, const sb_spread *s, const sbi_rows *own,
                               const sbi_rows *whole, int is_in)
{
    int32_t me  = x->team->place;
    int64_t row = own->row_bytes;
    for (int64_t i = 0; i < whole->heads; i++) {
        if (!is_in)
            copy_staged(x, s, whole, i, 0);
        for (int32_t p = 0; p < s->size; p++) {
            if (p == me)
                continue;
            put(x, row_at(own, head_of(x->team, p, own->heads, i), 0), s->tokens[me] * row, p,
                !is_in);
            put(x, staged(x, s, row, p), s->tokens[p] * row, p, is_in);
        }
        sb_status st = travel(x);
        if (st != SB_OK)
            return st;
        if (is_in)
            copy_staged(x, s, whole, i, 1);
    }
    return SB_OK;
}

static sb_status exchange(sbi_exchange *x, const sb_spread *s, const sbi_rows *own,
                          const sbi_rows *whole, int is_in)
{
    copy_kept(x, s, own, whole, is_in);
    if (x->stage != NULL)
        return through_stage(x, s, own, whole, is_in);
    for (int32_t p = 0; p < s->size; p++)
        for (int64_t i = 0; p != x->team->place && i < whole->heads; i++) {
            put_own(x, s, own, i, p, !is_in);
            put_placed(x, s, whole, i, p, is_in);
        }
    return SB_OK;
}

sb_status sbi_exchange_in(sbi_exchange *x, const sb_spread *s, const sbi_rows *own,
                          const sbi_rows *whole)
{
    return exchange(x, s, own, whole, 1);
}

sb_status sbi_exchange_out(sbi_exchange *x, const sb_spread *s, const sbi_rows *whole,
                           const sbi_rows *own)
{
    return exchange(x, s, own, whole, 0);
}

sb_status sbi_exchange_finish(sbi_exchange *x)
{
    sb_status st = x->stage != NULL ? SB_OK : travel(x);
    return st == SB_OK ? sbi_link_arrive(x->link, x->stream) : st;
}
