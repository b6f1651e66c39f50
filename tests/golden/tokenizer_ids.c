/* The tokenizer as a filter, for comparing it with others (tokenizer_compare.py).
 *
 *   tokenizer_ids [--literal] TOKENIZER < DOCS > IDS      DOCS: u32 length, bytes, ...
 *   tokenizer_ids --decode TOKENIZER < IDS > DOCS         IDS: u32 count, i32 ids, ...
 *   tokenizer_ids --text SEED BYTES > DOCS
 *
 * Little-endian. Special tokens are parsed unless --literal; no BOS is added. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/golden/tokenizer_text.h"
#include "workloads/tokenizer/tokenizer.h"

static int fail(const char *what)
{
    (void)fprintf(stderr, "tokenizer_ids: %s\n", what);
    return 1;
}

static int write_text(uint64_t seed, size_t bytes)
{
    golden_text g = golden_text_make(seed, bytes);
    for (int64_t i = 0; i < g.n_docs; i++) {
        uint32_t n = (uint32_t)(g.at[i + 1] - g.at[i]);
        if (fwrite(&n, 4, 1, stdout) != 1 || fwrite(g.data + g.at[i], 1, n, stdout) != n)
            return fail("cannot write");
    }
    golden_text_fini(&g);
    return 0;
}

static int encode(sb_tok_ctx *c, sb_tok_specials specials)
{
    sb_tok_ids     ids  = {0};
    unsigned char *text = NULL;
    uint32_t       n;
    while (fread(&n, 4, 1, stdin) == 1) {
        unsigned char *more = realloc(text, n + 1);
        uint32_t       count;
        if (more == NULL)
            return fail("no memory");
        text = more;
        if (fread(text, 1, n, stdin) != n)
            return fail("a document is cut short");
        ids.n = 0;
        if (sb_tok_encode(c, text, n, specials, SB_TOK_BOS_NONE, &ids) != SB_OK)
            return fail(sb_error_text());
        count = (uint32_t)ids.n;
        if (fwrite(&count, 4, 1, stdout) != 1 || fwrite(ids.ids, 4, count, stdout) != count)
            return fail("cannot write");
    }
    free(text);
    sb_tok_ids_fini(&ids);
    return 0;
}

static int decode(const sb_tok *t)
{
    int32_t *ids = NULL;
    uint32_t n;
    while (fread(&n, 4, 1, stdin) == 1) {
        int32_t *more  = realloc(ids, 4 * ((size_t)n + 1));
        char    *text  = NULL;
        size_t   bytes = 0;
        if (more == NULL)
            return fail("no memory");
        ids = more;
        if (fread(ids, 4, n, stdin) != n)
            return fail("a list is cut short");
        if (sb_tok_decode(t, ids, n, SB_TOK_SHOW_TEXT, &text, &bytes) != SB_OK)
            return fail(sb_error_text());
        n = (uint32_t)bytes;
        if (fwrite(&n, 4, 1, stdout) != 1 || fwrite(text, 1, n, stdout) != n)
            return fail("cannot write");
        free(text);
    }
    free(ids);
    return 0;
}

int main(int argc, char **argv)
{
    sb_tok     *t       = NULL;
    sb_tok_ctx *c       = NULL;
    int         literal = argc == 3 && strcmp(argv[1], "--literal") == 0;
    int         decodes = argc == 3 && strcmp(argv[1], "--decode") == 0;
    int         rc;
    if (argc == 4 && strcmp(argv[1], "--text") == 0)
        return write_text(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
    if (argc != 2 + literal + decodes)
        return fail("usage: tokenizer_ids [--literal | --decode] TOKENIZER | --text SEED BYTES");
    if (sb_tok_open(argv[argc - 1], NULL, &t) != SB_OK || sb_tok_ctx_create(t, &c) != SB_OK)
        return fail(sb_error_text());
    rc = decodes ? decode(t) : encode(c, literal ? SB_TOK_SPECIALS_LITERAL : SB_TOK_SPECIALS_PARSE);
    sb_tok_ctx_destroy(c);
    sb_tok_close(t);
    return rc;
}
