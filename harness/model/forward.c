#include "harness/model/forward.h"

#include <stdlib.h>
#include <string.h>

struct sb_forward {
    sb_forward_config cfg;
    const sb_input   *in;
    sb_model_shape    shape;
    sb_map            map;
    sb_gid            gid; /* this rank's prompt tokens */
    sb_arena          arena;
    sb_cache         *caches; /* [n_layers] */
    sb_shard          shard;
    sb_tensor         q, o;
    float            *lse;
    sb_tensor         q1, o1, k1, v1; /* one token: decode */
    float            *row;            /* what the next token is read from, the same on all ranks */
    float            *row_mark;
    size_t            scratch_mark; /* the arena is given back to here between calls */
};

/* ---- storage ---- */

static sb_tensor tensor(sb_dtype t, int64_t heads, int64_t tokens, int64_t dim)
{
    return (sb_tensor){
        .dtype = t, .heads = heads, .tokens = tokens, .dim = dim, .head_stride = tokens * dim};
}

static sb_status tensor_alloc(sb_tensor *t, sb_arena *a, const char *what)
{
    return sb_arena_alloc(a, t->heads * t->head_stride, (size_t)sb_dtype_bytes(t->dtype), what,
                          &t->data);
}

static sb_ctx context(sb_forward *f, int32_t layer, sb_phase_times *times)
{
    return (sb_ctx){.backend  = f->cfg.backend,
                    .comm     = f->cfg.comm,
                    .arena    = &f->arena,
                    .phases   = times,
                    .layer    = layer,
                    .n_layers = f->shape.n_layers,
                    .threads  = f->cfg.threads};
}

static sb_shape prefill_shape(const sb_forward *f)
{
    return (sb_shape){.q_gid    = f->gid,
                      .n_keys   = f->in->n_tokens,
                      .heads    = f->shape.heads,
                      .kv_heads = f->shape.kv_heads,
                      .head_dim = f->shape.head_dim};
}

static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

static int carries_state(const sb_method *m) { return (m->caps & SB_CAP_STATE) != 0; }

/* Prefill and decode are the same method with the same parameters, or one of them keeps nothing. */
static int64_t state_bytes(const sb_forward *f)
{
    const sb_method *p = f->cfg.method, *d = f->cfg.decode_method;
    sb_shape         shape = prefill_shape(f);
    return max_i64(p->state_bytes == NULL ? 0 : p->state_bytes(f->cfg.method_params, &shape),
                   d->state_bytes == NULL ? 0 : d->state_bytes(f->cfg.decode_params, &shape));
}

/* 1: no rank has all keys after a prefill, each its own. */
static int keeps_apart(const sb_forward *f)
{
    return (carries_state(f->cfg.method) || f->cfg.ring) && f->cfg.comm->size > 1;
}

static sb_status lay_out_shard(sb_forward *f)
{
    const sb_model_shape *s     = &f->shape;
    int                   state = carries_state(f->cfg.method);
    sb_status             st;
    if (state || !f->cfg.ring)
        return (state && !f->cfg.compares ? sb_shard_layout_local : sb_shard_layout)(
            &f->shard, &f->arena, &f->map, f->cfg.comm, s->heads, s->kv_heads, s->head_dim);
    st = sb_shard_layout_ring(&f->shard, &f->arena, &f->map, f->cfg.comm, s->heads, s->kv_heads,
                              s->head_dim);
    if (st == SB_OK && f->cfg.compares)
        st = sb_shard_layout_gather(&f->shard, &f->arena);
    f->shard.link = f->cfg.link;
    return st;
}

/* Everything that outlives a call, in one order, over whichever arena f->arena is. */
static sb_status lay_out(sb_forward *f)
{
    const sb_model_shape *s    = &f->shape;
    sb_arena             *a    = &f->arena;
    int64_t               rows = f->gid.n_tokens;
    void                 *p    = NULL;
    sb_status             st;

    if ((st = f->cfg.model->ops->layout(f->cfg.model, f->in, rows, a)) != SB_OK)
        return st;
    /* A decode token may open a run of its own, and any rank may come to own all of them. */
    for (int32_t l = 0; l < s->n_layers; l++)
        if ((st = sb_cache_layout(&f->caches[l], a, s->kv_heads, s->head_dim, rows + f->in->n_feed,
                                  f->gid.n_runs + (int32_t)f->in->n_feed)) != SB_OK ||
            (st = sb_cache_layout_state(&f->caches[l], a, state_bytes(f))) != SB_OK)
            return st;
    f->q  = tensor(SB_BF16, s->heads, rows, s->head_dim);
    f->o  = f->q;
    f->q1 = tensor(SB_BF16, s->heads, 1, s->head_dim);
    f->o1 = f->q1;
    f->k1 = tensor(SB_BF16, s->kv_heads, 1, s->head_dim);
    f->v1 = f->k1;
    if ((st = tensor_alloc(&f->q, a, "queries")) != SB_OK ||
        (st = tensor_alloc(&f->o, a, "attention output")) != SB_OK ||
        (st = tensor_alloc(&f->q1, a, "query of a decode step")) != SB_OK ||
        (st = tensor_alloc(&f->o1, a, "output of a decode step")) != SB_OK ||
        (st = tensor_alloc(&f->k1, a, "key of a decode step")) != SB_OK ||
        (st = tensor_alloc(&f->v1, a, "value of a decode step")) != SB_OK ||
        (st = sb_arena_alloc(a, s->heads * rows, sizeof(float), "LSE", &p)) != SB_OK)
        return st;
    f->lse = p;
    if ((st = sb_arena_alloc(a, f->cfg.model->ops->row_values, sizeof(float), "output row", &p)) !=
        SB_OK)
        return st;
    f->row = p;
    if ((st = sb_arena_alloc(a, f->cfg.model->ops->row_values, sizeof(float), "marked output row",
                             &p)) != SB_OK)
        return st;
    f->row_mark = p;
    f->q.gid = f->o.gid = f->gid;
    if ((st = lay_out_shard(f)) != SB_OK)
        return st;
    f->scratch_mark = sb_arena_mark(a);
    return SB_OK;
}

/* What the calls of one layer take on top and give back: the index of the prefill, or that of a
 * decode step. */
static sb_status lay_out_layer(sb_forward *f, int32_t layer)
{
    sb_ctx                ctx     = context(f, layer, NULL);
    sb_run                one     = {f->in->n_tokens + f->in->n_feed, 1};
    sb_shape              prefill = prefill_shape(f);
    sb_shape              decode  = prefill;
    decode.q_gid                  = (sb_gid){.run = &one, .n_runs = 1, .n_tokens = 1};
    decode.n_keys                 = one.start + 1;
    decode.is_decode              = 1;
    sb_status st =
        sb_shard_layout_method(&f->shard, &ctx, f->cfg.method, f->cfg.method_params, &prefill);
    sb_arena_reset(&f->arena, f->scratch_mark);
    if (st == SB_OK && f->in->n_feed > 0)
        st = sb_shard_layout_method(&f->shard, &ctx, f->cfg.decode_method, f->cfg.decode_params,
                                    &decode);
    sb_arena_reset(&f->arena, f->scratch_mark);
    return st;
}

/* Layers may differ: a method's plan file has a line for each. */
static sb_status lay_out_calls(sb_forward *f)
{
    sb_status st = SB_OK;
    for (int32_t l = 0; st == SB_OK && l < f->shape.n_layers; l++)
        st = lay_out_layer(f, l);
    return st;
}

static sb_status init(sb_forward *f, const sb_forward_config *cfg, const sb_input *in)
{
    sb_status st;
    *f = (sb_forward){.cfg = *cfg, .in = in};
    if ((st = cfg->model->ops->shape(cfg->model, in, &f->shape)) != SB_OK)
        return st;
    /* Decode may use another method, but the shards are the same: runs must suit both. Quanta
     * divide one another or are multiplied. */
    int64_t a       = cfg->method->quantum_tokens(cfg->method_params);
    int64_t b       = cfg->decode_method->quantum_tokens(cfg->decode_params);
    int64_t quantum = max_i64(a, b) % (a < b ? a : b) == 0 ? max_i64(a, b) : a * b;
    if ((st = sb_map_create(cfg->layout, in->n_tokens, quantum, cfg->comm->size, &f->map)) != SB_OK)
        return st;
    f->map.decode_stays = carries_state(cfg->decode_method);

    f->gid    = sb_map_gid(&f->map, cfg->comm->rank);
    f->caches = calloc((size_t)f->shape.n_layers, sizeof *f->caches);
    if (f->caches == NULL)
        return sb_fail(SB_ERR_NOMEM, "forward pass: no memory for %d layers", f->shape.n_layers);
    return SB_OK;
}

static void fini(sb_forward *f)
{
    sb_map_fini(&f->map);
    free(f->caches);
}

sb_status sb_forward_bytes(const sb_forward_config *cfg, const sb_input *in, size_t *bytes)
{
    sb_forward f;
    sb_status  st = init(&f, cfg, in);
    if (st == SB_OK) {
        sb_arena_init_count(&f.arena);
        if ((st = lay_out(&f)) == SB_OK && (st = lay_out_calls(&f)) == SB_OK)
            *bytes = f.arena.high_water_bytes;
    }
    fini(&f);
    return st;
}

sb_status sb_forward_create(const sb_forward_config *cfg, const sb_input *in, void *block,
                            size_t block_bytes, sb_forward **out)
{
    sb_status   st;
    sb_forward *f = calloc(1, sizeof *f);
    if (f == NULL)
        return sb_fail(SB_ERR_NOMEM, "forward pass: no memory for the handle");
    if ((st = init(f, cfg, in)) == SB_OK) {
        sb_arena_init(&f->arena, block, block_bytes, cfg->arena_flags);
        st = lay_out(f);
    }
    if (st != SB_OK) {
        sb_forward_destroy(f);
        return st;
    }
    *out = f;
    return SB_OK;
}

void sb_forward_destroy(sb_forward *f)
{
    if (f == NULL)
        return;
    fini(f);
    free(f);
}

size_t sb_forward_high_water(const sb_forward *f) { return f->arena.high_water_bytes; }

int sb_forward_canaries_intact(const sb_forward *f) { return sb_arena_canaries_intact(&f->arena); }

/* ---- prefill ---- */

static int stop_asked(const sb_forward *f)
{
    return f->cfg.should_stop != NULL && f->cfg.should_stop(f->cfg.stop_arg);
}

/* Rows [slot, slot + rows) of a cache tensor as a tensor of their own, in the cache's storage. */
static sb_tensor cache_rows(const sb_tensor *t, int64_t slot, int64_t rows)
{
    sb_tensor r = *t;
    r.data      = sb_tensor_bf16(t, 0, slot);
    r.tokens    = rows;
    return r;
}

static sb_status fill_cache(sb_forward *f, int32_t layer)
{
    sb_cache *c    = &f->caches[layer];
    int64_t   slot = 0;
    sb_cache_reset(c);
    for (int32_t r = 0; r < f->gid.n_runs; r++) {
        sb_status st = sb_cache_extend(c, f->gid.run[r].start, f->gid.run[r].len, &slot);
        if (st != SB_OK)
            return st;
    }
    c->n_global = f->in->n_tokens;
    sb_tensor k = cache_rows(&c->k, 0, f->gid.n_tokens), v = cache_rows(&c->v, 0, f->gid.n_tokens);
    return f->cfg.model->ops->qkv(f->cfg.model, layer, 0, &f->q, &k, &v);
}

/* Let somebody look at a layer. What the look moves and how long it takes is not the method's: both
 * are kept out. */
static sb_status show_layer(sb_forward *f, sb_ctx *ctx, sb_layer_fn look, void *look_arg,
                            int64_t *look_ns)
{
    const sb_model_shape *s     = &f->shape;
    int64_t               t0    = sb_now_ns();
    sb_comm_stats         moved = f->cfg.comm->stats;
    sb_shape              shape = prefill_shape(f);
    const sb_cache       *cache = &f->caches[ctx->layer];
    int                   local = keeps_apart(f);
    sb_layer_view         view  = {.layer    = ctx->layer,
                                   .n_layers = s->n_layers,
                                   .method   = f->cfg.method,
                                   .shape    = &shape,
                                   .plan     = &f->shard.plan,
                                   .q        = &f->q,
                                   .k        = local ? &cache->k : &f->shard.k_all,
                                   .v        = local ? &cache->v : &f->shard.v_all,
                                   .o        = &f->o,
                                   .lse      = f->lse,
                                   .ctx      = ctx,
                                   .scale    = s->scale};
    sb_status             st    = SB_OK;
    if (local && f->cfg.compares) {
        st     = sb_shard_gather_keys(&f->shard, f->cfg.comm, cache);
        view.k = &f->shard.k_all;
        view.v = &f->shard.v_all;
    }
    if (st == SB_OK)
        st = look(look_arg, &view);
    st                 = sb_comm_agree(f->cfg.comm, st);
    f->cfg.comm->stats = moved;
    *look_ns += sb_now_ns() - t0;
    return st;
}

static sb_status run_layer(sb_forward *f, int32_t layer, sb_phase_times *times, sb_layer_fn look,
                           void *look_arg, int64_t *look_ns)
{
    sb_ctx    ctx = context(f, layer, times);
    sb_status st  = stop_asked(f)
                        ? sb_fail(SB_ERR_STOPPED, "stopped inside a sample, in layer %d", layer)
                        : fill_cache(f, layer);
    if ((st = sb_comm_agree(f->cfg.comm, st)) != SB_OK)
        return st;
    st = sb_shard_prefill(&f->shard, &ctx, f->cfg.method, f->cfg.method_params, &f->q,
                          &f->caches[layer], f->shape.scale, &f->o, f->lse);
    if (st == SB_OK && look != NULL)
        st = show_layer(f, &ctx, look, look_arg, look_ns);
    return st != SB_OK ? st : f->cfg.model->ops->absorb(f->cfg.model, layer, 0, &f->o);
}

/* The last prompt token's owner shares the row that the first answer token is read from. */
static sb_status share_last_row(sb_forward *f)
{
    const sb_model_ops *ops   = f->cfg.model->ops;
    int64_t             last  = f->in->n_tokens - 1;
    int32_t             owner = sb_map_owner(&f->map, last);
    if (owner == f->cfg.comm->rank) /* it is the last token of its shard too: runs ascend */
        ops->row(f->cfg.model, f->gid.n_tokens - 1, f->row);
    return sb_comm_bcast(f->cfg.comm, f->row, ops->row_values * (int64_t)sizeof *f->row, owner);
}

sb_status sb_forward_prefill(sb_forward *f, sb_phase_times *times, sb_layer_fn look, void *look_arg)
{
    int64_t   look_ns = 0;
    sb_status st      = sb_comm_barrier(f->cfg.comm);
    int64_t   t0      = sb_now_ns();
    if (st != SB_OK)
        return st;
    if ((st = sb_comm_agree(f->cfg.comm, f->cfg.model->ops->embed(f->cfg.model, f->in, &f->gid))) !=
        SB_OK)
        return st;
    for (int32_t l = 0; l < f->shape.n_layers; l++) {
        st = run_layer(f, l, times, look, look_arg, &look_ns);
        if ((st = sb_comm_agree(f->cfg.comm, st)) != SB_OK)
            return st;
    }
    if ((st = share_last_row(f)) != SB_OK)
        return st;
    sb_phase_add(times, SB_PHASE_PREFILL, t0 + look_ns);
    return SB_OK;
}

/* ---- decode ---- */

/* q, k, v of the new token in one layer. Every rank computes them alike; the token's owner keeps k
 * and v. */
static sb_status append(sb_forward *f, int32_t layer, int64_t pos)
{
    sb_cache *c     = &f->caches[layer];
    int64_t   slot  = 0;
    size_t    bytes = (size_t)f->shape.head_dim * sizeof(sb_bf16);
    sb_status st    = f->cfg.model->ops->qkv(f->cfg.model, layer, 1, &f->q1, &f->k1, &f->v1);
    c->n_global     = pos + 1;
    if (st != SB_OK || sb_map_decode_owner(&f->map, pos) != f->cfg.comm->rank)
        return st;
    if ((st = sb_cache_extend(c, pos, 1, &slot)) != SB_OK)
        return st;
    for (int64_t h = 0; h < f->shape.kv_heads; h++) {
        memcpy(sb_tensor_bf16(&c->k, h, slot), sb_tensor_bf16(&f->k1, h, 0), bytes);
        memcpy(sb_tensor_bf16(&c->v, h, slot), sb_tensor_bf16(&f->v1, h, 0), bytes);
    }
    return SB_OK;
}

/* Append one token and move the row onto it. A failure is carried to the next agreement, so that no
 * rank waits alone. */
static sb_status feed(sb_forward *f, int32_t id)
{
    const sb_model_ops *ops = f->cfg.model->ops;
    int64_t             pos = f->caches[0].n_global;
    sb_status           st  = ops->embed_one(f->cfg.model, f->in, id, pos);
    for (int32_t l = 0; l < f->shape.n_layers; l++) {
        sb_ctx ctx = context(f, l, NULL);
        if (st == SB_OK)
            st = append(f, l, pos);
        if ((st = sb_comm_agree(f->cfg.comm, st)) != SB_OK)
            return st;
        st = sb_shard_decode(&f->shard, &ctx, f->cfg.decode_method, f->cfg.decode_params, &f->q1,
                             pos, &f->caches[l], f->shape.scale, &f->o1);
        if (st != SB_OK)
            return st;
        st = ops->absorb(f->cfg.model, l, 1, &f->o1);
    }
    if ((st = sb_comm_agree(f->cfg.comm, st)) == SB_OK)
        ops->row(f->cfg.model, -1, f->row);
    return st;
}

static void mark(sb_forward *f)
{
    for (int32_t l = 0; l < f->shape.n_layers; l++)
        sb_cache_mark(&f->caches[l]);
    memcpy(f->row_mark, f->row, (size_t)f->cfg.model->ops->row_values * sizeof *f->row);
}

static void rollback(sb_forward *f)
{
    for (int32_t l = 0; l < f->shape.n_layers; l++)
        sb_cache_rollback(&f->caches[l]);
    memcpy(f->row, f->row_mark, (size_t)f->cfg.model->ops->row_values * sizeof *f->row);
}

/* Ranks on different CPUs could round differently and choose apart: rank 0's choice counts. */
static sb_status choose(sb_forward *f, const sb_script_op *op, const int32_t *exclude,
                        int64_t n_exclude, int32_t *id)
{
    *id = f->cfg.model->ops->argmax(f->cfg.model, f->row, op->a, op->b, exclude, n_exclude);
    return sb_comm_bcast(f->cfg.comm, id, (int64_t)sizeof *id, 0);
}

sb_status sb_forward_decode(sb_forward *f, int32_t *emitted, int64_t *step_ns)
{
    sb_status st      = SB_OK;
    int64_t   n       = 0; /* emitted so far */
    int64_t   first   = 0; /* first emission of the present row: later ones exclude it */
    int64_t   step    = 0;
    int32_t  *answers = malloc((size_t)(f->in->n_emit + 1) * sizeof *answers);
    if (answers == NULL)
        return sb_fail(SB_ERR_NOMEM, "decode: no memory for %lld answers",
                       (long long)f->in->n_emit);
    mark(f);
    for (int64_t i = 0; st == SB_OK && i < f->in->n_script; i++) {
        const sb_script_op *op = &f->in->script[i];
        int64_t             t0 = sb_now_ns();
        switch (op->kind) {
        case SB_SCRIPT_EMIT:
            st = choose(f, op, answers + first, n - first, &answers[n]);
            n++;
            break;
        case SB_SCRIPT_FEED:
        case SB_SCRIPT_FEED_EMIT:
            st = feed(f, op->kind == SB_SCRIPT_FEED ? op->a : answers[op->a]);
            if (step_ns != NULL)
                step_ns[step] = sb_now_ns() - t0;
            step++;
            first = n;
            break;
        case SB_SCRIPT_MARK:
            mark(f);
            break;
        case SB_SCRIPT_ROLLBACK:
            rollback(f);
            first = n;
            break;
        default:
            st = sb_fail(SB_ERR_INTERNAL, "decode script: unknown step %d", (int)op->kind);
        }
    }
    if (st == SB_OK && emitted != NULL)
        memcpy(emitted, answers, (size_t)n * sizeof *answers);
    free(answers);
    return st;
}
