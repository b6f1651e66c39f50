/* Which method each layer attends by: the point's, or one of the model's own. */
#include <stdlib.h>

#include "harness/model/forward_parts.h"

static sb_status ask(const sb_forward *f, int32_t layer, const sb_method *m, const void *params,
                     sb_model_layer *out)
{
    const sb_model *model = f->cfg.model;
    out->method           = m;
    out->params           = params;
    out->layer            = layer;
    out->n_layers         = f->shape.n_layers;
    return model->ops->layer != NULL ? model->ops->layer(model, layer, out) : SB_OK;
}

/* Over ranks keys are gathered for all layers or for none. */
static sb_status check_ranks(const sb_forward *f, const sb_model_layer *c)
{
    if (f->cfg.comm->size == 1 || sbi_carries_state(c->method) == sbi_carries_state(f->cfg.method))
        return SB_OK;
    return sb_fail(SB_ERR_UNSUPPORTED,
                   "%s over %d ranks: found layers of the model that attend by %s, allowed one "
                   "rank: only one of the two carries a state",
                   f->cfg.method->name, f->cfg.comm->size, c->method->name);
}

sb_status sbi_forward_layers(sb_forward *f)
{
    sb_status st = SB_OK;
    f->calls     = calloc((size_t)f->shape.n_layers, sizeof *f->calls);
    if (f->calls == NULL)
        return sb_fail(SB_ERR_NOMEM, "forward pass: no memory for %d layers", f->shape.n_layers);
    for (int32_t l = 0; st == SB_OK && l < f->shape.n_layers; l++) {
        sbi_layer_calls *c = &f->calls[l];
        st                 = ask(f, l, f->cfg.method, f->cfg.method_params, &c->prefill);
        if (st == SB_OK)
            st = check_ranks(f, &c->prefill);
        if (st == SB_OK)
            st = ask(f, l, f->cfg.decode_method, f->cfg.decode_params, &c->decode);
    }
    return st;
}

static int64_t bytes_of(const sb_model_layer *c, const sb_shape *shape)
{
    return c->method->state_bytes == NULL ? 0 : c->method->state_bytes(c->params, shape);
}

static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

/* Prefill and decode are the same method with the same parameters, or one of them keeps nothing. */
int64_t sbi_forward_state_bytes(const sb_forward *f, int32_t layer)
{
    int32_t  begin = f->in->n_feed == 0 ? 0 : layer;
    int32_t  end   = f->in->n_feed == 0 ? f->shape.n_layers : layer + 1;
    sb_shape shape = sbi_forward_shape(f);
    int64_t  most  = 0;
    for (int32_t l = begin; l < end; l++)
        most = max_i64(most, max_i64(bytes_of(&f->calls[l].prefill, &shape),
                                     bytes_of(&f->calls[l].decode, &shape)));
    return most;
}
