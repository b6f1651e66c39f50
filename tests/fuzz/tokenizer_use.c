#include "tests/fuzz/tokenizer_use.h"

#include <stdlib.h>

#include "tests/fuzz/common.h"

void fuzz_tokenizer_use(const sb_tok *t, const uint8_t *data, size_t size)
{
    static const char text[] =
        "Hello  world, <|end|> <mark> don't 1234 \xC3\xA9 e\xCC\x81 \xE4\xB8\xAD\xFF\n\n abcabc";
    sb_tok_ctx *c     = NULL;
    sb_tok_ids  ids   = {0};
    char       *back  = NULL;
    int64_t     count = 0;
    if (sb_tok_ctx_create(t, &c) != SB_OK)
        return;
    fuzz_must(sb_tok_encode(c, text, sizeof text - 1, SB_TOK_SPECIALS_PARSE, SB_TOK_BOS_AUTO,
                            &ids) == SB_OK &&
                  sb_tok_encode(c, data, size < 4096 ? size : 4096, SB_TOK_SPECIALS_LITERAL,
                                SB_TOK_BOS_NONE, &ids) == SB_OK,
              "whatever opens encodes any text");
    for (int64_t i = 0; i < ids.n; i++)
        fuzz_must(ids.ids[i] >= 0 && ids.ids[i] < sb_tok_size(t), "ids of the vocabulary");
    fuzz_must(sb_tok_count(c, text, sizeof text - 1, SB_TOK_SPECIALS_PARSE, &count) == SB_OK &&
                  sb_tok_decode(t, ids.ids, ids.n, SB_TOK_SHOW_SPECIALS, &back, NULL) == SB_OK,
              "counted and decoded");
    free(back);
    sb_tok_ids_fini(&ids);
    sb_tok_ctx_destroy(c);
}
