/* metrics_cases SCORER [N [SEED]]: the cases and our scores as lines of JSON, texts as hexadecimal
 * bytes, for originals.py. "unicode": what our character functions say of every code point. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/golden/metrics/cases.h"
#include "workloads/metrics/jieba.h"

static void put_texts(const char *name, const sb_text *t, int64_t n)
{
    printf("\"%s\":[", name);
    for (int64_t i = 0; i < n; i++) {
        printf("%s\"", i > 0 ? "," : "");
        for (size_t k = 0; k < t[i].bytes; k++)
            printf("%02x", (unsigned)(unsigned char)t[i].data[k]);
        printf("\"");
    }
    printf("],");
}

static int write_unicode(void)
{
    for (int32_t c = 0; c < 0x110000; c++) {
        sbi_pool pool = {0};
        sbi_str  one  = {&c, 1}, l, u, d;
        if (c >= 0xD800 && c < 0xE000)
            continue;
        if (sbi_lower(&pool, one, &l) != SB_OK || sbi_upper(&pool, one, &u) != SB_OK ||
            sbi_nfd(&pool, one, &d) != SB_OK)
            return 1;
        printf("[%" PRId32 ",%d,%d,%d", c, sbi_is_space(c), sbi_is_word(c),
               sbi_is_decimal(c) ? (int)sbi_decimal_value(c) : -1);
        for (int k = 0; k < 3; k++) {
            const sbi_str *s = k == 0 ? &l : k == 1 ? &u : &d;
            printf(",[");
            for (int64_t i = 0; i < s->n; i++)
                printf("%s%" PRId32, i > 0 ? "," : "", s->c[i]);
            printf("]");
        }
        printf("]\n");
        sbi_pool_free(&pool);
    }
    return 0;
}

int main(int argc, char **argv)
{
    const sb_scorer *s    = argc > 1 ? sb_scorer_find(argv[1]) : NULL;
    int64_t          n    = argc > 2 ? strtoll(argv[2], NULL, 10) : METRIC_CASES;
    uint64_t         seed = argc > 3 ? strtoull(argv[3], NULL, 10) : METRIC_SEED;
    sb_jieba        *j    = NULL;
    if (argc > 1 && strcmp(argv[1], "unicode") == 0)
        return write_unicode();
    if (s == NULL) {
        for (const sb_scorer *const *p = sb_scorers; *p != NULL; p++)
            printf("%s\n", (*p)->name);
        return argc > 1;
    }
    if ((s->needs & SB_NEED_JIEBA) && sb_jieba_open(NULL, &j) != SB_OK) {
        fprintf(stderr, "%s\n", sb_error_text());
        return 1;
    }
    for (int64_t i = 0; i < n; i++) {
        metric_case   c;
        sb_text_score score = {0};
        metric_case_make(s, seed, i, &c);
        c.req.jieba  = j;
        sb_status st = sb_scorer_score(s, &c.req, &score);
        printf("{\"i\":%" PRId64 ",", i);
        put_texts("preds", c.req.preds, c.req.n_preds);
        put_texts("refs", c.req.refs, c.req.n_refs);
        put_texts("classes", c.req.classes, c.req.n_classes);
        put_texts("question", &c.req.question, 1);
        printf("\"relevance\":[");
        for (int64_t k = 0; k < c.req.n_refs; k++)
            printf("%s%" PRId64, k > 0 ? "," : "", c.relevance[k]);
        printf("],\"task\":\"%s\",\"prefix\":\"%s\",\"drop\":%d,\"status\":\"%s\",\"flags\":%u,"
               "\"value\":%.17g}\n",
               c.task, c.req.prefix != NULL ? c.req.prefix : "", (int)c.req.drop_first,
               st == SB_OK ? "" : sb_error_text(), (unsigned)score.flags, score.value);
        metric_case_free(&c);
    }
    sb_jieba_close(j);
    return 0;
}
