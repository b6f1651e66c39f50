/* Decode steps as one thing to launch (backend.h graph_begin). What differs from step to step is
 * the token's embedding, which is queued ahead, and where its k and v go and how many keys there
 * are, which kernels read from `there`:
 *
 *   embed_one | step -> there | layers: qkv_step, attend, absorb | row
 *                               '--- noted once, then launched --'
 *
 * The first step's layers are queued call by call, but as the noted ones: rooms grow and kernels
 * are loaded, which a capture cannot have. Where no graph comes of the second, calls go on. */
#include <stdio.h>
#include <string.h>

#include "harness/model/forward_parts.h"

int64_t sbi_steps_least = 8;

static const char NO_STEPS[] = "has no steps that are told in device memory";

static const char *because(sb_forward *f, const char *name, const char *lacks)
{
    (void)snprintf(f->steps.facts.reason, sizeof f->steps.facts.reason, "%s %s", name, lacks);
    return f->steps.facts.reason;
}

const char *sbi_steps_refusal(sb_forward *f)
{
    const sb_backend *b     = f->cfg.backend;
    sb_run            last  = {f->in->n_tokens, 1};
    sb_shape          shape = sbi_forward_shape(f);
    shape.q_gid             = (sb_gid){.run = &last, .n_runs = 1, .n_tokens = 1};
    shape.is_decode         = 1;
    if (f->cfg.graphs == SB_GRAPHS_OFF)
        return "graphs: off";
    if (b->graph_begin == NULL)
        return because(f, b->name, "has no graphs");
    if (f->cfg.comm->size > 1)
        return "several ranks: the parts of a step meet in host memory";
    if (f->ops->qkv_step == NULL)
        return because(f, f->cfg.model->ops->name, NO_STEPS);
    for (int32_t l = 0; l < f->shape.n_layers; l++) {
        const sb_model_layer *c = &f->calls[l].decode;
        if (c->method->step_bytes == NULL || c->method->step_bytes(c->params, &shape) < 0)
            return because(f, c->method->name, NO_STEPS);
    }
    return f->in->n_feed < sbi_steps_least ? "too few steps to pay for it" : NULL;
}

static void give_up(sbi_steps *s, const char *why)
{
    if (why != s->facts.reason)
        (void)snprintf(s->facts.reason, sizeof s->facts.reason, "%s", why);
}

void sbi_steps_begin(sb_forward *f)
{
    const char *why = sbi_steps_refusal(f);
    f->steps.by     = why == NULL ? SBI_STEPS_WARM : SBI_STEPS_SAID;
    if (why == NULL || f->in->n_feed == 0)
        f->steps.facts.reason[0] = '\0';
    else
        give_up(&f->steps, why);
    f->steps.facts.steps = 0;
}

void sbi_steps_end(sb_forward *f)
{
    if (f->steps.graph != NULL)
        f->cfg.backend->graph_close(f->steps.graph);
    f->steps.graph = NULL;
    f->steps.by    = SBI_STEPS_SAID;
}

/* The token's row in all caches, which have grown alike. */
static sb_status extend(sb_forward *f, int64_t pos, int64_t *slot)
{
    sb_status st = SB_OK;
    for (int32_t l = 0; st == SB_OK && l < f->shape.n_layers; l++) {
        sb_cache *c    = &f->caches[l];
        int64_t   here = 0;
        st             = sb_cache_extend(c, pos, 1, &here);
        if (st == SB_OK && l > 0 && here != *slot)
            st = sb_fail(SB_ERR_INTERNAL, "decode: caches of %lld and %lld tokens",
                         (long long)*slot, (long long)here);
        *slot       = here;
        c->n_global = pos + 1;
    }
    return st;
}

static sb_status queue_layers(sb_forward *f, int64_t pos)
{
    sb_status st = SB_OK;
    for (int32_t l = 0; st == SB_OK && l < f->shape.n_layers; l++) {
        const sb_model_layer *call = &f->calls[l].decode;
        sb_cache             *c    = &f->caches[l];
        sb_ctx                ctx  = sbi_forward_ctx(f, l, NULL);
        ctx.step                   = f->steps.there;
        st = f->ops->qkv_step(f->cfg.model, l, f->steps.there, &f->q1, &c->k, &c->v);
        if (st == SB_OK)
            st = sb_shard_decode(&f->shard, &ctx, call->method, call->params, &f->q1, pos, c,
                                 f->shape.scale, &f->o1);
        if (st == SB_OK)
            st = f->ops->absorb(f->cfg.model, l, 1, &f->o1);
    }
    return st;
}

/* Whatever is in the way of it, nothing was done. */
static sb_status capture(sb_forward *f, int64_t pos)
{
    const sb_backend *b  = f->cfg.backend;
    sb_status         st = b->graph_begin(NULL);
    if (st != SB_OK)
        return st;
    st              = queue_layers(f, pos);
    sb_status ended = b->graph_end(NULL, st == SB_OK ? &f->steps.graph : NULL);
    return st == SB_OK ? ended : st;
}

static sb_status launch(sb_forward *f)
{
    sb_status st = f->cfg.backend->graph_launch(f->steps.graph, NULL);
    if (st == SB_OK)
        f->steps.facts.steps++;
    return st;
}

/* A graph that fails is no failed step: calls are tried, and say what is wrong with the device. */
static sb_status run_layers(sb_forward *f, int64_t pos)
{
    sbi_steps *s  = &f->steps;
    sb_status  st = SB_OK;
    switch (s->by) {
    case SBI_STEPS_CAPTURE:
        st = capture(f, pos);
        break;
    case SBI_STEPS_GRAPH:
        break;
    default:
        s->by = s->by == SBI_STEPS_WARM ? SBI_STEPS_CAPTURE : SBI_STEPS_TOLD;
        return queue_layers(f, pos);
    }
    if (st == SB_OK && (st = launch(f)) == SB_OK) {
        s->by = SBI_STEPS_GRAPH;
        return SB_OK;
    }
    give_up(s, sb_error_text());
    s->by = SBI_STEPS_TOLD;
    return queue_layers(f, pos);
}

sb_status sbi_steps_feed(sb_forward *f, int32_t id, int64_t pos)
{
    int64_t   slot = 0;
    sb_status st   = f->ops->embed_one(f->cfg.model, f->in, id, pos);
    if (st == SB_OK)
        st = extend(f, pos, &slot);
    f->steps.here = (sb_step){.slot = (int32_t)slot, .n_keys = (int32_t)slot + 1};
    if (st == SB_OK)
        st = f->cfg.backend->copy(f->steps.there, &f->steps.here, sizeof f->steps.here,
                                  SB_COPY_TO_DEVICE, NULL);
    return st == SB_OK ? run_layers(f, pos) : st;
}

const sb_graph_facts *sb_forward_graphs(const sb_forward *f) { return &f->steps.facts; }
