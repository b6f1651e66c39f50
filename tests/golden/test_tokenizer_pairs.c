/* Published texts and their ids [5.5], where the vocabularies are at hand: SPAN_VOCABS names a
 * folder with llama.cpp's vocabulary files
 * ggml-vocab-{llama-bpe,qwen2,gpt-2,starcoder,llama-spm,phi-3, deepseek-coder}.gguf. Where a file's
 * .inp and .out lie beside it, those are compared as well. */
#include "tests/unit/workloads/tokenizer/case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const name[] = {"llama-bpe", "qwen2", "gpt-2",         "starcoder",
                                   "llama-spm", "phi-3", "deepseek-coder"};
#define NAMES ((int)(sizeof name / sizeof name[0]))
#define PAIRED 5 /* of them have pairs below */

static const struct {
    const char *text, *ids[PAIRED];
} pair[] = {
    {"Hello world", {"9906 1917", "9707 1879", "15496 995", "8302 5810", "15043 3186"}},
    {"  Hello", {"220 22691", "220 21927", "220 18435", "244 12009", "259 15043"}},
    {"3333333",
     {"8765 8765 18", "18 18 18 18 18 18 18", "24840 20370", "56 56 56 56 56 56 56",
      "29871 29941 29941 29941 29941 29941 29941 29941"}},
    {"\n\n\n", {"1432", "1406", "628 198", "3067", "29871 13 13 13"}},
    {"\t\n", {"1602", "1572", "197 198", "15767", "29871 12 13"}},
    {"!!!!!!", {"17523 3001", "17085 2928", "13896 3228", "9221 3226", "1738 6824 21004"}},
    {"ied 4 \xC2\xBD months",
     {"1142 220 19 220 27154 4038", "1122 220 19 220 26062 3951", "798 604 25208 1933",
      "4850 244 57 244 162 159 17722", "474 287 29871 29946 29871 30226 7378"}},
    {"The needle is 7654321 in 2024.",
     {"791 31409 374 220 22240 16739 16 304 220 2366 19 13", NULL, NULL, NULL, NULL}},
    {"  x\n\n y\t\tz  ", {"220 865 271 379 197 21499 256", NULL, NULL, NULL, NULL}},
    {"don't DON'T", {"15357 956 45373 17773", NULL, NULL, NULL, NULL}},
    {"a\xC2\xA0"
     "b\xE3\x80\x80"
     "c",
     {"64 115648 23249 66", NULL, NULL, NULL, NULL}},
    {"'\xC5\xBF it", {"6 129 123 433", NULL, NULL, NULL, NULL}},
    {"e\xCC\x81", {"68 54939", NULL, NULL, NULL, NULL}},
    {"This is a test sentence.", {"2028 374 264 1296 11914 13", NULL, NULL, NULL, NULL}},
};

static const char *path_of(int v, const char *end)
{
    static char path[1024];
    (void)snprintf(path, sizeof path, "%s/ggml-vocab-%s.gguf%s", getenv("SPAN_VOCABS"), name[v],
                   end);
    return path;
}

START_TEST(pairs)
{
    sb_tok *t = must_open(path_of(_i, ""));
    for (size_t i = 0; i < sizeof pair / sizeof pair[0]; i++)
        if (pair[i].ids[_i] != NULL)
            ck_assert_msg(strcmp(ids_of(t, pair[i].text), pair[i].ids[_i]) == 0,
                          "%s: `%s`: %s, not %s", name[_i], pair[i].text, ids_of(t, pair[i].text),
                          pair[i].ids[_i]);
    sb_tok_close(t);
}
END_TEST

/* .inp: texts with a line "__ggml_vocab_test__" between them; .out: a line of ids for each. */
START_TEST(published_sets)
{
    static const char mark[] = "\n__ggml_vocab_test__\n";
    static char       in[1 << 16], line[1 << 16];
    FILE   *inp = fopen(path_of(_i, ".inp"), "rb"), *out = fopen(path_of(_i, ".out"), "rb");
    char   *at = in;
    sb_tok *t;
    int     n = 0;
    if (inp == NULL || out == NULL)
        return;
    in[fread(in, 1, sizeof in - 1, inp)] = '\0';
    t                                    = must_open(path_of(_i, ""));
    for (char *end; (end = strstr(at, mark)) != NULL; at = end + sizeof mark - 1, n++) {
        char want[1 << 13] = "", *w = want, *save = NULL;
        ck_assert_ptr_nonnull(fgets(line, sizeof line, out));
        for (char *id = strtok_r(line, " \n", &save); id != NULL; id = strtok_r(NULL, " \n", &save))
            w += snprintf(w, sizeof want - (size_t)(w - want), "%s%s", w == want ? "" : " ", id);
        *end = '\0';
        ck_assert_msg(strcmp(ids_of(t, at), want) == 0, "%s, text %d: %s, not %s", name[_i], n,
                      ids_of(t, at), want);
    }
    ck_assert_int_gt(n, 30);
    (void)fclose(inp);
    (void)fclose(out);
    sb_tok_close(t);
}
END_TEST

int main(void)
{
    if (getenv("SPAN_VOCABS") == NULL || access(path_of(0, ""), R_OK) != 0) {
        printf("skipped: no vocabularies (SPAN_VOCABS names a folder with "
               "ggml-vocab-llama-bpe.gguf and its like)\n");
        return 77;
    }
    Suite *s = suite_create("pairs");
    TCase *t = tcase_create("pairs");
    tcase_add_loop_test(t, pairs, 0, PAIRED);
    tcase_add_loop_test(t, published_sets, 0, NAMES);
    suite_add_tcase(s, t);
    return run_suite(s);
}
