/* suite_rows SUITE key=value...: the rows of a request as lines of jsonl, bad ones as {"row",
 * "error"}. tok may also name a tokenizer's file; rows=N stops there. For the scripts that compare
 * with the published programs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/workloads/suites/rig.h"
#include "workloads/base/pytext.h"
#include "workloads/tokenizer/ops.h"

static int fails(const char *what)
{
    fprintf(stderr, "suite_rows: %s: %s\n", what, sb_error_text());
    return 1;
}

static int print_rows(sb_text_set *set, int64_t most)
{
    const sb_text_suite *s = set->suite;
    int64_t              n = s->n_rows(set);
    for (int64_t i = 0; i < (n < 0 || (most >= 0 && most < n) ? most : n); i++) {
        sb_text_row r    = {0};
        char       *line = NULL;
        if (s->row(set, i, &r) != SB_OK) {
            sbi_text t = {0};
            sbi_py_json(&t, sb_error_text(), (int64_t)strlen(sb_error_text()));
            printf("{\"row\": %" PRId64 ", \"error\": %s}\n", i, sbi_text_str(&t));
            sbi_text_fini(&t);
            continue;
        }
        if (sb_text_row_json(s, set->task, &r, &line) != SB_OK)
            return fails("json");
        fputs(line, stdout);
        free(line);
        sb_text_row_fini(&r);
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char  *args[32] = {NULL};
    int64_t      most     = -1;
    int          n        = 0, bad;
    rig          g;
    sb_text_set *set  = NULL;
    sb_tok      *tok  = NULL;
    sb_tok_ctx  *ctx  = NULL;
    const char  *file = NULL;
    sb_tok_ops   ops;
    if (argc < 2 || argc > 30)
        return 2;
    for (int i = 2; i < argc; i++) {
        if (strncmp(argv[i], "rows=", 5) == 0)
            most = atoll(argv[i] + 5);
        else if (strncmp(argv[i], "tok=", 4) == 0 && rig_tok(argv[i] + 4) == NULL &&
                 sb_tok_ops_find(argv[i] + 4) == NULL)
            file = argv[i] + 4;
        else
            args[n++] = argv[i];
    }
    if (rig_request(&g, argv[1], args) != SB_OK)
        return fails("request");
    if (file != NULL) {
        if (sb_tok_open(file, NULL, &tok) != SB_OK || sb_tok_ctx_create(tok, &ctx) != SB_OK)
            return fails(file);
        sb_tok_ops_of(ctx, SB_TOK_SPECIALS_LITERAL, &ops);
        g.req.tok = &ops;
    }
    if (g.req.suite->open(&g.req, &set) != SB_OK)
        return fails("open");
    bad = print_rows(set, most);
    g.req.suite->close(set);
    sb_tok_ctx_destroy(ctx);
    sb_tok_close(tok);
    return bad;
}
