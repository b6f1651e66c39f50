#include "harness/run/operator.h"

#include <stdlib.h>

#include "harness/shard/deal.h"
#include "harness/shard/team.h"
#include "kernels/base/first_error.h"

enum { FILL_ROWS = 256 };

struct sb_operator {
    sb_operator_config cfg;
    sb_map             map;
    sb_gid             kv_gid, q_gid; /* this rank's tokens, and those of them that have a query */
    sb_run            *q_runs;
    sb_team            team;
    sb_arena           arena;
    sb_arena           room; /* on a device: what its shard has there */
    sb_cache           cache;
    sb_shard           shard;
    sb_tensor          q, o;
    float             *lse;
    sb_device_call    *device; /* NULL on the cpu */
    struct there {             /* what calls on the device read and write */
        sb_tensor q, o;
        sb_cache  cache; /* rows on the device, ids and state of the host's */
        float    *lse;
    } there;
};

/* ---- storage ---- */

static sb_ctx context(sb_operator *op, sb_phase_times *times)
{
    return (sb_ctx){.backend  = op->cfg.backend,
                    .comm     = op->cfg.comm,
                    .arena    = &op->arena,
                    .phases   = times,
                    .n_layers = 1,
                    .threads  = op->cfg.threads};
}

static sb_shape shape_of(const sb_operator *op)
{
    const sb_operand_shape *s = &op->cfg.operands->shape;
    return (sb_shape){.q_gid    = op->q_gid,
                      .n_keys   = s->n_tokens,
                      .heads    = s->heads,
                      .kv_heads = s->kv_heads,
                      .head_dim = s->head_dim};
}

static sb_status rows_alloc(sb_operator *op, sb_tensor *t, const char *what)
{
    const sb_operand_shape *s = &op->cfg.operands->shape;
    *t                        = (sb_tensor){.dtype       = SB_BF16,
                                            .heads       = s->heads,
                                            .tokens      = op->q_gid.n_tokens,
                                            .dim         = s->head_dim,
                                            .head_stride = op->q_gid.n_tokens * s->head_dim,
                                            .gid         = op->q_gid};
    return sb_arena_alloc(&op->arena, t->heads * t->head_stride, sizeof(sb_bf16), what, &t->data);
}

static int on_device(const sb_operator *op) { return op->cfg.backend->id != SB_CPU; }

static int is_teamed(const sb_operator *op)
{
    return op->cfg.use.team > 0 && op->cfg.comm->size > 1;
}

static sb_scheme_call scheme_call(const sb_operator *op)
{
    const sb_operand_shape *s = &op->cfg.operands->shape;
    return (sb_scheme_call){.use         = op->cfg.use,
                            .method      = op->cfg.method,
                            .params      = op->cfg.params,
                            .map         = &op->map,
                            .comm        = op->cfg.comm,
                            .team        = &op->team,
                            .link        = op->cfg.link,
                            .heads       = s->heads,
                            .kv_heads    = s->kv_heads,
                            .head_dim    = s->head_dim,
                            .first_query = s->n_tokens - s->n_queries,
                            .compares    = op->cfg.compares,
                            .on_device   = on_device(op)};
}

/* Everything that outlives a call, in one order, over whichever arenas op's are. */
static sb_status lay_out(sb_operator *op)
{
    const sb_operand_shape *s     = &op->cfg.operands->shape;
    const sb_method        *m     = op->cfg.method;
    sb_arena               *a     = &op->arena;
    sb_shape                shape = shape_of(op);
    sb_scheme_call          scheme = scheme_call(op);
    void                   *lse   = NULL;
    int64_t   state = m->state_bytes != NULL ? m->state_bytes(op->cfg.params, &shape) : 0;
    sb_status st;
    if ((st = sb_cache_layout(&op->cache, a, s->kv_heads, s->head_dim, op->kv_gid.n_tokens,
                              op->kv_gid.n_runs)) != SB_OK ||
        (st = sb_cache_layout_state(&op->cache, a, state)) != SB_OK ||
        (st = rows_alloc(op, &op->q, "queries")) != SB_OK ||
        (st = rows_alloc(op, &op->o, "attention output")) != SB_OK ||
        (!is_teamed(op) && /* nobody reads it: a look finds that of its heads */
         (st = sb_arena_alloc(a, s->heads * op->q_gid.n_tokens, sizeof(float), "LSE", &lse)) !=
             SB_OK) ||
        (st = sb_scheme_layout(&scheme, on_device(op) ? &op->room : a, a, &op->shard)) != SB_OK)
        return st;
    op->lse         = lse;
    op->shard.q_gid = op->q_gid;
    return SB_OK;
}

static sb_status init(sb_operator *op, const sb_operator_config *cfg)
{
    const sb_operand_shape *s    = &cfg->operands->shape;
    int32_t                 rank = cfg->comm->rank;
    *op                          = (sb_operator){.cfg = *cfg};
    op->cfg.use                  = on_device(op)
                                       ? sb_scheme_on_device(cfg->use, cfg->method, cfg->comm->size, s->kv_heads)
                                       : cfg->use;
    sb_status st = sb_scheme_check_device(op->cfg.use, cfg->method, cfg->backend, cfg->comm->size,
                                          s->kv_heads);
    if (st != SB_OK)
        return st;
    sb_shape whole = {
        .n_keys = s->n_tokens, .heads = s->heads, .kv_heads = s->kv_heads, .head_dim = s->head_dim};
    st =
        sb_map_create_for(cfg->layout, cfg->method, cfg->params, &whole, s->n_tokens - s->n_queries,
                          cfg->method->quantum_tokens(cfg->params), cfg->comm->size, &op->map);
    if (st != SB_OK)
        return st;
    op->kv_gid = sb_map_gid(&op->map, rank);
    op->q_runs = calloc((size_t)op->kv_gid.n_runs + 1, sizeof *op->q_runs);
    if (op->q_runs == NULL)
        return sb_fail(SB_ERR_NOMEM, "operator: no memory for %d runs", op->kv_gid.n_runs);
    op->q_gid = sb_map_gid_from(&op->map, rank, s->n_tokens - s->n_queries, op->q_runs);
    return !is_teamed(op) ? SB_OK
                          : sb_team_create(&op->map, rank, op->cfg.use.team, s->heads, s->kv_heads,
                                           s->head_dim, s->n_tokens - s->n_queries, &op->team);
}

static void fini(sb_operator *op)
{
    sb_device_call_close(op->device);
    sb_team_fini(&op->team);
    sb_map_fini(&op->map);
    free(op->q_runs);
}

/* What a call takes on top: on the host its index, on a device *there. */
static sb_status count_call(sb_operator *op, const sb_method *m, const void *params,
                            const sb_shape *shape, sb_device_room *there)
{
    sb_ctx   ctx           = context(op, NULL);
    sb_arena index         = op->arena;
    size_t   mark          = sb_arena_mark(&op->arena);
    ctx.arena              = &index;
    index.high_water_bytes = mark;
    sb_status st           = sb_shard_layout_method(&op->shard, &ctx, m, params, shape);
    if (index.high_water_bytes > op->arena.high_water_bytes)
        op->arena.high_water_bytes = index.high_water_bytes;
    sb_shape call;
    if (st != SB_OK || !on_device(op) ||
        !sb_shard_shape_on_device(&op->shard, op->cfg.backend, m, shape, &call))
        return st;
    if (op->cfg.comm->size > 1 && sb_device_plans(op->cfg.backend, m))
        ctx.comm = NULL;
    return sb_device_call_count(&ctx, m, params, &call, index.high_water_bytes - mark, 1, there);
}

/* q, o, K, V of the local rows, and lse, on a device. */
static size_t device_rows(const sb_operator *op)
{
    const sb_operand_shape *s   = &op->cfg.operands->shape;
    int64_t                 q   = s->heads * op->q_gid.n_tokens;
    int64_t                 row = s->head_dim * (int64_t)sizeof(sb_bf16);
    int64_t                 lse = is_teamed(op) ? 0 : q * (int64_t)sizeof *op->lse;
    return (size_t)(2 * q * row + 2 * s->kv_heads * op->kv_gid.n_tokens * row + lse) +
           op->room.high_water_bytes;
}

sb_status sb_operator_bytes(const sb_operator_config *cfg, sb_forward_room *out)
{
    sb_operator    op;
    sb_device_room there = {0};
    sb_status      st    = init(&op, cfg);
    if (st == SB_OK) {
        sb_shape shape = shape_of(&op);
        sb_arena_init_count(&op.arena);
        sb_arena_init_count(&op.room);
        if ((st = lay_out(&op)) == SB_OK)
            st = count_call(&op, cfg->method, cfg->params, &shape, &there);
        if (st == SB_OK && cfg->anchor != NULL)
            st = count_call(&op, cfg->anchor, cfg->anchor_params, &shape, &there);
        if (st == SB_OK)
            *out = (sb_forward_room){.host_bytes = op.arena.high_water_bytes};
        if (st == SB_OK && on_device(&op))
            out->device_bytes = device_rows(&op) + there.index + there.work + there.lse;
    }
    fini(&op);
    return st;
}

/* ---- operands ---- */

/* A piece of work of the filling threads: rows of one KV head. */
typedef struct piece {
    sb_operand       part;
    int64_t          kv_head, first, n, slot;
    const sb_tensor *to;
} piece;

static int64_t count_pieces(const sb_gid *gid)
{
    int64_t n = 0;
    for (int32_t r = 0; r < gid->n_runs; r++)
        n += (gid->run[r].len + FILL_ROWS - 1) / FILL_ROWS;
    return n;
}

static piece *list_pieces(piece *at, sb_operand part, const sb_gid *gid, int64_t kv_heads,
                          const sb_tensor *to)
{
    int64_t slot = 0;
    for (int32_t r = 0; r < gid->n_runs; slot += gid->run[r++].len)
        for (int64_t i = 0; i < gid->run[r].len; i += FILL_ROWS) {
            int64_t left = gid->run[r].len - i;
            for (int64_t h = 0; h < kv_heads; h++)
                *at++ =
                    (piece){part,     h, gid->run[r].start + i, left < FILL_ROWS ? left : FILL_ROWS,
                            slot + i, to};
        }
    return at;
}

static sb_status run_pieces(const sb_operands *o, const piece *pieces, int64_t n, int32_t threads)
{
    sb_first_error first = {0};
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (int64_t i = 0; i < n; i++) {
        const piece *p  = &pieces[i];
        sb_status    st = o->ops->fill(o, p->part, p->kv_head, p->first, p->n, p->slot, p->to);
        if (st != SB_OK) {
#pragma omp critical
            sb_first_error_note(&first, st);
        }
    }
    return sb_first_error_raise(&first);
}

static sb_status fill_cache_ids(sb_operator *op)
{
    int64_t   slot = 0;
    sb_status st   = sb_cache_reset(&op->cache);
    for (int32_t r = 0; st == SB_OK && r < op->kv_gid.n_runs; r++)
        st = sb_cache_extend(&op->cache, op->kv_gid.run[r].start, op->kv_gid.run[r].len, &slot);
    op->cache.n_global = op->map.n_tokens;
    return st;
}

static sb_status fill(sb_operator *op)
{
    const sb_operands *o = op->cfg.operands;
    int64_t   n  = (count_pieces(&op->q_gid) + 2 * count_pieces(&op->kv_gid)) * o->shape.kv_heads;
    sb_status st = fill_cache_ids(op);
    if (st != SB_OK)
        return st;
    piece *pieces = malloc((size_t)(n + 1) * sizeof *pieces);
    if (pieces == NULL)
        return sb_fail(SB_ERR_NOMEM, "operator: no memory for %lld pieces", (long long)n);
    piece *end = list_pieces(pieces, SB_OPERAND_Q, &op->q_gid, o->shape.kv_heads, &op->q);
    end        = list_pieces(end, SB_OPERAND_K, &op->kv_gid, o->shape.kv_heads, &op->cache.k);
    end        = list_pieces(end, SB_OPERAND_V, &op->kv_gid, o->shape.kv_heads, &op->cache.v);
    st         = run_pieces(o, pieces, end - pieces, op->cfg.threads);
    free(pieces);
    return st;
}

static sb_status to_device(sb_operator *op)
{
    struct there *t    = &op->there;
    void         *lse  = NULL;
    size_t        rows = (size_t)(op->o.heads * op->o.tokens);
    sb_status     st;
    t->o     = op->o;
    t->cache = op->cache;
    if ((st = sb_device_call_upload(op->device, &op->q, &t->q)) != SB_OK ||
        (st = sb_device_call_upload(op->device, &op->cache.k, &t->cache.k)) != SB_OK ||
        (st = sb_device_call_upload(op->device, &op->cache.v, &t->cache.v)) != SB_OK ||
        (st = sb_device_call_take(op->device, rows * (size_t)op->o.dim * sizeof(sb_bf16),
                                  &t->o.data)) != SB_OK ||
        (op->lse != NULL &&
         (st = sb_device_call_take(op->device, rows * sizeof *t->lse, &lse)) != SB_OK))
        return st;
    t->lse           = lse;
    op->shard.device = op->device;
    return SB_OK;
}

/* The shard's room on the device: counted, then taken. */
static sb_status open_device(sb_operator *op)
{
    void     *block = NULL;
    sb_status st    = sb_device_call_open(op->cfg.backend, &op->device);
    if (st != SB_OK)
        return st;
    sb_arena_init_count(&op->arena);
    sb_arena_init_count(&op->room);
    if ((st = lay_out(op)) != SB_OK)
        return st;
    size_t bytes = op->room.high_water_bytes;
    if (bytes > 0 && (st = sb_device_call_take(op->device, bytes, &block)) != SB_OK)
        return st;
    sb_arena_init(&op->room, block, bytes, SB_ARENA_PLAIN);
    return SB_OK;
}

sb_status sb_operator_create(const sb_operator_config *cfg, void *block, size_t block_bytes,
                             sb_operator **out)
{
    sb_status    st;
    sb_operator *op = calloc(1, sizeof *op);
    if (op == NULL)
        return sb_fail(SB_ERR_NOMEM, "operator: no memory for the handle");
    if ((st = init(op, cfg)) == SB_OK && on_device(op))
        st = open_device(op);
    if (st == SB_OK) {
        sb_arena_init(&op->arena, block, block_bytes, cfg->arena_flags);
        if ((st = lay_out(op)) == SB_OK)
            st = fill(op);
        if (st == SB_OK && on_device(op))
            st = to_device(op);
    }
    if (st != SB_OK) {
        sb_operator_destroy(op);
        return st;
    }
    *out = op;
    return SB_OK;
}

void sb_operator_destroy(sb_operator *op)
{
    if (op == NULL)
        return;
    fini(op);
    free(op);
}

/* ---- calls ---- */

static sb_status attend(sb_operator *op, const sb_method *m, const void *params,
                        sb_phase_times *times)
{
    sb_ctx ctx = context(op, times);
    /* a method's state starts anew, K and V stay */
    sb_status st = sb_comm_agree(op->cfg.comm, fill_cache_ids(op));
    if (st != SB_OK)
        return st;
    if (op->device != NULL)
        return sb_shard_prefill(&op->shard, &ctx, m, params, &op->there.q, &op->there.cache,
                                op->cfg.operands->scale, &op->there.o, op->there.lse);
    return sb_shard_prefill(&op->shard, &ctx, m, params, &op->q, &op->cache,
                            op->cfg.operands->scale, &op->o, op->lse);
}

sb_status sb_operator_pass(sb_operator *op, sb_phase_times *times)
{
    return attend(op, op->cfg.method, op->cfg.params, times);
}

sb_status sb_operator_anchor(sb_operator *op, sb_phase_times *times)
{
    if (op->cfg.anchor == NULL)
        return sb_fail(SB_ERR_INTERNAL, "operator: it was made without an anchor");
    return attend(op, op->cfg.anchor, op->cfg.anchor_params, times);
}

sb_status sb_operator_look(sb_operator *op, sb_layer_fn look, void *look_arg)
{
    const sb_operand_shape *s     = &op->cfg.operands->shape;
    sb_ctx                  ctx   = context(op, NULL);
    sb_shape                shape = shape_of(op);
    sb_comm_stats           moved = op->cfg.comm->stats;
    sb_scheme_call          scheme = scheme_call(op);
    int                     local  = sb_scheme_keeps_apart(&scheme);
    int                     own   = local || op->device != NULL;
    sb_shard_view           seen;
    sb_layer_view           view  = {.n_layers    = 1,
                                     .method      = op->cfg.method,
                                     .shape       = &shape,
                                     .plan        = &op->shard.plan,
                                     .q           = &op->q,
                                     .k           = own ? &op->cache.k : &op->shard.k_all,
                                     .v           = own ? &op->cache.v : &op->shard.v_all,
                                     .first_query = s->n_tokens - s->n_queries,
                                     .o           = &op->o,
                                     .lse         = op->lse,
                                     .shard       = &op->shard,
                                     .ctx         = &ctx,
                                     .scale       = op->cfg.operands->scale};
    sb_status               st    = SB_OK;
    const sb_look_there     there = {.ops     = op->cfg.look,
                                     .backend = op->cfg.backend,
                                     .q       = &op->there.q,
                                     .k       = &op->there.cache.k,
                                     .v       = &op->there.cache.v,
                                     .o       = &op->there.o,
                                     .lse     = op->there.lse};
    ctx.backend                   = &sb_backend_cpu; /* whoever looks reads host memory */
    if (op->device != NULL && op->cfg.look != NULL && op->cfg.comm->size == 1)
        view.there = &there;
    if (op->device != NULL)
        st = sb_device_fetch(op->cfg.backend, &op->there.o, &op->o);
    if (st == SB_OK && op->device != NULL && op->lse != NULL)
        st = sb_device_fetch_bytes(op->cfg.backend, op->there.lse,
                                   (size_t)(op->o.heads * op->o.tokens) * sizeof *op->lse, op->lse);
    if (st == SB_OK && op->device != NULL)
        st = sb_device_call_fetch_plan(op->device, &op->shard.plan, &view.plan);
    if (st == SB_OK && local && op->cfg.compares) {
        st     = sb_shard_gather_keys(&op->shard, op->cfg.comm, &op->cache);
        view.k = &op->shard.k_all;
        view.v = &op->shard.v_all;
    }
    if (sb_shard_seen(&op->shard, &seen)) {
        if (st == SB_OK && op->device != NULL)
            st = sb_shard_fetch_seen(&op->shard, op->cfg.backend, &seen);
        sb_layer_view_see(&view, &seen);
    }
    if (st == SB_OK)
        st = look(look_arg, &view);
    st                  = sb_comm_agree(op->cfg.comm, st);
    op->cfg.comm->stats = moved;
    return st;
}

size_t sb_operator_device_bytes(const sb_operator *op)
{
    return op->device != NULL ? sb_device_call_bytes(op->device) : 0;
}

size_t sb_operator_high_water(const sb_operator *op) { return op->arena.high_water_bytes; }

int sb_operator_canaries_intact(const sb_operator *op)
{
    return sb_arena_canaries_intact(&op->arena);
}
