/* How fast the tokenizer is on one core.
 *
 *   bench_tokenizer TOKENIZER [FILE...]     default: the licence texts of Debian
 *
 * cold   a fresh context for every pass: the piece cache starts empty
 * warm   the same text again with the same context
 * 2^20   so many tokens, the text over and over where it is shorter, context fresh
 * random words of 12 random letters: nothing repeats, everything is merged
 * letter, blanks   a megabyte of one character: one piece, merged by the heap
 * Each is the median of PASSES. BENCH_CLOCK=cpu counts CPU time, for a machine that others use. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/perf/bench.h"
#include "workloads/tokenizer/tokenizer.h"

#define PASSES 7
#define MILLION (INT64_C(1) << 20)

static const char *const licences[] = {
    "/usr/share/common-licenses/GPL-1",      "/usr/share/common-licenses/GPL-2",
    "/usr/share/common-licenses/GPL-3",      "/usr/share/common-licenses/LGPL-2",
    "/usr/share/common-licenses/LGPL-2.1",   "/usr/share/common-licenses/LGPL-3",
    "/usr/share/common-licenses/GFDL-1.2",   "/usr/share/common-licenses/GFDL-1.3",
    "/usr/share/common-licenses/MPL-1.1",    "/usr/share/common-licenses/MPL-2.0",
    "/usr/share/common-licenses/Apache-2.0", "/usr/share/common-licenses/CC0-1.0"};

typedef struct text {
    char  *data;
    size_t n;
} text;

static void die(const char *what)
{
    (void)fprintf(stderr, "bench_tokenizer: %s\n", what);
    exit(2);
}

static double now(void) { return 1e-9 * bench_now_ns(); }

static void add_file(text *t, const char *path)
{
    FILE *f = fopen(path, "rb");
    long  n;
    if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (n = ftell(f)) < 0)
        die(path);
    rewind(f);
    t->data = realloc(t->data, t->n + (size_t)n + 1);
    if (t->data == NULL || fread(t->data + t->n, 1, (size_t)n, f) != (size_t)n)
        die(path);
    t->n += (size_t)n;
    (void)fclose(f);
}

static sb_tok_ctx *fresh(const sb_tok *t)
{
    sb_tok_ctx *c = NULL;
    if (sb_tok_ctx_create(t, &c) != SB_OK)
        die(sb_error_text());
    return c;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median seconds of encoding; warm: a first pass is not counted. */
static double measure(const sb_tok *t, const text *x, int warm, int64_t *tokens)
{
    double     s[PASSES];
    sb_tok_ids ids = {0};
    for (int p = 0; p < PASSES; p++) {
        sb_tok_ctx *c = fresh(t);
        for (int k = 0; k < 1 + warm; k++) {
            double start = now();
            ids.n        = 0;
            if (sb_tok_encode(c, x->data, x->n, SB_TOK_SPECIALS_PARSE, SB_TOK_BOS_NONE, &ids) !=
                SB_OK)
                die(sb_error_text());
            s[p] = now() - start;
        }
        sb_tok_ctx_destroy(c);
    }
    *tokens = ids.n;
    sb_tok_ids_fini(&ids);
    qsort(s, PASSES, sizeof s[0], by_value);
    return s[PASSES / 2];
}

static void show(const char *what, const sb_tok *t, const text *x, int warm)
{
    int64_t tokens = 0;
    double  s      = measure(t, x, warm, &tokens);
    printf(
        "%-8s %9zu bytes %8lld tokens %8.1f ms  %6.2f M tokens/s  %6.1f MB/s  %.2f bytes/token\n",
        what, x->n, (long long)tokens, 1e3 * s, 1e-6 * (double)tokens / s, 1e-6 * (double)x->n / s,
        (double)x->n / (double)tokens);
}

int main(int argc, char **argv)
{
    sb_tok *t       = NULL;
    text    english = {0}, longer = {0}, random = {0};
    int64_t tokens;
    double  start = now();
    if (argc < 2)
        die("usage: bench_tokenizer TOKENIZER [FILE...]");
    if (sb_tok_open(argv[1], NULL, &t) != SB_OK)
        die(sb_error_text());
    printf("open     %s: %d tokens, %s, %.1f ms\n", argv[1], sb_tok_size(t), sb_tok_splitter(t),
           1e3 * (now() - start));
    for (int i = 2; i < argc; i++)
        add_file(&english, argv[i]);
    for (size_t i = 0; argc == 2 && i < sizeof licences / sizeof licences[0]; i++)
        add_file(&english, licences[i]);
    show("cold", t, &english, 0);
    show("warm", t, &english, 1);
    (void)measure(t, &english, 0, &tokens);
    longer.n    = (size_t)((double)english.n * (double)MILLION / (double)tokens);
    longer.data = malloc(longer.n);
    random.n    = 1 << 20;
    random.data = malloc(random.n);
    if (longer.data == NULL || random.data == NULL)
        die("no memory");
    for (size_t i = 0; i < longer.n; i++)
        longer.data[i] = english.data[i % english.n];
    show("2^20", t, &longer, 0);
    for (size_t i = 0; i < random.n; i++)
        random.data[i] = i % 13 == 0 ? ' ' : (char)('a' + rand() % 26);
    show("random", t, &random, 0);
    memset(random.data, 'a', random.n);
    show("letter", t, &random, 0);
    memset(random.data, ' ', random.n);
    show("blanks", t, &random, 0);
    free(english.data);
    free(longer.data);
    free(random.data);
    sb_tok_close(t);
    return 0;
}
