/* make_checkpoint DIR TOKENIZER.json: a Llama of two layers with random weights and that tokenizer
 * as Hugging Face files in DIR, for script tests. The writer of small checkpoints speaks Check, so
 * it runs as a case. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/harness/model/checkpoint/tiny.h"

enum { MAX_BYTES = 1 << 20 };

static const char *dir, *tokenizer;

START_TEST(make)
{
    static char buf[MAX_BYTES];
    char        path[1024];
    tiny        t  = tiny_llama;
    FILE       *in = fopen(tokenizer, "rb");
    ck_assert_msg(in != NULL, "%s", tokenizer);
    size_t n = fread(buf, 1, sizeof buf, in);
    (void)fclose(in);
    ck_assert(n > 0 && n < sizeof buf);
    t.vocab = 656; /* of tests/fixtures/tokenizer/smollm.json, and padding rows */
    tiny_folder(&t, dir);
    (void)snprintf(path, sizeof path, "%s/tokenizer.json", dir);
    tiny_write(path, buf, n);
}
END_TEST

int main(int argc, char **argv)
{
    Suite *s = suite_create("make");
    TCase *c = tcase_create("make");
    if (argc != 3) {
        (void)fputs("usage: make_checkpoint DIR TOKENIZER.json\n", stderr);
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
