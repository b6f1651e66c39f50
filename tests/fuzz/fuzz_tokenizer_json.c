/* What a fuzzer feeds: any bytes as a tokenizer file (GGUF where they start with its magic, a
 * tokenizer.model, else JSON). What opens is used. Built for libFuzzer with SPAN_FUZZ=ON;
 * test_tokenizer_fuzz.c calls the same function with seeded mutations. */
#include "tests/fuzz/common.h"

#include <stdlib.h>

#include "workloads/tokenizer/tokenizer.h"

static void use(const sb_tok *t, const uint8_t *data, size_t size)
{
    static const char text[] =
        "Hello  world, <|end|> <mark> don't 1234 \xC3\xA9 e\xCC\x81 \xE4\xB8\xAD\xFF\n\n abcabc";
    sb_tok_ctx *c     = NULL;
    sb_tok_ids  ids   = {0};
    char       *back  = NULL;
    int64_t     count = 0;
    if (sb_tok_ctx_create(t, &c) != SB_OK)
        return;
    if (sb_tok_encode(c, text, sizeof text - 1, SB_TOK_SPECIALS_PARSE, SB_TOK_BOS_AUTO, &ids) !=
            SB_OK ||
        sb_tok_encode(c, data, size < 4096 ? size : 4096, SB_TOK_SPECIALS_LITERAL, SB_TOK_BOS_NONE,
                      &ids) != SB_OK)
        abort(); /* whatever opens must encode any text */
    for (int64_t i = 0; i < ids.n; i++)
        if (ids.ids[i] < 0 || ids.ids[i] >= sb_tok_size(t))
            abort();
    if (sb_tok_count(c, text, sizeof text - 1, SB_TOK_SPECIALS_PARSE, &count) != SB_OK ||
        sb_tok_decode(t, ids.ids, ids.n, SB_TOK_SHOW_SPECIALS, &back, NULL) != SB_OK)
        abort();
    free(back);
    sb_tok_ids_fini(&ids);
    sb_tok_ctx_destroy(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sb_tok        *t   = NULL;
    sb_tok_options opt = {size % 4 == 3 ? "qwen2" : NULL};
    if (sb_tok_open_bytes("fuzz", data, size, size >= 4 && data[0] == 'G' ? &opt : NULL, &t) !=
        SB_OK)
        return 0;
    use(t, data, size);
    sb_tok_close(t);
    return 0;
}
