/* Residual storage and what the embedding writes: token ids, masks, position and topic features.
 * All of it is a function of (token, global position), so shards and decode rows get the same bits.
 */
#include "harness/model/probe/state.h"
#include "workloads/probe/vocab.h"

#define MAX_HOPS (SB_TOK_NAME_N - 1) /* a chain of h hops needs h + 1 names */

typedef struct storage { /* allocations of one layout; status sticks at the first failure */
    sb_arena *arena;
    int64_t   slots; /* rows and the scratch row */
    sb_status st;
} storage;

static void *take(storage *s, int64_t per_row, size_t bytes, const char *what)
{
    void *p = NULL;
    if (s->st == SB_OK && per_row > 0)
        s->st = sb_arena_alloc(s->arena, s->slots * per_row, bytes, what, &p);
    return p;
}

static int32_t *take_ids(storage *s, const char *what) { return take(s, 1, sizeof(int32_t), what); }

static sb_bf16 *take_bf16(storage *s, int64_t per_row, const char *what)
{
    return take(s, per_row, sizeof(sb_bf16), what);
}

static sb_status check_input(const sb_input *in)
{
    if (in->profile < 0 || in->profile >= SB_PROFILE_COUNT)
        return sb_fail(SB_ERR_INTERNAL, "probe: input of profile %d", (int)in->profile);
    if (in->profile == SB_PROFILE_VT && (in->hops < 1 || in->hops > MAX_HOPS))
        return sb_fail(SB_ERR_USAGE, "probe: a vt input of %d hops, allowed 1 to %d", in->hops,
                       MAX_HOPS);
    return SB_OK;
}

sb_status sb_probe_layout_rows(sb_model *m, const sb_input *in, int64_t rows, sb_arena *a)
{
    sb_probe         *p = m->impl;
    sb_probe_residual r = {.rows = rows, .n_context = in->n_context, .profile = in->profile};
    storage           s = {.arena = a, .slots = rows + 1, .st = check_input(in)};
    int64_t           d = SB_PROBE_DIM;
    int64_t           reads, vt; /* dims where the profile has that subspace, else 0 */
    if (s.st == SB_OK && in->profile == SB_PROFILE_VT)
        r.hops = in->hops;
    reads = in->profile == SB_PROFILE_AGG ? 0 : d;
    vt    = in->profile == SB_PROFILE_VT ? d : 0;
    if (s.st == SB_OK)
        s.st = sb_probe_topics_grow(p, 2 + r.hops);

    r.id       = take_ids(&s, "probe token ids");
    r.value_id = take_ids(&s, "probe value ids");
    r.agg_id   = take_ids(&s, "probe aggregate ids");
    r.salient  = take_ids(&s, "probe salience rows");
    r.bos      = take_bf16(&s, 1, "probe BOS flags");
    r.phi      = take_bf16(&s, d, "probe positions");
    r.topic    = take_bf16(&s, SB_PROBE_TOPIC, "probe topics");
    for (int i = 0; i < 3; i++)
        r.prev[i] = take_bf16(&s, reads, "probe P1..P3");
    r.loc       = take_bf16(&s, reads / 2, "probe LOC");
    r.hop       = take_bf16(&s, vt * r.hops, "probe R_1..R_h");
    r.out_ngram = take_bf16(&s, reads, "probe OUT");
    r.out_var   = take_bf16(&s, vt, "probe OUT of names");
    r.agr       = take_bf16(&s, in->profile == SB_PROFILE_RET ? 0 : d, "probe AGR");
    if (s.st == SB_OK && !a->counting) /* counting must not disturb the input in flight */
        p->res = r;
    return s.st;
}

sb_status sb_probe_layout(sb_model *m, const sb_input *in, int64_t rows, sb_arena *a)
{
    static const sb_bf16 one = 0x3F80;
    sb_probe            *p   = m->impl;
    sb_status            st  = sb_probe_layout_rows(m, in, rows, a);
    if (st == SB_OK && !a->counting)
        p->tab = (sb_probe_tables){.content   = p->codes.content,
                                   .salience  = p->codes.salience,
                                   .one       = &one,
                                   .eq_code   = p->eq_code,
                                   .topic_map = p->topic_map,
                                   .turn      = p->turn,
                                   .permute   = p->permute};
    return st;
}

sb_status sb_probe_check_token(int32_t id, int64_t pos)
{
    if (id < 0 || id >= SB_TOK_VOCAB)
        return sb_fail(SB_ERR_USAGE, "probe: token id %d at position %lld, allowed 0 to %d", id,
                       (long long)pos, SB_TOK_VOCAB - 1);
    return SB_OK;
}

static int32_t only(int32_t id, int32_t base, int32_t n)
{
    return id >= base && id < base + n ? id : SB_TOK_BOS;
}

static void embed_row(const sb_probe *p, int64_t row, int32_t id, int64_t pos)
{
    const sb_probe_residual *r = &p->res;
    r->id[row]                 = id;
    r->value_id[row]           = only(id, SB_TOK_VAL, SB_TOK_VAL_N);
    r->agg_id[row]             = only(id, SB_TOK_AGG, SB_TOK_AGG_N);
    r->salient[row]            = pos >= r->n_context ? SB_TOK_VOCAB + id : id;
    r->bos[row]                = sb_bf16_from_f32(pos == 0 ? 1.0f : 0.0f);
    sb_probe_phi(&p->waves, pos, r->phi + row * SB_PROBE_DIM);
    sb_probe_topic(&p->waves, pos, r->topic + row * SB_PROBE_TOPIC);
}

sb_status sb_probe_check_tokens(const sb_probe *p, const sb_input *in, const sb_gid *gid)
{
    int64_t first = 0;
    if (gid->n_tokens != p->res.rows)
        return sb_fail(SB_ERR_INTERNAL, "probe: %lld tokens to embed, room laid out for %lld",
                       (long long)gid->n_tokens, (long long)p->res.rows);
    for (int32_t i = 0; i < gid->n_runs; i++) {
        const sb_run *run = &gid->run[i];
        sb_status     st  = SB_OK;
        if (run->start < 0 || run->len < 0 || run->start + run->len > in->n_tokens ||
            first + run->len > p->res.rows)
            return sb_fail(SB_ERR_INTERNAL, "probe: tokens %lld to %lld of an input of %lld",
                           (long long)run->start, (long long)(run->start + run->len - 1),
                           (long long)in->n_tokens);
        for (int64_t t = 0; st == SB_OK && t < run->len; t++)
            st = sb_probe_check_token(in->ids[run->start + t], run->start + t);
        if (st != SB_OK)
            return st;
        first += run->len;
    }
    return SB_OK;
}

sb_status sb_probe_embed(sb_model *m, const sb_input *in, const sb_gid *gid)
{
    sb_probe *p     = m->impl;
    int64_t   first = 0;
    sb_status st    = sb_probe_check_tokens(p, in, gid);
    for (int32_t i = 0; st == SB_OK && i < gid->n_runs; i++) {
        const sb_run *run = &gid->run[i];
#pragma omp parallel for schedule(static)                                                          \
    num_threads(p->threads) if (p->threads > 1 && run->len >= 256)
        for (int64_t t = 0; t < run->len; t++)
            embed_row(p, first + t, in->ids[run->start + t], run->start + t);
        first += run->len;
    }
    return st;
}

sb_status sb_probe_embed_one(sb_model *m, const sb_input *in, int32_t id, int64_t pos)
{
    sb_probe *p  = m->impl;
    sb_status st = sb_probe_check_token(id, pos);
    (void)in;
    if (st == SB_OK)
        embed_row(p, p->res.rows, id, pos);
    return st;
}
