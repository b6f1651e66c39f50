#include "tests/mpi/shard_case.h"

#include <stdlib.h>
#include <string.h>

#include "harness/shard/deal.h"
#include "kernels/base/rng.h"
#include "kernels/registry.h"

sb_bf16 span_value(span_what what, int64_t head, int64_t token, int64_t dim)
{
    uint64_t key = sb_mix(((uint64_t)what << 56) ^ ((uint64_t)head << 48) ^ ((uint64_t)dim << 40) ^
                          (uint64_t)token);
    float    x   = (float)(key >> 40) / (float)(1 << 23) - 1.0f; /* [-1, 1) */
    return sb_bf16_from_f32(what == SPAN_Q ? 4.0f * x : x);      /* peaked, not flat, softmax */
}

static void fill_row(sb_tensor *t, span_what what, int64_t slot, int64_t token)
{
    for (int64_t h = 0; h < t->heads; h++)
        for (int64_t i = 0; i < t->dim; i++)
            sb_tensor_bf16(t, h, slot)[i] = span_value(what, h, token, i);
}

/* A file parameter's text stands in for the file. */
static sb_status set_file(span_seq *s, const sb_param *p, const char *text)
{
    sb_param_file f = {.path = "case.json"};
    sb_arena      a;
    int64_t       n = (int64_t)strlen(text);
    sb_arena_init_count(&a);
    sb_status st = s->method->read_file(p, text, n, &a, &f.content);
    if (st != SB_OK)
        return st;
    s->file = aligned_alloc(SB_ARENA_ALIGN, a.high_water_bytes);
    if (s->file == NULL)
        abort();
    sb_arena_init(&a, s->file, a.high_water_bytes, SB_ARENA_PLAIN);
    st = s->method->read_file(p, text, n, &a, &f.content);
    memcpy((char *)s->params + p->offset, &f, sizeof f);
    return st;
}

static sb_status parse_params(span_seq *s)
{
    char      text[512], *save = NULL;
    sb_status st = sb_params_default(s->method->params, s->params);
    snprintf(text, sizeof text, "%s", s->spec.params);
    for (char *w = strtok_r(text, " ", &save); st == SB_OK && w != NULL;
         w       = strtok_r(NULL, " ", &save)) {
        char *eq = strchr(w, '=');
        if (eq == NULL)
            return sb_fail(SB_ERR_USAGE, "found `%s`, allowed name=value", w);
        *eq               = '\0';
        const sb_param *p = sb_params_find(s->method->params, w);
        st                = p == NULL            ? sb_fail(SB_ERR_USAGE, "no parameter %s", w)
                            : p->type == SB_FILE ? set_file(s, p, eq + 1)
                                                 : sb_param_set(p, s->params, eq + 1);
    }
    return st;
}

static sb_status tensor_alloc(sb_tensor *t, sb_arena *a, int64_t heads, int64_t tokens, int64_t dim)
{
    *t = (sb_tensor){.dtype       = SB_BF16,
                     .heads       = heads,
                     .tokens      = tokens,
                     .dim         = dim,
                     .head_stride = tokens * dim};
    return sb_arena_alloc(a, heads * tokens * dim, sizeof(sb_bf16), "tensor", &t->data);
}

static sb_shape shape_of(const span_seq *s)
{
    return (sb_shape){.q_gid    = s->q_gid,
                      .n_keys   = s->spec.n_tokens,
                      .heads    = s->spec.heads,
                      .kv_heads = s->spec.kv_heads,
                      .head_dim = s->spec.head_dim};
}

static int64_t state_bytes(const span_seq *s)
{
    sb_shape shape = shape_of(s);
    return s->method->state_bytes == NULL ? 0 : s->method->state_bytes(s->params, &shape);
}

static sb_status lay_out_shard(span_seq *s)
{
    const span_seq_spec *p    = &s->spec;
    sb_scheme_call       call = {.use         = s->how.use,
                                 .method      = s->method,
                                 .params      = s->params,
                                 .map         = &s->map,
                                 .comm        = s->ctx.comm,
                                 .team        = &s->team,
                                 .link        = s->how.link,
                                 .heads       = p->heads,
                                 .kv_heads    = p->kv_heads,
                                 .head_dim    = p->head_dim,
                                 .first_query = s->how.first_query,
                                 /* cases look at K and V of methods that carry a state */
                                 .compares = (s->method->caps & SB_CAP_STATE) != 0};
    sb_status            st   = sb_scheme_layout(&call, &s->arena, &s->arena, &s->shard);
    s->shard.q_gid            = s->q_gid;
    return st;
}

static sb_status lay_out(span_seq *s)
{
    const span_seq_spec *p   = &s->spec;
    int64_t              n = s->gid.n_tokens, rows = s->q_gid.n_tokens;
    void                *lse = NULL;
    sb_status            st;
    if ((st = sb_cache_layout(&s->cache, &s->arena, p->kv_heads, p->head_dim, n + p->max_new_tokens,
                              s->gid.n_runs + (int32_t)p->max_new_tokens)) != SB_OK ||
        (st = sb_cache_layout_state(&s->cache, &s->arena, state_bytes(s))) != SB_OK ||
        (st = tensor_alloc(&s->q, &s->arena, p->heads, rows, p->head_dim)) != SB_OK ||
        (st = tensor_alloc(&s->o, &s->arena, p->heads, rows, p->head_dim)) != SB_OK ||
        (st = tensor_alloc(&s->q1, &s->arena, p->heads, 1, p->head_dim)) != SB_OK ||
        (st = tensor_alloc(&s->o1, &s->arena, p->heads, 1, p->head_dim)) != SB_OK ||
        (st = sb_arena_alloc(&s->arena, p->heads * rows, sizeof(float), "LSE", &lse)) != SB_OK ||
        (st = lay_out_shard(s)) != SB_OK)
        return st;
    s->lse = lse;
    return SB_OK;
}

/* The method, or dense. */
static const sb_method *decoder(const span_seq *s, const void **params)
{
    int own = (s->method->caps & SB_CAP_DECODE) != 0;
    *params = own ? s->params : s->dense;
    return own ? s->method : sb_method_find("dense");
}

static sb_status count_bytes(span_seq *s)
{
    int64_t   last    = s->spec.n_tokens + s->spec.max_new_tokens - 1;
    sb_run    one     = {last, 1};
    sb_shape  prefill = shape_of(s), decode = prefill;
    const void      *params;
    const sb_method *m = decoder(s, &params);
    sb_status        st;
    decode.q_gid     = (sb_gid){.run = &one, .n_runs = 1, .n_tokens = 1};
    decode.n_keys    = last + 1;
    decode.is_decode = 1;
    sb_arena_init_count(&s->arena);
    if ((st = lay_out(s)) != SB_OK ||
        (st = sb_shard_layout_method(&s->shard, &s->ctx, s->method, s->params, &prefill)) !=
            SB_OK ||
        (st = sb_shard_layout_method(&s->shard, &s->ctx, m, params, &decode)) != SB_OK)
        return st;
    s->predicted_bytes = s->arena.high_water_bytes;
    return SB_OK;
}

static sb_status fill_cache(span_seq *s)
{
    int64_t slot = 0, row = 0;
    sb_cache_reset(&s->cache);
    for (int32_t j = 0; j < s->gid.n_runs; j++) {
        sb_run    run = s->gid.run[j];
        sb_status st  = sb_cache_extend(&s->cache, run.start, run.len, &slot);
        if (st != SB_OK)
            return st;
        for (int64_t i = 0; i < run.len; i++) {
            fill_row(&s->cache.k, SPAN_K, slot + i, run.start + i);
            fill_row(&s->cache.v, SPAN_V, slot + i, run.start + i);
            if (run.start + i >= s->how.first_query)
                fill_row(&s->q, SPAN_Q, row++, run.start + i);
        }
    }
    s->cache.n_global = s->spec.n_tokens;
    return SB_OK;
}

sb_status span_seq_open(const span_seq_spec *spec, sb_comm *comm, span_seq *s)
{
    return span_seq_open_as(spec, &(span_how){0}, comm, s);
}

static sb_status create_map(span_seq *s, int32_t ranks)
{
    sb_shape whole = {.n_keys   = s->spec.n_tokens,
                      .heads    = s->spec.heads,
                      .kv_heads = s->spec.kv_heads,
                      .head_dim = s->spec.head_dim};
    return sb_map_create_for(s->spec.kind, s->method, s->params, &whole, s->how.first_query,
                             s->method->quantum_tokens(s->params), ranks, &s->map);
}

sb_status span_seq_open_as(const span_seq_spec *spec, const span_how *how, sb_comm *comm,
                           span_seq *s)
{
    const sb_method *dense = sb_method_find("dense");
    sb_status        st;
    *s = (span_seq){.spec = *spec, .how = *how, .method = sb_method_find(spec->method)};
    if (dense->params_bytes > sizeof s->dense)
        abort();
    if ((st = sb_params_default(dense->params, s->dense)) != SB_OK)
        return st;
    if (s->method == NULL)
        return sb_fail(SB_ERR_USAGE, "no method %s", spec->method);
    s->ctx    = (sb_ctx){.backend  = &sb_backend_cpu,
                         .comm     = comm,
                         .arena    = &s->arena,
                         .phases   = &s->times,
                         .layer    = 1,
                         .n_layers = 3,
                         .threads  = 1};
    s->params = calloc(1, s->method->params_bytes + 1);
    if (s->params == NULL)
        abort();
    if ((st = parse_params(s)) != SB_OK || (st = create_map(s, comm->size)) != SB_OK)
        return st;
    s->map.decode_stays = (s->method->caps & SB_CAP_STATE) != 0;

    s->gid    = sb_map_gid(&s->map, comm->rank);
    s->q_runs = calloc((size_t)s->gid.n_runs + 1, sizeof *s->q_runs);
    if (s->q_runs == NULL)
        abort();
    s->q_gid = sb_map_gid_from(&s->map, comm->rank, how->first_query, s->q_runs);
    if (how->use.team > 0 &&
        (st = sb_team_create(&s->map, comm->rank, how->use.team, spec->heads, spec->kv_heads,
                             spec->head_dim, how->first_query, &s->team)) != SB_OK)
        return st;
    if ((st = count_bytes(s)) != SB_OK)
        return st;
    s->block = aligned_alloc(SB_ARENA_ALIGN, s->predicted_bytes);
    if (s->block == NULL)
        abort();
    sb_arena_init(&s->arena, s->block, s->predicted_bytes, SB_ARENA_GUARD);
    if ((st = lay_out(s)) != SB_OK)
        return st;
    return fill_cache(s);
}

void span_seq_close(span_seq *s)
{
    sb_team_fini(&s->team);
    sb_map_fini(&s->map);
    free(s->q_runs);
    free(s->params);
    free(s->file);
    free(s->block);
    free(s->gate.data);
    free(s->beta.data);
    free(s->gate1.data);
    free(s->beta1.data);
}

static float unit(uint64_t key) { return (float)(sb_mix(key) >> 40) * 0x1p-24f; }

static void fill_gates(sb_tensor *gate, sb_tensor *beta, float lowest, int64_t slot, int64_t token)
{
    for (int64_t h = 0; h < gate->heads; h++) {
        uint64_t key = ((uint64_t)h << 48) ^ (uint64_t)token;
        for (int64_t c = 0; c < gate->dim; c++)
            sb_tensor_f32(gate, h, slot)[c] = lowest * unit(key ^ ((uint64_t)c << 40) ^ 0x77);
        *sb_tensor_f32(beta, h, slot) = unit(~key);
    }
}

static sb_tensor gate_tensor(const span_seq *s, int64_t tokens, int64_t dim)
{
    sb_tensor t = {.dtype       = SB_F32,
                   .heads       = s->spec.kv_heads,
                   .tokens      = tokens,
                   .dim         = dim,
                   .head_stride = tokens * dim};
    t.data      = calloc((size_t)(t.heads * t.head_stride) + 1, sizeof(float));
    if (t.data == NULL)
        abort();
    return t;
}

void span_seq_gates(span_seq *s, int64_t dim, float lowest)
{
    int64_t slot = 0;
    s->lowest    = lowest;
    s->gate      = gate_tensor(s, s->gid.n_tokens, dim);
    s->beta      = gate_tensor(s, s->gid.n_tokens, 1);
    s->gate1     = gate_tensor(s, 1, dim);
    s->beta1     = gate_tensor(s, 1, 1);
    for (int32_t j = 0; j < s->gid.n_runs; j++)
        for (int64_t i = 0; i < s->gid.run[j].len; i++)
            fill_gates(&s->gate, &s->beta, lowest, slot++, s->gid.run[j].start + i);
}

sb_status span_seq_prefill(span_seq *s)
{
    s->shard.gate = s->gate.data != NULL ? &s->gate : NULL;
    s->shard.beta = s->gate.data != NULL ? &s->beta : NULL;
    return sb_shard_prefill(&s->shard, &s->ctx, s->method, s->params, &s->q, &s->cache, 0.25f,
                            &s->o, s->lse);
}

sb_status span_seq_step(span_seq *s)
{
    int64_t token = s->cache.n_global, slot = 0;
    fill_row(&s->q1, SPAN_Q, 0, token);
    if (sb_map_decode_owner(&s->map, token) == s->ctx.comm->rank) {
        sb_status st = sb_cache_extend(&s->cache, token, 1, &slot);
        if (st != SB_OK)
            return st;
        fill_row(&s->cache.k, SPAN_K, slot, token);
        fill_row(&s->cache.v, SPAN_V, slot, token);
    }
    s->cache.n_global = token + 1;
    if (s->gate.data != NULL) {
        fill_gates(&s->gate1, &s->beta1, s->lowest, 0, token);
        s->shard.gate = &s->gate1;
        s->shard.beta = &s->beta1;
    }
    const void      *params;
    const sb_method *m = decoder(s, &params);
    return sb_shard_decode(&s->shard, &s->ctx, m, params, &s->q1, token, &s->cache, 0.25f, &s->o1);
}
