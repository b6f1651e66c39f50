/* make_checkpoint DIR TOKENIZER: a Llama of two layers with random weights and that tokenizer (a
 * tokenizer.json, or a SentencePiece .model) as Hugging Face files in DIR, for script tests. The
 * writer of small checkpoints speaks Check, so it runs as a case. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/harness/model/checkpoint/tiny.h"

enum { MAX_BYTES = 1 << 20 };

static const char *dir, *tokenizer;

START_TEST(make)
{
    static char buf[MAX_BYTES];
    char        path[1024];
    tiny        t      = tiny_llama;
    const char *end    = strrchr(tokenizer, '.');
    int         pieces = end != NULL && strcmp(end, ".model") == 0;
    FILE       *in = fopen(tokenizer, "rb");
    ck_assert_msg(in != NULL, "%s", tokenizer);
    size_t n = fread(buf, 1, sizeof buf, in);
    (void)fclose(in);
    ck_assert(n > 0 && n < sizeof buf);
    /* of smollm.json or sp_mistral.model of tests/fixtures/tokenizer, and padding rows */
    t.vocab = pieces ? 928 : 656;
    tiny_folder(&t, dir);
    (void)snprintf(path, sizeof path, "%s/tokenizer.%s", dir, pieces ? "model" : "json");
    tiny_write(path, buf, n);
}
END_TEST

int main(int argc, char **argv)
{
    Suite *s = suite_create("make");
    TCase *c = tcase_create("make");
    if (argc != 3) {
        (void)fputs("usage: make_checkpoint DIR TOKENIZER\n", stderr);
        return 2;
    }
    dir       = argv[1];
    tokenizer = argv[2];
    tcase_add_test(c, make);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, CK_SILENT);
    int failed = srunner_ntests_failed(r);
    if (failed > 0)
        srunner_print(r, CK_NORMAL);
    srunner_free(r);
    return failed > 0;
}
