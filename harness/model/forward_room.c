/* Storage of a forward pass, counted and real over the same code. */
#include <stdlib.h>

#include "harness/model/forward_parts.h"
#include "harness/shard/deal.h"

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

sb_ctx sbi_forward_ctx(sb_forward *f, int32_t layer, sb_phase_times *times)
{
    return (sb_ctx){.backend  = f->cfg.backend,
                    .comm     = f->cfg.comm,
                    .arena    = &f->arena,
                    .phases   = times,
                    .layer    = f->calls[layer].prefill.layer,
                    .n_layers = f->calls[layer].prefill.n_layers,
                    .threads  = f->cfg.threads};
}

sb_shape sbi_forward_shape(const sb_forward *f)
{
    return (sb_shape){.q_gid    = f->gid,
                      .n_keys   = f->in->n_tokens,
                      .heads    = f->shape.heads,
                      .kv_heads = f->shape.kv_heads,
                      .head_dim = f->shape.head_dim};
}

static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

/* Plans made on the host read a state there; what attends or plans on a device has it there. */
static int state_is_there(const sb_forward *f, const sb_method *m)
{
    return sbi_on_device(f) && m->state_bytes != NULL &&
           (sbi_carries_state(m) || sb_device_plans(f->cfg.backend, m));
}

/* Where one room serves all layers, of any of them. */
static int state_of_layer_is_there(const sb_forward *f, int32_t layer)
{
    int32_t begin = f->in->n_feed == 0 ? 0 : layer;
    int32_t end   = f->in->n_feed == 0 ? f->shape.n_layers : layer + 1;
    for (int32_t l = begin; l < end; l++)
        if (state_is_there(f, f->calls[l].prefill.method) ||
            state_is_there(f, f->calls[l].decode.method))
            return 1;
    return 0;
}

static sb_status lay_out_caches(sb_forward *f, sb_arena *data)
{
    const sb_model_shape *s    = &f->shape;
    int64_t               rows = f->gid.n_tokens;
    /* A decode token may open a run of its own, and any rank may come to own all of them. */
    for (int32_t l = 0; l < s->n_layers; l++) {
        sb_cache *c = &f->caches[l];
        if (l > 0 && f->in->n_feed == 0) { /* no step asks for a layer again: one room for all */
            *c = f->caches[0];
            continue;
        }
        int       there = state_of_layer_is_there(f, l);
        sb_status st =
            sb_cache_layout_on(c, data, &f->arena, s->kv_heads, s->head_dim, rows + f->in->n_feed,
                               f->gid.n_runs + (int32_t)f->in->n_feed);
        if (st == SB_OK)
            st = sb_cache_layout_state(c, there ? data : &f->arena, sbi_forward_state_bytes(f, l));
        if (st != SB_OK)
            return st;
        c->state_memory = there ? f->cfg.backend : NULL;
    }
    return SB_OK;
}

static sb_status lay_out_rows(sb_forward *f, sb_arena *data)
{
    const sb_model_shape *s    = &f->shape;
    int64_t               rows = f->gid.n_tokens;
    void                 *lse  = NULL;
    sb_status             st;
    f->q  = tensor(SB_BF16, s->heads, rows, s->head_dim);
    f->o  = f->q;
    f->q1 = tensor(SB_BF16, s->heads, 1, s->head_dim);
    f->o1 = f->q1;
    f->k1 = tensor(SB_BF16, s->kv_heads, 1, s->head_dim);
    f->v1 = f->k1;
    if ((st = tensor_alloc(&f->q, data, "queries")) != SB_OK ||
        (st = tensor_alloc(&f->o, data, "attention output")) != SB_OK ||
        (st = tensor_alloc(&f->q1, data, "query of a decode step")) != SB_OK ||
        (st = tensor_alloc(&f->o1, data, "output of a decode step")) != SB_OK ||
        (st = tensor_alloc(&f->k1, data, "key of a decode step")) != SB_OK ||
        (st = tensor_alloc(&f->v1, data, "value of a decode step")) != SB_OK ||
        (!sbi_shares_heads(f) && /* nobody reads it: a look finds that of its heads */
         (st = sb_arena_alloc(data, s->heads * rows, sizeof(float), "LSE", &lse)) != SB_OK))
        return st;
    if (sbi_on_device(f)) {
        void *step = NULL;
        if ((st = sb_arena_alloc(data, 1, sizeof *f->steps.there, "place of a decode step",
                                 &step)) != SB_OK)
            return st;
        f->steps.there = step;
    }
    f->lse   = lse;
    f->q.gid = f->o.gid = f->gid;
    return SB_OK;
}

/* Host memory for a look that compares rows of a layer on a device. */
static sb_status lay_out_copy(sb_forward *f)
{
    const sb_model_shape *s    = &f->shape;
    int64_t               rows = f->gid.n_tokens;
    sb_arena             *a    = &f->arena;
    void                 *lse  = NULL;
    sb_status             st;
    f->copy.q     = tensor(SB_BF16, s->heads, rows, s->head_dim);
    f->copy.k     = tensor(SB_BF16, s->kv_heads, rows, s->head_dim);
    f->copy.q.gid = f->copy.k.gid = f->gid;
    f->copy.v                     = f->copy.k;
    f->copy.o                     = f->copy.q;
    if (!f->cfg.compares || sbi_looks_there(f))
        return SB_OK;
    if (sbi_shares_heads(f) && f->team.teams == 1) /* the shard has room for what the method saw */
        return SB_OK;
    if ((st = tensor_alloc(&f->copy.k, a, "keys to look at")) != SB_OK ||
        (st = tensor_alloc(&f->copy.v, a, "values to look at")) != SB_OK ||
        sbi_shares_heads(f)) /* of several teams, but for keys, which are gathered */
        return st;
    if ((st = tensor_alloc(&f->copy.q, a, "queries to look at")) != SB_OK ||
        (st = tensor_alloc(&f->copy.o, a, "outputs to look at")) != SB_OK ||
        (st = sb_arena_alloc(a, s->heads * rows, sizeof(float), "LSE to look at", &lse)) != SB_OK)
        return st;
    f->copy.lse = lse;
    return SB_OK;
}

static sb_status lay_out_output_rows(sb_forward *f)
{
    void     *p  = NULL;
    sb_status st = sb_arena_alloc(&f->arena, f->ops->row_values, sizeof(float), "output row", &p);
    if (st != SB_OK)
        return st;
    f->row = p;
    st     = sb_arena_alloc(&f->arena, f->ops->row_values, sizeof(float), "marked output row", &p);
    f->row_mark = p;
    return st;
}

sb_scheme_call sbi_forward_scheme(const sb_forward *f)
{
    const sb_model_shape *s = &f->shape;
    return (sb_scheme_call){.use       = f->cfg.use,
                            .method    = f->cfg.method,
                            .params    = f->cfg.method_params,
                            .map       = &f->map,
                            .comm      = f->cfg.comm,
                            .team      = &f->team,
                            .link      = f->cfg.link,
                            .heads     = s->heads,
                            .kv_heads  = s->kv_heads,
                            .head_dim  = s->head_dim,
                            .compares  = f->cfg.compares,
                            .on_device = sbi_on_device(f)};
}

/* Everything that outlives a call, in one order, over whichever arenas f's are. */
static sb_status lay_out(sb_forward *f)
{
    sb_arena      *data   = sbi_on_device(f) ? &f->room : &f->arena;
    sb_scheme_call scheme = sbi_forward_scheme(f);
    sb_status      st;
    if ((st = f->ops->layout(f->cfg.model, f->in, f->gid.n_tokens, data)) != SB_OK ||
        (st = lay_out_caches(f, data)) != SB_OK || (st = lay_out_rows(f, data)) != SB_OK ||
        (st = lay_out_output_rows(f)) != SB_OK ||
        (st = sb_scheme_layout(&scheme, data, &f->arena, &f->shard)) != SB_OK)
        return st;
    if (sbi_on_device(f) && (st = lay_out_copy(f)) != SB_OK)
        return st;
    f->shard.device = f->device;
    f->scratch_mark = sb_arena_mark(&f->arena);
    return SB_OK;
}

/* What a call takes on top and gives back: on the host its index, on a device *there. */
static sb_status lay_out_call(sb_forward *f, int32_t layer, const sb_method *m, const void *params,
                              const sb_shape *shape, sb_device_room *there)
{
    sb_ctx   ctx           = sbi_forward_ctx(f, layer, NULL);
    sb_arena index         = f->arena;
    ctx.arena              = &index;
    index.high_water_bytes = f->scratch_mark;
    sb_status st           = sb_shard_layout_method(&f->shard, &ctx, m, params, shape);
    if (index.high_water_bytes > f->arena.high_water_bytes)
        f->arena.high_water_bytes = index.high_water_bytes;
    sb_shape call;
    if (st != SB_OK || !sbi_on_device(f) ||
        !sb_shard_shape_on_device(&f->shard, f->cfg.backend, m, shape, &call))
        return st;
    if (f->cfg.comm->size > 1 && sb_device_plans(f->cfg.backend, m))
        ctx.comm = NULL;
    if (shape->is_decode && sbi_steps_refusal(f) == NULL)
        ctx.step = &f->steps.here; /* there is no device memory yet */
    return sb_device_call_count(&ctx, m, params, &call, index.high_water_bytes - f->scratch_mark,
                                !shape->is_decode, there);
}

/* Layers may differ: a method's plan file has a line for each. */
static sb_status lay_out_calls(sb_forward *f, sb_device_room *there)
{
    sb_run    one     = {f->in->n_tokens + f->in->n_feed, 1};
    sb_shape  prefill = sbi_forward_shape(f);
    sb_shape  decode  = prefill;
    sb_status st      = SB_OK;
    decode.q_gid      = (sb_gid){.run = &one, .n_runs = 1, .n_tokens = 1};
    decode.n_keys     = one.start + 1;
    decode.is_decode  = 1;
    for (int32_t l = 0; st == SB_OK && l < f->shape.n_layers; l++) {
        const sb_model_layer *p = &f->calls[l].prefill, *d = &f->calls[l].decode;
        st = lay_out_call(f, l, p->method, p->params, &prefill, there);
        if (st == SB_OK && f->in->n_feed > 0)
            st = lay_out_call(f, l, d->method, d->params, &decode, there);
    }
    return st;
}

/* Can this model and these ranks work there? */
static sb_status init_device(sb_forward *f)
{
    const sb_backend *b     = f->cfg.backend;
    int32_t           ranks = f->cfg.comm->size;
    sb_model_shape    s;
    sb_status         st;
    f->ops              = b->id == SB_CUDA ? f->cfg.model->ops->cuda : NULL;
    if (f->ops == NULL)
        return sb_fail(SB_ERR_UNSUPPORTED, "model %s has no %s implementation in this build",
                       f->cfg.model->ops->name, b->name);
    if (f->ops->shape != NULL && (st = f->ops->shape(f->cfg.model, f->in, &s)) != SB_OK)
        return st; /* it says why not there */
    if ((st = f->cfg.model->ops->shape(f->cfg.model, f->in, &s)) != SB_OK)
        return st;
    f->cfg.use = sb_scheme_on_device(f->cfg.use, f->cfg.method, ranks, s.kv_heads);
    st         = sb_scheme_check_device(f->cfg.use, f->cfg.method, b, ranks, s.kv_heads);
    return st == SB_OK && f->in->n_feed > 0 ? sb_shard_check_decode(b, f->cfg.decode_method, ranks)
                                            : st;
}

static sb_status init(sb_forward *f, const sb_forward_config *cfg, const sb_input *in)
{
    sb_status st;
    *f = (sb_forward){.cfg = *cfg, .in = in, .ops = cfg->model->ops};
    if (sbi_on_device(f) && (st = init_device(f)) != SB_OK)
        return st;
    if ((st = cfg->model->ops->shape(cfg->model, in, &f->shape)) != SB_OK)
        return st;
    /* Decode may use another method, but the shards are the same: runs must suit both. Quanta
     * divide one another or are multiplied. */
    int64_t a       = cfg->method->quantum_tokens(cfg->method_params);
    int64_t b       = cfg->decode_method->quantum_tokens(cfg->decode_params);
    int64_t quantum = max_i64(a, b) % (a < b ? a : b) == 0 ? max_i64(a, b) : a * b;
    sb_shape whole   = {.n_keys   = in->n_tokens,
                        .heads    = f->shape.heads,
                        .kv_heads = f->shape.kv_heads,
                        .head_dim = f->shape.head_dim};
    if ((st = sb_map_create_for(cfg->layout, cfg->method, cfg->method_params, &whole, 0, quantum,
                                cfg->comm->size, &f->map)) != SB_OK)
        return st;
    f->map.decode_stays = sbi_carries_state(cfg->decode_method);

    f->gid = sb_map_gid(&f->map, cfg->comm->rank);
    if (sbi_shares_heads(f) &&
        (st = sb_team_create(&f->map, cfg->comm->rank, f->cfg.use.team, f->shape.heads,
                             f->shape.kv_heads, f->shape.head_dim, 0, &f->team)) != SB_OK)
        return st;
    f->caches = calloc((size_t)f->shape.n_layers, sizeof *f->caches);
    if (f->caches == NULL)
        return sb_fail(SB_ERR_NOMEM, "forward pass: no memory for %d layers", f->shape.n_layers);
    return sbi_forward_layers(f);
}

static void fini(sb_forward *f)
{
    sbi_steps_end(f);
    sb_device_call_close(f->device);
    sb_team_fini(&f->team);
    sb_map_fini(&f->map);
    free(f->caches);
    free(f->calls);
}

/* All room, counted; *there: what calls take on top. */
static sb_status count(sb_forward *f, sb_device_room *there)
{
    sb_arena_init_count(&f->arena);
    sb_arena_init_count(&f->room);
    sb_status st = lay_out(f);
    return st == SB_OK ? lay_out_calls(f, there) : st;
}

static size_t total(const sb_forward *f, const sb_device_room *there)
{
    return f->room.high_water_bytes + there->index + there->work + there->lse + there->partial;
}

static size_t kept_bytes(const sb_forward *f)
{
    const sb_model *m = f->cfg.model;
    return sbi_on_device(f) && m->ops->kept_bytes != NULL ? (size_t)m->ops->kept_bytes(m) : 0;
}

sb_status sb_forward_bytes(const sb_forward_config *cfg, const sb_input *in, sb_forward_room *out)
{
    sb_forward     f;
    sb_device_room there = {0};
    sb_status      st    = init(&f, cfg, in);
    if (st == SB_OK && (st = count(&f, &there)) == SB_OK)
        *out = (sb_forward_room){.host_bytes   = f.arena.high_water_bytes,
                                 .device_bytes = total(&f, &there) + kept_bytes(&f)};
    fini(&f);
    return st;
}

/* The room on the device: counted, then taken, behind weights that the model keeps there. */
static sb_status open_device(sb_forward *f)
{
    void          *block = NULL;
    sb_device_room there = {0};
    sb_status      st    = sb_device_call_open(f->cfg.backend, &f->device);
    if (st == SB_OK)
        st = count(f, &there);
    if (st == SB_OK && f->ops->load != NULL)
        st = f->ops->load(f->cfg.model, total(f, &there));
    if (st != SB_OK)
        return st;
    size_t bytes = f->room.high_water_bytes;
    if ((st = sb_device_call_take(f->device, bytes, &block)) == SB_OK)
        sb_arena_init(&f->room, block, bytes, SB_ARENA_PLAIN); /* the host writes no guards there */
    return st;
}

sb_status sb_forward_create(const sb_forward_config *cfg, const sb_input *in, void *block,
                            size_t block_bytes, sb_forward **out)
{
    sb_status   st;
    sb_forward *f = calloc(1, sizeof *f);
    if (f == NULL)
        return sb_fail(SB_ERR_NOMEM, "forward pass: no memory for the handle");
    if ((st = init(f, cfg, in)) == SB_OK && sbi_on_device(f))
        st = open_device(f);
    if (st == SB_OK) {
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

size_t sb_forward_device_bytes(const sb_forward *f)
{
    return f->device != NULL ? sb_device_call_bytes(f->device) + kept_bytes(f) : 0;
}
