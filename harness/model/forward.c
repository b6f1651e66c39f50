/* Prefill and decode over a sharded sequence. */
#include "harness/model/forward_parts.h"

#include <stdlib.h>
#include <string.h>

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
    sb_status st   = sb_cache_reset(c);
    for (int32_t r = 0; st == SB_OK && r < f->gid.n_runs; r++)
        st = sb_cache_extend(c, f->gid.run[r].start, f->gid.run[r].len, &slot);
    if (st != SB_OK)
        return st;
    c->n_global = f->in->n_tokens;
    sb_tensor k = cache_rows(&c->k, 0, f->gid.n_tokens), v = cache_rows(&c->v, 0, f->gid.n_tokens);
    st = f->ops->qkv(f->cfg.model, layer, 0, &f->q, &k, &v);
    /* what is still queued is not the attention's time */
    return st == SB_OK && sbi_on_device(f) ? f->cfg.backend->sync(NULL) : st;
}

static sb_status run_layer(sb_forward *f, int32_t layer, sb_phase_times *times, sb_layer_fn look,
                           void *look_arg, int64_t *look_ns)
{
    const sb_model_layer *call = &f->calls[layer].prefill;
    sb_ctx                ctx  = sbi_forward_ctx(f, layer, times);
    sb_status             st   = stop_asked(f)
                                     ? sb_fail(SB_ERR_STOPPED, "stopped inside a sample, in layer %d", layer)
                                     : fill_cache(f, layer);
    if ((st = sb_comm_agree(f->cfg.comm, st)) != SB_OK)
        return st;
    st = sb_shard_prefill(&f->shard, &ctx, call->method, call->params, &f->q, &f->caches[layer],
                          f->shape.scale, &f->o, f->lse);
    if (st == SB_OK && look != NULL && !call->own)
        st = sbi_forward_show(f, &ctx, look, look_arg, look_ns);
    return st != SB_OK ? st : f->ops->absorb(f->cfg.model, layer, 0, &f->o);
}

/* The owner of a prompt token shares its row. */
static sb_status share_row(sb_forward *f, int64_t token, float *row)
{
    int32_t   owner = sb_map_owner(&f->map, token);
    int64_t   local = 0;
    sb_status st    = SB_OK;
    for (int32_t r = 0; r < f->gid.n_runs && f->gid.run[r].start <= token; r++) {
        int64_t in = token - f->gid.run[r].start;
        local += in < f->gid.run[r].len ? in : f->gid.run[r].len;
    }
    if (owner == f->cfg.comm->rank)
        st = f->ops->row(f->cfg.model, local, row);
    if ((st = sb_comm_agree(f->cfg.comm, st)) != SB_OK)
        return st;
    return sb_comm_bcast(f->cfg.comm, row, f->ops->row_values * (int64_t)sizeof *row, owner);
}

sb_status sb_forward_row(sb_forward *f, int64_t token, float *out)
{
    if (token < 0 || token >= f->in->n_tokens)
        return sb_fail(SB_ERR_INTERNAL, "forward pass: row of token %lld of %lld", (long long)token,
                       (long long)f->in->n_tokens);
    return share_row(f, token, out);
}

sb_status sb_forward_prefill(sb_forward *f, sb_phase_times *times, sb_layer_fn look, void *look_arg)
{
    int64_t   look_ns = 0, aside = times != NULL ? times->aside_ns : 0;
    sb_status st = sb_comm_barrier(f->cfg.comm);
    int64_t   t0 = sb_now_ns();
    if (st != SB_OK)
        return st;
    if ((st = sb_comm_agree(f->cfg.comm, f->ops->embed(f->cfg.model, f->in, &f->gid))) != SB_OK)
        return st;
    for (int32_t l = 0; l < f->shape.n_layers; l++) {
        st = run_layer(f, l, times, look, look_arg, &look_ns);
        if ((st = sb_comm_agree(f->cfg.comm, st)) != SB_OK)
            return st;
    }
    if ((st = share_row(f, f->in->n_tokens - 1, f->row)) != SB_OK)
        return st;
    sb_phase_add(times, SB_PHASE_PREFILL,
                 t0 + look_ns + (times != NULL ? times->aside_ns - aside : 0));
    return SB_OK;
}

/* ---- decode ---- */

/* q, k, v of the new token in one layer. Every rank computes them alike; the token's owner keeps k
 * and v, in its cache. */
static sb_status append(sb_forward *f, int32_t layer, int64_t pos)
{
    sb_cache *c    = &f->caches[layer];
    int64_t   slot = 0;
    sb_tensor k = f->k1, v = f->v1;
    if (sb_map_decode_owner(&f->map, pos) == f->cfg.comm->rank) {
        sb_status st = sb_cache_extend(c, pos, 1, &slot);
        if (st != SB_OK)
            return st;
        k = cache_rows(&c->k, slot, 1);
        v = cache_rows(&c->v, slot, 1);
    }
    c->n_global = pos + 1;
    return f->ops->qkv(f->cfg.model, layer, 1, &f->q1, &k, &v);
}

/* Append one token and move the row onto it. A failure is carried to the next agreement, so that no
 * rank waits alone. */
static sb_status feed(sb_forward *f, int32_t id)
{
    const sb_model_ops *ops = f->ops;
    int64_t             pos = f->caches[0].n_global;
    if (f->steps.by != SBI_STEPS_SAID) {
        sb_status st = sbi_steps_feed(f, id, pos);
        return st == SB_OK ? ops->row(f->cfg.model, -1, f->row) : st;
    }
    sb_status st = ops->embed_one(f->cfg.model, f->in, id, pos);
    for (int32_t l = 0; l < f->shape.n_layers; l++) {
        const sb_model_layer *call = &f->calls[l].decode;
        sb_ctx                ctx  = sbi_forward_ctx(f, l, NULL);
        if (st == SB_OK)
            st = append(f, l, pos);
        if ((st = sb_comm_agree(f->cfg.comm, st)) != SB_OK)
            return st;
        st = sb_shard_decode(&f->shard, &ctx, call->method, call->params, &f->q1, pos,
                             &f->caches[l], f->shape.scale, &f->o1);
        if (st != SB_OK)
            return st;
        st = ops->absorb(f->cfg.model, l, 1, &f->o1);
    }
    if (st == SB_OK)
        st = ops->row(f->cfg.model, -1, f->row);
    return sb_comm_agree(f->cfg.comm, st);
}

static sb_status mark(sb_forward *f)
{
    sb_status st = SB_OK;
    for (int32_t l = 0; st == SB_OK && l < f->shape.n_layers; l++)
        st = sb_cache_mark(&f->caches[l]);
    memcpy(f->row_mark, f->row, (size_t)f->ops->row_values * sizeof *f->row);
    return st;
}

static sb_status rollback(sb_forward *f)
{
    sb_status st = SB_OK;
    for (int32_t l = 0; st == SB_OK && l < f->shape.n_layers; l++)
        st = sb_cache_rollback(&f->caches[l]);
    memcpy(f->row, f->row_mark, (size_t)f->ops->row_values * sizeof *f->row);
    return st;
}

/* Ranks on different CPUs could round differently and choose apart: rank 0's choice counts. */
static sb_status choose(sb_forward *f, const sb_script_op *op, const int32_t *exclude,
                        int64_t n_exclude, int32_t *id)
{
    *id = f->cfg.model->ops->argmax(f->cfg.model, f->row, op->a, op->b, exclude, n_exclude);
    return sb_comm_bcast(f->cfg.comm, id, (int64_t)sizeof *id, 0);
}

static int among(const int32_t *list, int64_t n, int32_t id)
{
    for (int64_t i = 0; i < n; i++)
        if (list[i] == id)
            return 1;
    return 0;
}

/* Does what was emitted last, the n-th, end the script? */
static int is_last(const sb_input *in, const int32_t *answers, int64_t n)
{
    return among(in->stops, in->n_stops, answers[n - 1]) ||
           (n > 1 && among(in->late_stops, in->n_late_stops, answers[n - 1]));
}

sb_status sb_forward_decode(sb_forward *f, int32_t *emitted, int64_t *step_ns)
{
    sb_status st      = SB_OK;
    int64_t   n       = 0; /* emitted so far */
    int64_t   first   = 0; /* first emission of the present row: later ones exclude it */
    int64_t   step    = 0;
    int32_t  *answers = malloc((size_t)(f->in->n_emit + 1) * sizeof *answers);
    if (answers == NULL)
        st = sb_fail(SB_ERR_NOMEM, "decode: no memory for %lld answers", (long long)f->in->n_emit);
    if ((st = sb_comm_agree(f->cfg.comm, st)) != SB_OK) {
        free(answers);
        return st;
    }
    for (int64_t i = 0; i < f->in->n_emit; i++)
        answers[i] = -1;
    for (int64_t i = 0; step_ns != NULL && i < f->in->n_feed; i++)
        step_ns[i] = -1;
    sbi_steps_begin(f);
    st       = mark(f);
    int ends = 0;
    for (int64_t i = 0; st == SB_OK && !ends && i < f->in->n_script; i++) {
        const sb_script_op *op = &f->in->script[i];
        int64_t             t0 = sb_now_ns();
        switch (op->kind) {
        case SB_SCRIPT_EMIT:
            st = choose(f, op, answers + first, n - first, &answers[n]);
            n++;
            ends = st == SB_OK && is_last(f->in, answers, n);
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
            st = mark(f);
            break;
        case SB_SCRIPT_ROLLBACK:
            st    = rollback(f);
            first = n;
            break;
        default:
            st = sb_fail(SB_ERR_INTERNAL, "decode script: unknown step %d", (int)op->kind);
        }
    }
    sbi_steps_end(f);
    if (st == SB_OK && emitted != NULL)
        memcpy(emitted, answers, (size_t)f->in->n_emit * sizeof *answers);
    free(answers);
    return st;
}
