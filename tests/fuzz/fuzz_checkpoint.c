/* What a fuzzer feeds: any bytes as a GGUF file, or as a config.json where they start with a brace.
 * What opens is used: every tensor's first and last block is read. */
#include "tests/fuzz/common.h"

#include <stdlib.h>

#include "harness/model/checkpoint/config.h"

static void use(const sb_gguf *g)
{
    float y[SB_BLOCK_MAX_VALUES];
    char *text = NULL;
    for (uint64_t i = 0; i < g->n_tensors; i++) {
        const sb_gguf_tensor  *t = &g->tensors[i];
        const sb_block_format *f = &sb_block_formats[t->type];
        if (sb_gguf_find_tensor(g, t->name) != t)
            abort();
        (void)sb_block_expand(t->type, t->data, f->values, y);
        (void)sb_block_expand(t->type, t->data + t->bytes - f->bytes, f->values, y);
    }
    if (sb_gguf_text(g, "general.architecture", &text) == SB_OK)
        free(text);
}

static void check(const sb_model_config *c)
{
    float f[SB_ROPE_MAX_PAIRS], t;
    int   turns = c->family != SB_FAMILY_TRANSNORMER, two = c->family == SB_FAMILY_GEMMA3;
    if (c->heads % c->kv_heads != 0 || c->head_dim % 2 != 0 || c->n_stops > SB_CONFIG_MAX_STOPS ||
        c->rope.dims / 2 > SB_ROPE_MAX_PAIRS ||
        (turns && sb_rope_frequencies(&c->rope, 1 << 20, f, &t) != SB_OK) ||
        (two && sb_rope_frequencies(&c->local_rope, 1 << 20, f, &t) != SB_OK) ||
        (two && (c->window_tokens < 1 || !(c->scale > 0))) || c->act >= SB_ACT_COUNT)
        abort();
    for (int64_t l = 0; l < SB_CONFIG_MAX_LAYERS; l++)
        if (c->windowed[l] > 1 || c->lrpe[l] > 1 || (l >= c->n_layers && c->lrpe[l]))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sb_gguf        *g = NULL;
    sb_model_config c;
    if (size > 0 && data[0] == '{') {
        size_t half = size / 2; /* also as the second file */
        if (sb_config_from_json("fuzz", (const char *)data, size, NULL, NULL, 0, &c) == SB_OK) {
            check(&c);
            (void)sb_config_from_json("fuzz", (const char *)data, size, "second",
                                      (const char *)data + half, size - half, &c);
        }
        return 0;
    }
    if (sb_gguf_open_bytes("fuzz", data, size, &g) != SB_OK)
        return 0;
    use(g);
    if (sb_config_from_gguf(g, &c) == SB_OK)
        check(&c);
    sb_gguf_close(g);
    return 0;
}
