#include "tests/fuzz/model_config.h"

#include "tests/fuzz/common.h"

void fuzz_model_config(const sb_model_config *c)
{
    float f[SB_ROPE_MAX_PAIRS], t;
    int   turns = c->family != SB_FAMILY_TRANSNORMER, two = c->family == SB_FAMILY_GEMMA3;
    fuzz_must(c->heads > 0 && c->kv_heads > 0 && c->heads % c->kv_heads == 0, "heads in groups");
    fuzz_must(c->head_dim > 0 && c->head_dim % 2 == 0, "an even head_dim");
    fuzz_must(c->n_stops >= 0 && c->n_stops <= SB_CONFIG_MAX_STOPS, "stops");
    fuzz_must(c->act < SB_ACT_COUNT, "an activation");
    fuzz_must(c->rope.dims / 2 <= SB_ROPE_MAX_PAIRS, "pairs of a rotation");
    fuzz_must(!turns || sb_rope_frequencies(&c->rope, 1 << 20, f, &t) == SB_OK, "frequencies");
    fuzz_must(!two || (c->window_tokens >= 1 && c->scale > 0 &&
                       sb_rope_frequencies(&c->local_rope, 1 << 20, f, &t) == SB_OK),
              "windows of Gemma 3");
    fuzz_must(c->n_layers >= 1 && c->n_layers <= SB_CONFIG_MAX_LAYERS, "layers");
    for (int64_t l = 0; l < SB_CONFIG_MAX_LAYERS; l++)
        fuzz_must(c->windowed[l] <= 1 && c->lrpe[l] <= 1 && (l < c->n_layers || !c->lrpe[l]),
                  "flags of a layer");
}
