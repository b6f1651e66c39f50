/* How the layers of a checkpoint attend: by the point's method, but for sliding windows, which the
 * model was trained with, and models of lightning attention, which know no other. */
#include <string.h>

#include "harness/model/checkpoint/llama_state.h"
#include "kernels/lightning/lightning.h"
#include "kernels/streaming_llm/streaming_llm.h"

void sbi_llama_calls(sbi_llama *l)
{
    const sb_model_config *c = sb_checkpoint_config(l->c);
    l->n_calls               = 0;
    for (int32_t i = 0; i < c->n_layers; i++)
        for (int32_t part = c->lrpe[i]; part <= 2 * c->lrpe[i]; part++)
            l->call[l->n_calls++] = (sbi_llama_call){i, part};
}

static void slide(int64_t window_tokens, sb_model_layer *out)
{
    sb_streaming_llm_params p = {.window_tokens = window_tokens, .pos = SB_STREAMING_POS_ORIG};
    _Static_assert(sizeof p <= sizeof out->room, "room for a window");
    memcpy(out->room, &p, sizeof p);
    out->params = out->room;
    out->method = &sb_streaming_llm;
    out->own    = 1;
}

/* Decay and scale are the checkpoint's. q and k have gone through its function already. */
static sb_status scan(const sbi_llama *l, sb_model_layer *out)
{
    sb_lightning_params p;
    _Static_assert(sizeof p <= sizeof out->room, "room for lightning attention");
    if (strcmp(out->method->name, sb_lightning.name) != 0)
        return sb_fail(
            SB_ERR_UNSUPPORTED,
            "%s: found method %s, allowed lightning in prefill and decode: the model was "
            "trained with it",
            sb_checkpoint_path(l->c), out->method->name);
    memcpy(&p, out->params, sizeof p);
    if (p.slope_rule != SB_LIGHTNING_ALIBI_LAYER || p.slope_heads != SB_LIGHTNING_PER_Q ||
        p.act != 0 || p.scale != 1)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "%s: found slope_rule, slope_heads, act or scale, allowed chunk_tokens "
                       "alone: the rest is the checkpoint's",
                       sb_checkpoint_path(l->c));
    p.act = SB_LIGHTNING_ACT_IDENTITY;
    memcpy(out->room, &p, sizeof p);
    out->params = out->room;
    out->own    = 1;
    return SB_OK;
}

sb_status sbi_llama_attends(const sb_model *m, int32_t call, sb_model_layer *out)
{
    const sbi_llama       *l     = m->impl;
    const sb_model_config *c     = sb_checkpoint_config(l->c);
    int32_t                layer = l->call[call].layer;
    out->layer                   = layer;
    out->n_layers                = (int32_t)c->n_layers;
    if (c->family == SB_FAMILY_TRANSNORMER)
        return scan(l, out);
    if (c->family == SB_FAMILY_GEMMA3 && c->windowed[layer])
        slide(c->window_tokens, out);
    return SB_OK;
}
