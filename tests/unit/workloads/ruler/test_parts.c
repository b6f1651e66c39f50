/* What mode native stands on: sentences, passages, words, permutations, remembered counts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/golden/tokenizer_text.h"
#include "tests/unit/workloads/ruler/common.h"
#include "workloads/base/tok_memo.h"
#include "workloads/ruler/native_draft.h"
#include "workloads/tokenizer/ops.h"

/* ---- split_v1 ---- */

static const struct cut {
    const char *text, *sentences; /* | between them */
} cuts[] = {
    {"", ""},
    {"One", "One"},
    {"One. Two", "One.|Two"},
    {"One. two", "One. two"},
    {"One! Two? Three.", "One!|Two?|Three."},
    {"He said \"No.\" Then he left.", "He said \"No.\"|Then he left."},
    {"(It rained.) We stayed.", "(It rained.)|We stayed."},
    {"It was 5. 6 were left.", "It was 5.|6 were left."},
    {"Mr. Smith met Dr. Jones. They spoke.", "Mr. Smith met Dr. Jones.|They spoke."},
    {"J. R. Smith came. E.g. this, i.e. That.", "J. R. Smith came.|E.g. this, i.e. That."},
    {"See vol. 3 of it. \"Yes!\" she said.", "See vol. 3 of it.|\"Yes!\" she said."},
    {"1. Definitions. \"You\" means you. 2. Terms.",
     "1. Definitions.|\"You\" means you.|2. Terms."},
    {"(2). A list", "(2). A list"},
    {"Version 3.0. Next", "Version 3.0.|Next"},
    {"Wait... What? ... Yes", "Wait...|What? ...|Yes"},
    {"\xC3\x9C"
     "ber alles. \xC3\x84pfel sind rot. \xE2\x80\x9CJa.\xE2\x80\x9D Gut.",
     "\xC3\x9C"
     "ber alles.|\xC3\x84pfel sind rot.|\xE2\x80\x9CJa.\xE2\x80\x9D|Gut."},
    {"Ends here. ", "Ends here. "}, /* not as the caller promises: kept whole */
    {"a.m. Then (p.m.) Now", "a.m. Then (p.m.)|Now"},
};

START_TEST(sentences)
{
    const struct cut *c = &cuts[_i];
    sb_range         *v = NULL;
    int64_t           n = -1;
    sbi_text          t = {0};
    ck_assert_int_eq(sb_split_v1(c->text, (int64_t)strlen(c->text), &v, &n), SB_OK);
    for (int64_t i = 0; i < n; i++) {
        sbi_text_puts(&t, i > 0 ? "|" : "");
        sbi_text_put(&t, c->text + v[i].begin, v[i].end - v[i].begin);
    }
    ck_assert_str_eq(sbi_text_str(&t), c->sentences);
    sbi_text_fini(&t);
    free(v);
}
END_TEST

/* Any text: the sentences in order, joined by blanks, are the text. */
START_TEST(sentences_lose_nothing)
{
    static const char *const bits[] = {"a", "B", ".",  "!",        "?", "\"", ")",
                                       " ", "1", "Mr", "\xC3\x84", "'", "(",  "e.g"};
    sb_rng                   g      = {(uint64_t)_i};
    for (int r = 0; r < 300; r++) {
        sbi_text  t = {0}, back = {0};
        sb_range *v = NULL;
        int64_t   n = 0;
        for (int k = (int)sb_rng_below(&g, 40); k >= 0; k--) {
            const char *b = bits[sb_rng_below(&g, sizeof bits / sizeof *bits)];
            if (*b != ' ' || (t.n > 0 && k > 0 && t.p[t.n - 1] != ' '))
                sbi_text_puts(&t, b);
        }
        while (t.n > 0 && t.p[t.n - 1] == ' ')
            t.p[--t.n] = '\0';
        ck_assert_int_eq(sb_split_v1(sbi_text_str(&t), t.n, &v, &n), SB_OK);
        for (int64_t i = 0; i < n; i++) {
            ck_assert_int_lt(v[i].begin, v[i].end);
            sbi_text_puts(&back, i > 0 ? " " : "");
            sbi_text_put(&back, t.p + v[i].begin, v[i].end - v[i].begin);
        }
        ck_assert_str_eq(sbi_text_str(&back), sbi_text_str(&t));
        free(v);
        sbi_text_fini(&t);
        sbi_text_fini(&back);
    }
}
END_TEST

/* ---- passages ---- */

static sb_ruler_passages *passages_ok(const char *path)
{
    sb_ruler_passages *p = NULL;
    if (sb_ruler_passages_open(path, &p) != SB_OK)
        ck_abort_msg("%s", sb_error_text());
    return p;
}

START_TEST(files_to_sentences)
{
    char               words[1200] = "", path[700];
    sb_ruler_passages *p, *q;
    (void)put_text("b.txt", "Second file. It ends");
    (void)put_text("a.txt", "First\n  line. And\tmore!\n\n\n-----\n\n  New\nparagraph\n");
    (void)put_text("c.gz", "not read");
    (void)put_text("d.txt", "bad \xFF bytes");
    p = passages_ok(folder());
    ck_assert_int_eq(p->n_sentences, 5);
    ck_assert_str_eq(p->text, "First line.\nAnd more!\nNew paragraph\nSecond file.\nIt ends\n");
    ck_assert(p->n_files == 2 && p->skipped_files == 2);
    ck_assert(p->n_passages == 2 && p->first[1] == 3 && p->first[2] == 5); /* one a file */
    (void)snprintf(path, sizeof path, "%s/a.txt", folder());
    q = passages_ok(path);
    ck_assert_int_eq(q->n_sentences, 3);
    ck_assert_str_ne(p->sha256, q->sha256);
    sb_ruler_passages_close(p);
    sb_ruler_passages_close(q);
    for (int i = 0; i < 100; i++)
        strcat(words, "word ");
    strcat(words, "Long. One more. ");
    p = passages_ok(put_text("e.txt", words)); /* "Long." has 101 words and no full stop before */
    ck_assert_int_eq(p->n_passages, 2);
    ck_assert_int_eq(p->first[1], 1);
    sb_ruler_passages_close(p);
}
END_TEST

START_TEST(endless_sentences_are_cut)
{
    sbi_text           t = {0};
    sb_ruler_passages *p;
    for (int i = 0; i < 900; i++)
        sbi_text_puts(&t, i > 0 ? " w" : "w");
    p = passages_ok(put_text("a.txt", t.p));
    ck_assert_int_eq(p->n_sentences, 3); /* 400, 400, 100 words, nothing lost */
    for (int64_t i = 0; i < t.n; i++)
        ck_assert(p->text[i] == t.p[i] || (t.p[i] == ' ' && p->text[i] == '\n'));
    ck_assert_int_eq(p->sentences[0].end, 799);
    sb_ruler_passages_close(p);
    sbi_text_fini(&t);
}
END_TEST

START_TEST(passages_refused)
{
    sb_ruler_passages *p = NULL;
    char               empty[700];
    (void)snprintf(empty, sizeof empty, "%s/none", folder());
    expect_error(sb_ruler_passages_open(empty, &p), SB_ERR_IO, "none");
    ck_assert_int_eq(mkdir(empty, 0755), 0);
    expect_error(sb_ruler_passages_open(empty, &p), SB_ERR_USAGE, "no text in it (0 files");
    (void)put_text("none/x.txt", "123 --- 456");
    (void)put_text("none/y.txt", "\xFF");
    expect_error(sb_ruler_passages_open(empty, &p), SB_ERR_USAGE, "no text in it (1 files");
    sbi_passages_max_bytes = 5;
    expect_error(sb_ruler_passages_open(empty, &p), SB_ERR_USAGE, "more than 5 bytes of text");
    sbi_passages_max_bytes = INT64_C(2) << 30;
    ck_assert_ptr_null(p);
}
END_TEST

START_TEST(default_corpus)
{
    sb_ruler_passages *p = passages_ok(NULL);
    ck_assert_str_eq(p->path, "/usr/share/common-licenses");
    ck_assert_int_gt(p->n_sentences, 500);
    ck_assert_int_gt(p->n_passages, 100);
    sb_ruler_passages_close(p);
}
END_TEST

/* ---- words ---- */

static int by_string(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void all_differ(const sb_ruler_lexicon *l, int keys, int64_t n)
{
    char   **v = malloc((size_t)n * sizeof *v);
    sbi_text t = {0};
    ck_assert_ptr_nonnull(v);
    for (int64_t i = 0; i < n; i++) {
        sbi_text_reset(&t);
        if (keys)
            sb_ruler_lexicon_key(l, i, &t);
        else
            sb_ruler_lexicon_word(l, i, &t);
        v[i] = strdup(t.p);
        ck_assert_uint_eq(
            strspn(v[i], keys ? "abcdefghijklmnopqrstuvwxyz-" : "abcdefghijklmnopqrstuvwxyz"),
            strlen(v[i]));
    }
    qsort(v, (size_t)n, sizeof *v, by_string);
    for (int64_t i = 1; i < n; i++)
        ck_assert_str_ne(v[i - 1], v[i]);
    for (int64_t i = 0; i < n; i++)
        free(v[i]);
    free(v);
    sbi_text_fini(&t);
}

START_TEST(builtin_words)
{
    sb_ruler_lexicon *l = NULL;
    ck_assert_int_eq(sb_ruler_lexicon_open(NULL, &l), SB_OK);
    ck_assert_str_eq(sb_ruler_lexicon_name(l), "builtin@1");
    ck_assert_int_eq(sb_ruler_lexicon_n_keys(l), 387 * 442);
    ck_assert_int_eq(sb_ruler_lexicon_n_words(l), 640 * 640);
    all_differ(l, 1, sb_ruler_lexicon_n_keys(l));
    all_differ(l, 0, sb_ruler_lexicon_n_words(l));
    sb_ruler_lexicon_close(l);
}
END_TEST

static const char list[] =
    "one\ntwo\nthree words\nA\nfour\r\nit's\nfive\nsix\nseven\neight\nnine\nten\n"
    "red\nblue\nred\ngreen\nwhite\nblack\nab\nabcdefghijklm\nyellow\norange";

START_TEST(words_of_a_file)
{
    sb_ruler_lexicon *l = NULL;
    sbi_text          t = {0};
    ck_assert_int_eq(sb_ruler_lexicon_open(put_text("w", list), &l), SB_OK);
    ck_assert_str_eq(sb_ruler_lexicon_name(l), "words");
    ck_assert_int_eq(sb_ruler_lexicon_n_words(l), 17);
    ck_assert_int_eq(sb_ruler_lexicon_n_keys(l), 17 * 17);
    all_differ(l, 1, 17 * 17);
    all_differ(l, 0, 17);
    sb_ruler_lexicon_key(l, 1, &t);
    ck_assert_str_eq(t.p, "black-blue");
    sbi_text_fini(&t);
    sb_ruler_lexicon_close(l);
    (void)put_text("index.noun", "  1 This is a notice\nabacus n 1 1 @\nice_cream n 1\nzoo n 3\n");
    (void)put_text("index.adj", list);
    expect_error(sb_ruler_lexicon_open(folder(), &l), SB_ERR_USAGE,
                 "index.noun: 2 words of 3 to 12");
    (void)put_text("index.noun", list);
    ck_assert_int_eq(sb_ruler_lexicon_open(folder(), &l), SB_OK);
    ck_assert_str_eq(sb_ruler_lexicon_name(l), "wordnet");
    ck_assert_int_eq(sb_ruler_lexicon_n_words(l), 17);
    sb_ruler_lexicon_close(l);
}
END_TEST

START_TEST(words_refused)
{
    sb_ruler_lexicon *l = NULL;
    expect_error(sb_ruler_lexicon_open("/nowhere/words", &l), SB_ERR_IO, "/nowhere/words");
    expect_error(sb_ruler_lexicon_open(put_text("w", "one\ntwo\n"), &l), SB_ERR_USAGE,
                 "w: 2 words of 3 to 12 letters a-z at the start of lines; at least 16 needed");
    expect_error(sb_ruler_lexicon_open(folder(), &l), SB_ERR_IO, "neither WordNet's");
    ck_assert_ptr_null(l);
}
END_TEST

START_TEST(wonderwords_too)
{
    sb_ruler_lexicon *l = NULL;
    (void)put_text("verblist.txt", "go\nrun\n");
    (void)put_text("nounlist.txt", "cat\ndog\nfox\n");
    (void)put_text("adjectivelist.txt", "old\nred\nshy\n");
    ck_assert_int_eq(sb_ruler_lexicon_open(folder(), &l), SB_OK);
    ck_assert_str_eq(sb_ruler_lexicon_name(l), "wonderwords unknown");
    ck_assert(sb_ruler_lexicon_n_keys(l) == 9 && sb_ruler_lexicon_n_words(l) == 8);
    all_differ(l, 1, 9);
    all_differ(l, 0, 8);
    sb_ruler_lexicon_close(l);
}
END_TEST

START_TEST(permutations)
{
    static const int64_t sizes[] = {1, 2, 3, 4, 5, 16, 17, 100, 1000, 4097};
    uint8_t             *seen    = malloc(4097);
    ck_assert_ptr_nonnull(seen);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        int64_t n = sizes[k], moved = 0;
        memset(seen, 0, 4097);
        for (int64_t i = 0; i < n; i++) {
            int64_t to = sbi_permuted(7 + k, n, i);
            ck_assert(to >= 0 && to < n && !seen[to]);
            seen[to] = 1;
            moved += to != sbi_permuted(8 + k, n, i);
        }
        ck_assert(n < 100 || moved > n / 2); /* another key, another order */
        ck_assert_int_lt(sbi_permuted_round(3, n, 5 * n + n - 1), n);
    }
    free(seen);
}
END_TEST

/* ---- remembered counts ---- */

static const char *const vocabularies[] = {"gpt2.json",   "llama3.json",   "qwen2.json",
                                           "smollm.json", "sp_llama.gguf", "sp_gemma.gguf"};
#define VOCABULARIES ((int)(sizeof vocabularies / sizeof vocabularies[0]))

/* Texts put together from pieces seen and unseen, cut anywhere: the sum is the count of the whole.
 */
START_TEST(counts_add_up)
{
    char         path[80];
    sb_tok      *t = NULL;
    sb_tok_ctx  *c = NULL;
    sb_tok_ops   o;
    sb_tok_memo *m = NULL;
    golden_text  g = golden_text_make(80 + (uint64_t)_i, 300000);
    sb_rng       r = {(uint64_t)_i};
    sbi_text     s = {0};
    (void)snprintf(path, sizeof path, "tests/fixtures/tokenizer/%s",
                   vocabularies[_i % VOCABULARIES]);
    ck_assert_int_eq(sb_tok_open(path, NULL, &t), SB_OK);
    ck_assert_int_eq(sb_tok_ctx_create(t, &c), SB_OK);
    sb_tok_ops_of(c, _i % 2 == 0 ? SB_TOK_SPECIALS_LITERAL : SB_TOK_SPECIALS_PARSE, &o);
    ck_assert_int_eq(sb_tok_memo_create(&o, _i < VOCABULARIES ? 0 : 5000, &m),
                     SB_OK); /* or full at once */
    ck_assert_str_eq(sb_tok_memo_ops(m)->name, o.name);
    for (int k = 0; k < 150; k++) {
        int64_t whole = -1, sum = -2;
        if (sb_rng_below(&r, 8) == 0)
            sbi_text_reset(&s);
        for (int p = 0; p < 4; p++) { /* a stretch of some document, from anywhere */
            int64_t d   = (int64_t)sb_rng_below(&r, (uint64_t)g.n_docs);
            int64_t n   = (int64_t)(g.at[d + 1] - g.at[d]);
            int64_t at  = (int64_t)sb_rng_below(&r, (uint64_t)n + 1),
                    len = (int64_t)sb_rng_below(&r, (uint64_t)(n - at) + 1);
            char *bit   = strndup((const char *)g.data + g.at[d] + at, (size_t)len);
            if (sbi_utf8_check(bit, (int64_t)strlen(bit)) < 0)
                sbi_text_puts(&s, bit);
            free(bit);
            sbi_text_puts(&s, sb_rng_below(&r, 2) == 0 ? " The same words again, and again " : "");
        }
        ck_assert_int_eq(o.count(o.ctx, sbi_text_str(&s), s.n, &whole), SB_OK);
        ck_assert_int_eq(
            sb_tok_memo_ops(m)->count(sb_tok_memo_ops(m)->ctx, sbi_text_str(&s), s.n, &sum), SB_OK);
        ck_assert_msg(sum == whole, "%s: %d, not %d, of %d bytes", path, (int)sum, (int)whole,
                      (int)s.n);
    }
    ck_assert_int_eq(sb_tok_memo_ops(m)->safe_cut(sb_tok_memo_ops(m)->ctx, "ab cd", 5, 4), 2);
    {
        char   *out = NULL;
        int64_t n   = 0;
        ck_assert_int_eq(sb_tok_memo_ops(m)->ends(sb_tok_memo_ops(m)->ctx, "a", 1, 1, 0, &out, &n),
                         SB_OK);
        ck_assert_str_eq(out, "a");
        free(out);
    }
    sb_tok_memo_destroy(m);
    sb_tok_memo_destroy(NULL);
    sbi_text_fini(&s);
    golden_text_fini(&g);
    sb_tok_ctx_destroy(c);
    sb_tok_close(t);
}
END_TEST

/* Without safe cuts texts are counted whole; how often the tokenizer is asked, and about what. */
static int64_t asked, asked_bytes;

static sb_status count_letters(void *ctx, const char *text, int64_t n, int64_t *count)
{
    (void)ctx;
    ck_assert_int_eq((int64_t)strlen(text), n); /* a zero behind every piece */
    asked++;
    asked_bytes += n;
    *count = n;
    return SB_OK;
}

static int64_t cut_at_blanks(void *ctx, const char *text, int64_t n, int64_t limit)
{
    (void)ctx;
    (void)n;
    while (limit > 0 && text[limit] != ' ')
        limit--;
    return limit;
}

START_TEST(a_text_is_counted_once)
{
    sb_tok_ops   o = {.name = "letters", .sha256 = "", .count = count_letters};
    sb_tok_memo *m = NULL;
    sbi_text     s = {0};
    int64_t      n = 0;
    for (int i = 0; i < 3000; i++)
        sbi_text_puts(&s, "The river is wide. We walk on. ");
    ck_assert_int_eq(sb_tok_memo_create(&o, 0, &m), SB_OK);
    ck_assert_int_eq(sb_tok_memo_ops(m)->count(sb_tok_memo_ops(m)->ctx, s.p, s.n, &n), SB_OK);
    ck_assert(n == s.n && asked == 1);
    ck_assert(sb_tok_memo_ops(m)->safe_cut == NULL);
    sb_tok_memo_destroy(m);
    o.safe_cut  = cut_at_blanks;
    asked_bytes = 0;
    ck_assert_int_eq(sb_tok_memo_create(&o, 0, &m), SB_OK);
    ck_assert_int_eq(sb_tok_memo_ops(m)->count(sb_tok_memo_ops(m)->ctx, s.p, s.n, &n), SB_OK);
    ck_assert_int_eq(n, s.n);
    ck_assert_int_lt(asked_bytes, 40000); /* it repeats itself */
    asked_bytes = 0;
    sbi_text_puts(&s, "And more");
    ck_assert_int_eq(sb_tok_memo_ops(m)->count(sb_tok_memo_ops(m)->ctx, s.p, s.n, &n), SB_OK);
    ck_assert_int_eq(n, s.n);
    ck_assert_int_lt(asked_bytes, 3000); /* the end alone */
    sb_tok_memo_destroy(m);
    sbi_text_fini(&s);
}
END_TEST

/* With every vocabulary of SPAN_RULER_VOCABS (paths, colons between them): real sentences and
 * made documents. */
START_TEST(counts_add_up_with_real_vocabularies)
{
    const char *env   = getenv("SPAN_RULER_VOCABS");
    char       *paths = env != NULL ? strdup(env) : NULL, *save = NULL;
    for (char *p = paths != NULL ? strtok_r(paths, ":", &save) : NULL; p != NULL;
         p       = strtok_r(NULL, ":", &save)) {
        sb_tok            *t = NULL;
        sb_tok_ctx        *c = NULL;
        sb_tok_ops         o;
        sb_tok_memo       *m    = NULL;
        sb_ruler_passages *text = passages_ok(NULL);
        sb_rng             r    = {1};
        sbi_text           s    = {0};
        golden_text        g    = golden_text_make(90, 2000000);
        if (sb_tok_open(p, NULL, &t) != SB_OK)
            ck_abort_msg("%s", sb_error_text());
        ck_assert_int_eq(sb_tok_ctx_create(t, &c), SB_OK);
        sb_tok_ops_of(c, SB_TOK_SPECIALS_PARSE, &o);
        ck_assert_int_eq(sb_tok_memo_create(&o, 1 << 20, &m), SB_OK);
        for (int k = 0; k < 400; k++) {
            int64_t whole = -1, sum = -2;
            sbi_text_reset(&s);
            for (int64_t b = (int64_t)sb_rng_below(&r, 60); b >= 0; b--) {
                if (sb_rng_below(&r, 3) > 0) {
                    const sb_range *x =
                        &text->sentences[sb_rng_below(&r, (uint64_t)text->n_sentences)];
                    sbi_text_put(&s, text->text + x->begin, x->end - x->begin);
                    sbi_text_putc(&s, sb_rng_below(&r, 4) == 0 ? '\n' : ' ');
                } else {
                    int64_t d   = (int64_t)sb_rng_below(&r, (uint64_t)g.n_docs);
                    char   *bit = strndup((const char *)g.data + g.at[d], g.at[d + 1] - g.at[d]);
                    if (sbi_utf8_check(bit, (int64_t)strlen(bit)) < 0)
                        sbi_text_puts(&s, bit);
                    free(bit);
                }
            }
            ck_assert_int_eq(o.count(o.ctx, sbi_text_str(&s), s.n, &whole), SB_OK);
            ck_assert_int_eq(
                sb_tok_memo_ops(m)->count(sb_tok_memo_ops(m)->ctx, sbi_text_str(&s), s.n, &sum),
                SB_OK);
            ck_assert_msg(sum == whole, "%s: %d, not %d", p, (int)sum, (int)whole);
        }
        printf("%s: 400 texts, counts equal\n", p);
        (void)fflush(stdout);
        golden_text_fini(&g);
        sbi_text_fini(&s);
        sb_ruler_passages_close(text);
        sb_tok_memo_destroy(m);
        sb_tok_ctx_destroy(c);
        sb_tok_close(t);
    }
    free(paths);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("parts");
    tcase_add_checked_fixture(t, folder_set_up, folder_tear_down);
    tcase_add_loop_test(t, sentences, 0, (int)(sizeof cuts / sizeof *cuts));
    tcase_add_loop_test(t, sentences_lose_nothing, 0, 4);
    tcase_add_test(t, files_to_sentences);
    tcase_add_test(t, endless_sentences_are_cut);
    tcase_add_test(t, passages_refused);
    tcase_add_test(t, default_corpus);
    tcase_add_test(t, builtin_words);
    tcase_add_test(t, words_of_a_file);
    tcase_add_test(t, words_refused);
    tcase_add_test(t, wonderwords_too);
    tcase_add_test(t, permutations);
    tcase_add_loop_test(t, counts_add_up, 0, 2 * VOCABULARIES);
    tcase_add_test(t, a_text_is_counted_once);
    if (getenv("SPAN_RULER_VOCABS") != NULL) /* by hand, see workloads/ruler/README.md */
        tcase_add_test(t, counts_add_up_with_real_vocabularies);
    return run_suite_of("ruler_parts", t);
}
