/* What a fuzzer feeds: any bytes as a GGUF file. What opens is used: every tensor's first and last
 * block is read, and its keys as a configuration. */
#include "tests/fuzz/common.h"

#include <stdlib.h>

#include "tests/fuzz/model_config.h"

static void use(const sb_gguf *g)
{
    float y[SB_BLOCK_MAX_VALUES];
    char *text = NULL;
    for (uint64_t i = 0; i < g->n_tensors; i++) {
        const sb_gguf_tensor  *t = &g->tensors[i];
        const sb_block_format *f = &sb_block_formats[t->type];
        fuzz_must(sb_gguf_find_tensor(g, t->name) == t, "found by its name");
        (void)sb_block_expand(t->type, t->data, f->values, y);
        (void)sb_block_expand(t->type, t->data + t->bytes - f->bytes, f->values, y);
    }
    if (sb_gguf_text(g, "general.architecture", &text) == SB_OK)
        free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sb_gguf        *g = NULL;
    sb_model_config c;
    if (sb_gguf_open_bytes("fuzz", data, size, &g) != SB_OK)
        return 0;
    use(g);
    if (sb_config_from_gguf(g, &c) == SB_OK)
        fuzz_model_config(&c);
    sb_gguf_close(g);
    return 0;
}
