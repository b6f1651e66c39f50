/* Mode native: the same rows however they are asked for, prompts that just fit, answers where the
 * spans say and nowhere else, and what is refused. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/workloads/ruler/common.h"
#include "workloads/metrics/scorer.h"
#include "workloads/ruler/native.h"
#include "workloads/tokenizer/ops.h"

#define CORPUS "tests/fixtures/corpus"
#define VOCABULARY "tests/fixtures/tokenizer/llama3.json"

static const char *const tasks[] = {"niah_single_1",
                                    "niah_single_2",
                                    "niah_single_3",
                                    "niah_multikey_1",
                                    "niah_multikey_2",
                                    "niah_multikey_3",
                                    "niah_multivalue",
                                    "niah_multiquery",
                                    "vt",
                                    "cwe",
                                    "fwe",
                                    "qa_1",
                                    "qa_2",
                                    "qa_synth"};
enum { N_TASKS = sizeof tasks / sizeof *tasks };

static sb_ruler_templates *texts;
static sb_ruler_lexicon   *words;
static sb_ruler_passages  *corpus;
static sb_ruler_qa        *squad, *hotpot;
static sb_tok             *tok;
static sb_tok_ctx         *ctx;

static const sb_ruler_task *task_of(const char *name)
{
    const sb_ruler_task *t =
        strcmp(name, "qa_synth") == 0 ? &sb_ruler_qa_synth : sb_ruler_task_find(name);
    ck_assert_ptr_nonnull(t);
    return t;
}

/* The small vocabulary makes many tokens of a coined word: cwe starts at 5,300. */
static sb_ruler_native_spec spec_of(const char *task, int64_t length)
{
    int                  long_words = strcmp(task, "cwe") == 0 && length > 200;
    sb_ruler_native_spec s          = {.task          = task_of(task),
                                       .seed          = 42,
                                       .length_tokens = long_words ? 3 * length : length,
                                       .templates     = texts,
                                       .lexicon       = words,
                                       .passages      = corpus,
                                       .qa            = strcmp(task, "qa_1") == 0 ? squad : hotpot};
    sb_tok_ops_of(ctx, SB_TOK_SPECIALS_LITERAL, &s.tok);
    return s;
}

static sb_ruler_native *open_ok(const sb_ruler_native_spec *spec)
{
    sb_ruler_native *s = NULL;
    if (sb_ruler_native_open(spec, &s) != SB_OK)
        ck_abort_msg("%s", sb_error_text());
    return s;
}

static sb_ruler_sample row_ok(sb_ruler_native *s, int64_t row)
{
    sb_ruler_sample o = {0};
    if (sb_ruler_native_row(s, row, &o) != SB_OK)
        ck_abort_msg("%s", sb_error_text());
    return o;
}

/* Ten questions, 60 documents: enough for the lengths here. */
static void put_questions(void)
{
    sbi_text s = {0}, h = {0};
    char     buf[600];
    sbi_text_puts(&s, "{\"data\": [");
    sbi_text_puts(&h, "[");
    for (int i = 0; i < 30; i++) {
        (void)snprintf(buf, sizeof buf,
                       "%s{\"title\": \"t%d\", \"paragraphs\": [{\"context\": \"Paragraph %d says "
                       "that box %d is blue.\", \"qas\": [{\"question\": \"Which colour has box "
                       "%d?\", \"is_impossible\": false, \"answers\": [{\"text\": \"blue\"}]}]}, "
                       "{\"context\": \"Another paragraph, %d, tells of rain.\", \"qas\": []}]}",
                       i > 0 ? ", " : "", i, i, i, i, i);
        sbi_text_puts(&s, buf);
        (void)snprintf(buf, sizeof buf,
                       "%s{\"question\": \"Who lives in hut %d?\", \"answer\": \"Ann\", "
                       "\"supporting_facts\": [[\"hut %d\", 0]], \"context\": [[\"hut %d\", "
                       "[\"Ann lives \", \"in hut %d.\"]], [\"pond %d\", [\"It is deep.\"]]]}",
                       i > 0 ? ", " : "", i, i, i, i, i);
        sbi_text_puts(&h, buf);
    }
    sbi_text_puts(&s, "]}");
    sbi_text_puts(&h, "]");
    ck_assert_int_eq(sb_ruler_qa_open(put_text("s.json", s.p), SB_RULER_SQUAD, &squad), SB_OK);
    ck_assert_int_eq(sb_ruler_qa_open(put_text("h.json", h.p), SB_RULER_HOTPOTQA, &hotpot), SB_OK);
    sbi_text_fini(&s);
    sbi_text_fini(&h);
}

static void set_up(void)
{
    folder_set_up();
    texts = open_templates("configs/templates/ruler.json", NULL);
    ck_assert_int_eq(sb_ruler_lexicon_open(NULL, &words), SB_OK);
    ck_assert_int_eq(sb_ruler_passages_open(CORPUS, &corpus), SB_OK);
    ck_assert_int_eq(sb_tok_open(VOCABULARY, NULL, &tok), SB_OK);
    ck_assert_int_eq(sb_tok_ctx_create(tok, &ctx), SB_OK);
    put_questions();
}

static void tear_down(void)
{
    sb_tok_ctx_destroy(ctx);
    sb_tok_close(tok);
    sb_ruler_qa_close(squad);
    sb_ruler_qa_close(hotpot);
    sb_ruler_passages_close(corpus);
    sb_ruler_lexicon_close(words);
    sb_ruler_templates_close(texts);
    folder_tear_down();
}

/* ---- the same row ---- */

#include "tests/golden/ruler_native.h"

/* First 16 digits of rows 0 and 3 at 8192 tokens: a change of bytes needs a new version. */
START_TEST(golden)
{
    sb_ruler_native_spec spec = spec_of(tasks[_i], 8192);
    sb_ruler_native     *s    = open_ok(&spec);
    sb_ruler_sample      a = row_ok(s, 0), b = row_ok(s, 3);
    if (getenv("SPAN_GOLDEN_PRINT") != NULL) {
        printf("%s %s %s\n    {\"%s\", %d, \"%.16s\", \"%.16s\"},\n", texts->sha256,
               sb_ruler_lexicon_sha256(words), corpus->sha256, tasks[_i], (int)a.n_tokens, a.sha256,
               b.sha256);
        (void)fflush(stdout);
    }
    ck_assert_str_eq(texts->sha256, ruler_native_texts);
    ck_assert_str_eq(sb_ruler_lexicon_sha256(words), ruler_native_words);
    ck_assert_str_eq(corpus->sha256, ruler_native_corpus);
    ck_assert_str_eq(ruler_native_rows[_i].task, tasks[_i]);
    ck_assert_int_eq(a.n_tokens, ruler_native_rows[_i].n_tokens);
    ck_assert_int_eq(strncmp(a.sha256, ruler_native_rows[_i].row0, 16), 0);
    ck_assert_int_eq(strncmp(b.sha256, ruler_native_rows[_i].row3, 16), 0);
    sb_ruler_sample_fini(&a);
    sb_ruler_sample_fini(&b);
    sb_ruler_native_close(s);
}
END_TEST

/* Asked for in any order, alone, or by a set that made others before: no difference. */
START_TEST(rows_do_not_depend_on_rows)
{
    static const int     order[] = {5, 2, 2, 0, 4, 1, 3, 5};
    sb_ruler_native_spec spec    = spec_of(tasks[_i], 4096);
    sb_ruler_native     *s       = open_ok(&spec);
    char                 hash[6][65];
    for (int r = 0; r < 6; r++) { /* a fresh set each */
        sb_ruler_native *alone = open_ok(&spec);
        sb_ruler_sample  o     = row_ok(alone, r);
        memcpy(hash[r], o.sha256, 65);
        for (int q = 0; q < r; q++)
            ck_assert_str_ne(hash[q], hash[r]);
        sb_ruler_sample_fini(&o);
        sb_ruler_native_close(alone);
    }
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        sb_ruler_sample o = row_ok(s, order[i]);
        ck_assert_str_eq(o.sha256, hash[order[i]]);
        sb_ruler_sample_fini(&o);
    }
    sb_ruler_native_close(s);
    for (int change = 0; change < 2; change++) { /* seed and length make other rows */
        sb_ruler_sample o;
        spec = spec_of(tasks[_i], 4096 + change);
        spec.seed += change == 0;
        s = open_ok(&spec);
        o = row_ok(s, 0);
        ck_assert_str_ne(o.sha256, hash[0]);
        sb_ruler_sample_fini(&o);
        sb_ruler_native_close(s);
    }
}
END_TEST

enum { N_THREADS = 4, N_ROWS = 8 };

typedef struct worker {
    const char *task;
    int         first;
    char        hash[N_ROWS][65];
    int         failed;
} worker;

/* Rows first, first + 4, ... with a tokenizer context and a set of its own. */
static void *work(void *arg)
{
    worker              *w    = arg;
    sb_tok_ctx          *mine = NULL;
    sb_ruler_native     *s    = NULL;
    sb_ruler_native_spec spec = spec_of(w->task, 3000);
    w->failed                 = sb_tok_ctx_create(tok, &mine) != SB_OK;
    if (w->failed)
        return NULL;
    sb_tok_ops_of(mine, SB_TOK_SPECIALS_LITERAL, &spec.tok);
    w->failed = sb_ruler_native_open(&spec, &s) != SB_OK;
    for (int r = w->first; r < N_ROWS && !w->failed; r += N_THREADS) {
        sb_ruler_sample o = {0};
        w->failed         = sb_ruler_native_row(s, r, &o) != SB_OK;
        memcpy(w->hash[r], o.sha256, 65);
        sb_ruler_sample_fini(&o);
    }
    sb_ruler_native_close(s);
    sb_tok_ctx_destroy(mine);
    return NULL;
}

START_TEST(same_on_every_thread_count)
{
    sb_ruler_native_spec spec = spec_of(tasks[_i], 3000);
    sb_ruler_native     *s    = open_ok(&spec);
    pthread_t            id[N_THREADS];
    worker               w[N_THREADS];
    for (int i = 0; i < N_THREADS; i++) {
        w[i] = (worker){.task = tasks[_i], .first = i};
        ck_assert_int_eq(pthread_create(&id[i], NULL, work, &w[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++)
        ck_assert_int_eq(pthread_join(id[i], NULL), 0);
    for (int r = 0; r < N_ROWS; r++) {
        sb_ruler_sample o = row_ok(s, r);
        ck_assert_int_eq(w[r % N_THREADS].failed, 0);
        ck_assert_str_eq(o.sha256, w[r % N_THREADS].hash[r]);
        sb_ruler_sample_fini(&o);
    }
    sb_ruler_native_close(s);
}
END_TEST

/* ---- the fit ---- */

static int64_t count(const char *s, int64_t n)
{
    int64_t tokens = -1;
    ck_assert_int_eq(sb_tok_count(ctx, s, (size_t)n, SB_TOK_SPECIALS_LITERAL, &tokens), SB_OK);
    return tokens;
}

/* The tokens of the dearest unit: what may be left over at most. */
static int64_t dearest(const char *task)
{
    const sb_ruler_task *t    = task_of(task);
    int64_t              most = 0;
    if (t == &sb_ruler_qa_synth)
        for (int64_t i = 0; i < corpus->n_passages; i++) {
            int64_t a = corpus->sentences[corpus->first[i]].begin,
                    b = corpus->sentences[corpus->first[i + 1] - 1].end,
                    n = count(corpus->text + a, b - a);
            most      = n > most ? n : most;
        }
    else if ((t->needs & SB_RULER_NEEDS_ESSAY) != 0)
        for (int64_t i = 0; i < corpus->n_sentences; i++) {
            int64_t n = count(corpus->text + corpus->sentences[i].begin,
                              corpus->sentences[i].end - corpus->sentences[i].begin);
            most      = n > most ? n : most;
        }
    /* a noise line or needle of up to 100 bytes; three numbered words; a word, counted in each rank
     */
    return most + 120;
}

START_TEST(fits_exactly)
{
    static const int64_t lengths[] = {2048, 2500, 4096, 20000};
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
        sb_ruler_native_spec spec = spec_of(tasks[_i], lengths[l]);
        sb_ruler_native     *s;
        spec.wrapped_tokens = (int64_t)l * 10;
        s                   = open_ok(&spec);
        for (int64_t r = 0; r < 3; r++) {
            sb_ruler_sample o = row_ok(s, r);
            int64_t left = spec.length_tokens - spec.wrapped_tokens - o.gen_tokens - o.n_tokens;
            ck_assert_int_eq(o.n_tokens, count(o.text, o.text_bytes));
            ck_assert_int_ge(left, 0);
            ck_assert_msg(left < dearest(tasks[_i]), "%s at %d: %d tokens left", tasks[_i],
                          (int)lengths[l], (int)left);
            ck_assert_int_eq(o.text_bytes, (int64_t)strlen(o.text));
            sb_ruler_sample_fini(&o);
        }
        sb_ruler_native_close(s);
    }
}
END_TEST

/* ---- what stands where ---- */

static int64_t n_needles(const sb_ruler_sample *o, int32_t ref)
{
    int64_t n = 0;
    for (int64_t i = 0; i < o->n_spans; i++)
        n += o->spans[i].kind == SB_RULER_SPAN_NEEDLE && o->spans[i].ref == ref;
    return n;
}

/* Every occurrence of an answer lies in a needle's span, and every needle of an answer holds it. */
static void check_answers(const char *task, const sb_ruler_sample *o)
{
    const sb_ruler_task *t = task_of(task);
    for (int64_t a = 0; a < o->n_answers; a++) {
        const char *s = o->answers[a], *at = o->text, *end = o->text + o->input_bytes;
        int64_t     n = (int64_t)strlen(s);
        ck_assert_int_gt(n_needles(o, (int32_t)a), 0);
        while ((at = memmem(at, (size_t)(end - at), s, (size_t)n)) != NULL) {
            int inside = 0;
            for (int64_t i = 0; i < o->n_spans && !inside; i++)
                inside = o->spans[i].kind == SB_RULER_SPAN_NEEDLE &&
                         o->spans[i].byte_begin <= at - o->text &&
                         o->spans[i].byte_end >= at - o->text + n;
            ck_assert_msg(inside, "%s: %s stands outside its needles", task, s);
            at++;
        }
        for (int64_t i = 0; i < o->n_spans; i++)
            if (o->spans[i].kind == SB_RULER_SPAN_NEEDLE && o->spans[i].ref == a)
                ck_assert_ptr_nonnull(
                    memmem(o->text + o->spans[i].byte_begin,
                           (size_t)(o->spans[i].byte_end - o->spans[i].byte_begin), s, (size_t)n));
    }
    if (t->generator == SB_RULER_NIAH || t == &sb_ruler_qa_synth)
        for (int64_t a = 0; a < o->n_answers; a++)
            ck_assert_int_eq(n_needles(o, (int32_t)a), 1);
}

static void check_frame(const sb_ruler_sample *o)
{
    int64_t seen[SB_RULER_SPAN_KINDS] = {0};
    for (int64_t i = 0; i < o->n_spans; i++) {
        const sb_ruler_span *p = &o->spans[i];
        ck_assert(p->byte_begin >= 0 && p->byte_begin <= p->byte_end &&
                  p->byte_end <= o->text_bytes);
        ck_assert(i == 0 || p->byte_begin >= o->spans[i - 1].byte_begin);
        seen[p->kind]++;
        if (p->kind == SB_RULER_SPAN_QUERY)
            ck_assert_int_eq(p->byte_end, o->input_bytes);
        if (p->kind == SB_RULER_SPAN_ANSWER_PREFIX)
            ck_assert(p->byte_begin == o->input_bytes && p->byte_end == o->text_bytes);
    }
    ck_assert(seen[SB_RULER_SPAN_QUERY] == 1 && seen[SB_RULER_SPAN_ANSWER_PREFIX] == 1);
    ck_assert_int_eq(o->text[o->input_bytes], ' ');
    ck_assert_ptr_null(strchr(o->text, '{'));
}

START_TEST(answers_stand_where_spans_say)
{
    sb_ruler_native_spec spec = spec_of(tasks[_i], 5000);
    sb_ruler_native     *s    = open_ok(&spec);
    for (int64_t r = 0; r < 5; r++) {
        sb_ruler_sample o = row_ok(s, r);
        check_frame(&o);
        if (strncmp(tasks[_i], "qa_", 3) != 0 || strcmp(tasks[_i], "qa_synth") == 0)
            if (strcmp(tasks[_i], "cwe") != 0 && strcmp(tasks[_i], "fwe") != 0)
                check_answers(tasks[_i], &o);
        sb_ruler_sample_fini(&o);
    }
    sb_ruler_native_close(s);
}
END_TEST

static int by_string(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Words of a text between two marks of each line, sorted; to be freed, words and list. */
static char **words_between(const char *text, const char *from, const char *to, int64_t *n)
{
    char **v = NULL;
    *n       = 0;
    for (const char *at = text; (at = strstr(at, from)) != NULL; at++) {
        const char *end;
        at += strlen(from);
        end = strstr(at, to);
        ck_assert_ptr_nonnull(end);
        v     = realloc(v, (size_t)(*n + 1) * sizeof *v);
        v[*n] = strndup(at, (size_t)(end - at));
        (*n)++;
    }
    qsort(v, (size_t)*n, sizeof *v, by_string);
    return v;
}

static void free_words(char **v, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        free(v[i]);
    free(v);
}

/* No distractor has the needle's key, or its value, or that of another. */
START_TEST(no_key_and_no_value_twice)
{
    static const char *const of[] = {"niah_multikey_2", "niah_multikey_3", "niah_multikey_1",
                                     "niah_multiquery"};
    sb_ruler_native_spec     spec = spec_of(of[_i], 20000);
    sb_ruler_native         *s    = open_ok(&spec);
    for (int64_t r = 0; r < 2; r++) {
        sb_ruler_sample o = row_ok(s, r);
        const char     *mark =
            task_of(of[_i])->value == SB_RULER_UUIDS ? "special uuids, " : "special numbers, ";
        int64_t n = 0, m = 0;
        char  **keys  = words_between(o.text, mark, " goes", &n),
             **values = words_between(o.text, " goes with ", ".", &m);
        ck_assert_int_eq(n, m);
        ck_assert_int_eq(n, _i < 2 ? o.units + 1 : 4);
        for (int64_t i = 1; i < n; i++) {
            ck_assert_str_ne(keys[i], keys[i - 1]);
            ck_assert_str_ne(values[i], values[i - 1]);
        }
        free_words(keys, n);
        free_words(values, m);
        sb_ruler_sample_fini(&o);
    }
    sb_ruler_native_close(s);
}
END_TEST

/* Occurrences of a whole word behind `from`. */
static int64_t occurrences(const char *text, const char *from, const char *word)
{
    const char *at  = strstr(text, from);
    int64_t     n   = 0;
    size_t      len = strlen(word);
    ck_assert_ptr_nonnull(at);
    for (; (at = strstr(at, word)) != NULL; at += len)
        n += at[-1] == ' ' && (at[len] == ' ' || at[len] == '\n');
    return n;
}

START_TEST(common_words_are_common)
{
    sb_ruler_native_spec spec = spec_of("cwe", 8192);
    sb_ruler_native     *s    = open_ok(&spec);
    sb_ruler_sample      o    = row_ok(s, 1);
    const char          *task =
        strstr(strstr(o.text, "10. ") + 1, "\nThe numbered list"); /* behind the shot */
    ck_assert_ptr_nonnull(task);
    ck_assert_int_eq(o.n_answers, 10);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(occurrences(task, "list below", o.answers[i]), 30);
        ck_assert_int_eq(n_needles(&o, i), 30);
    }
    { /* list entry 1 or any other word that is no answer: three times */
        char    word[32] = "";
        int64_t n        = 0;
        for (const char *at = strstr(task, "\n1. "); n == 0; at = strstr(at + 1, ". ")) {
            int answer = 0;
            ck_assert_ptr_nonnull(at);
            ck_assert_int_eq(sscanf(strstr(at, ". "), ". %31s", word), 1);
            for (int i = 0; i < 10; i++)
                answer |= strcmp(word, o.answers[i]) == 0;
            n += !answer;
        }
        ck_assert_int_eq(occurrences(task, "list below", word), 3);
    }
    sb_ruler_sample_fini(&o);
    sb_ruler_native_close(s);
}
END_TEST

START_TEST(frequent_words_are_frequent)
{
    sb_ruler_native_spec spec = spec_of("fwe", 8192);
    sb_ruler_native     *s    = open_ok(&spec);
    sb_ruler_sample      o    = row_ok(s, 1);
    int64_t              last = INT64_MAX;
    for (int i = 0; i < 3; i++) {
        int64_t n = occurrences(o.text, "in code", o.answers[i]), k = i + 2;
        ck_assert_int_eq(n, (int64_t)((double)o.units / (double)(k * k) / 1.6449340668482264));
        ck_assert_int_eq(n, n_needles(&o, i));
        ck_assert_int_lt(n, last);
        last = n;
    }
    sb_ruler_sample_fini(&o);
    sb_ruler_native_close(s);
}
END_TEST

START_TEST(a_chain_can_be_followed)
{
    sb_ruler_native_spec spec = spec_of("vt", 4096);
    sb_ruler_native     *s    = open_ok(&spec);
    for (int64_t r = 0; r < 5; r++) {
        sb_ruler_sample o  = row_ok(s, r);
        const char     *at = o.text;
        char            line[64];
        for (int i = 0; i < 5; i++) {
            if (i == 0)
                (void)snprintf(line, sizeof line, "\nVAR %s = ", o.answers[0]);
            else
                (void)snprintf(line, sizeof line, "\nVAR %s = VAR %s\n", o.answers[i],
                               o.answers[i - 1]);
            at = strstr(at, line);
            ck_assert_msg(at != NULL, "no line %s", line);
            if (i == 0) { /* the value that is asked for */
                char value[6], question[64];
                memcpy(value, at + strlen(line), 5);
                value[5] = '\0';
                (void)snprintf(question, sizeof question, "hold the value %s in", value);
                ck_assert_ptr_nonnull(strstr(o.text + o.input_bytes - 80, question));
            }
        }
        sb_ruler_sample_fini(&o);
    }
    sb_ruler_native_close(s);
}
END_TEST

START_TEST(a_fact_is_told_once)
{
    sb_ruler_native_spec spec = spec_of("qa_synth", 8192);
    sb_ruler_native     *s    = open_ok(&spec);
    for (int64_t r = 0; r < 5; r++) {
        sb_ruler_sample o = row_ok(s, r);
        int64_t         n = 0;
        for (int64_t i = 0; i < o.n_spans; i++)
            n += o.spans[i].kind == SB_RULER_SPAN_DISTRACTOR;
        ck_assert_int_eq(n, 8);
        ck_assert_int_eq(n_needles(&o, 0), 1);
        ck_assert_int_eq(o.n_answers, 1);
        sb_ruler_sample_fini(&o);
    }
    sb_ruler_native_close(s);
}
END_TEST

static double score(const sb_ruler_task *t, const char *pred, const sb_ruler_sample *o)
{
    sb_text       p = sb_text_of(pred), refs[16];
    sb_score_req  q = {.preds = &p, .n_preds = 1, .refs = refs, .n_refs = o->n_answers};
    sb_text_score out;
    ck_assert_int_le(o->n_answers, 16);
    for (int64_t i = 0; i < o->n_answers; i++)
        refs[i] = sb_text_of(o->answers[i]);
    ck_assert_int_eq(
        sb_scorer_score(
            sb_scorer_find(t->metric == SB_RULER_MATCH_ALL ? "ruler_all@1" : "ruler_part@1"), &q,
            &out),
        SB_OK);
    return out.value;
}

START_TEST(right_answers_score)
{
    sb_ruler_native_spec spec = spec_of(tasks[_i], 4096);
    sb_ruler_native     *s    = open_ok(&spec);
    sb_ruler_sample      o = row_ok(s, 0), other = row_ok(s, 1);
    sbi_text             right = {0}, wrong = {0};
    for (int64_t i = 0; i < o.n_answers; i++) {
        sbi_text_puts(&right, i > 0 ? ", " : " ");
        sbi_text_puts(&right, o.answers[i]);
        sbi_text_puts(&wrong, i > 0 ? ", " : " ");
        sbi_text_puts(&wrong, other.answers[i]); /* another row's */
    }
    ck_assert(score(spec.task, right.p, &o) == 1);
    ck_assert(score(spec.task, "", &o) == 0);
    if (strcmp(tasks[_i], "qa_1") != 0 && strcmp(tasks[_i], "qa_2") != 0) /* one answer for all */
        ck_assert(score(spec.task, wrong.p, &o) == 0);
    sbi_text_fini(&right);
    sbi_text_fini(&wrong);
    sb_ruler_sample_fini(&o);
    sb_ruler_sample_fini(&other);
    sb_ruler_native_close(s);
}
END_TEST

/* ---- refusals ---- */

START_TEST(missing_inputs)
{
    static const char *const want[][2] = {{"niah_single_1", "niah_single_1 needs words"},
                                          {"cwe", "cwe needs words"},
                                          {"niah_single_2", "niah_single_2 needs words"},
                                          {"qa_synth", "qa_synth needs a corpus"},
                                          {"qa_1", "qa_1 needs squad (SQuAD's dev-v2.0.json)"},
                                          {"qa_2", "qa_2 needs hotpotqa"}};
    sb_ruler_native_spec     spec      = spec_of(want[_i][0], 4096);
    sb_ruler_native         *s         = NULL;
    spec.lexicon                       = NULL;
    spec.passages                      = NULL;
    spec.qa                            = NULL;
    expect_error(sb_ruler_native_open(&spec, &s), SB_ERR_UNSUPPORTED, want[_i][1]);
    ck_assert_ptr_null(s);
}
END_TEST

START_TEST(what_does_not_fit)
{
    sb_ruler_native_spec spec = spec_of(tasks[_i], 200);
    sb_ruler_native     *s    = NULL;
    spec.wrapped_tokens       = 150; /* no prompt is that short */
    expect_error(sb_ruler_native_open(&spec, &s), SB_ERR_NO_FIT,
                 strcmp(tasks[_i], "fwe") == 0 ? "fwe: 200 tokens are too few"
                                               : "no prompt fits 200 tokens");
    ck_assert_ptr_null(s);
}
END_TEST

START_TEST(bad_requests)
{
    sb_ruler_native_spec spec = spec_of("qa_1", 4096);
    sb_ruler_native     *s;
    sb_ruler_sample      o   = {0};
    sb_ruler_lexicon    *few = NULL;
    s                        = open_ok(&spec);
    expect_error(sb_ruler_native_row(s, -1, &o), SB_ERR_USAGE, "row -1");
    expect_error(sb_ruler_native_row(s, 30, &o), SB_ERR_USAGE,
                 "question 31 was asked for, the file has 30");
    sb_ruler_native_close(s);
    s                  = NULL;
    spec.length_tokens = 0;
    expect_error(sb_ruler_native_open(&spec, &s), SB_ERR_USAGE, "length 0");
    ck_assert_int_eq(
        sb_ruler_lexicon_open(put_text("w", "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n"
                                            "ten\neleven\ntwelve\nred\nblue\ngreen\nwhite\n"),
                              &few),
        SB_OK);
    spec         = spec_of("niah_multikey_2", 65536); /* 256 keys */
    spec.lexicon = few;
    s            = open_ok(&spec);
    expect_error(sb_ruler_native_row(s, 0, &o), SB_ERR_UNSUPPORTED,
                 "the words end at 255 sentences");
    sb_ruler_native_close(s);
    spec         = spec_of("cwe", 4096);
    spec.lexicon = few;
    s            = open_ok(&spec);
    expect_error(sb_ruler_native_row(s, 0, &o), SB_ERR_UNSUPPORTED, "do not reach");
    sb_ruler_native_close(s);
    sb_ruler_lexicon_close(few);
}
END_TEST

/* An answer that the text has already: other draws are taken, and in the end the row is refused. */
START_TEST(answers_in_the_text)
{
    sb_ruler_templates  *own  = open_templates("configs/templates/ruler.json", NULL);
    sb_ruler_native_spec spec = spec_of("qa_synth", 4096);
    sb_ruler_native     *s;
    sb_ruler_sample      o = row_ok(s = open_ok(&spec), 0);
    char                 task[200];
    char                 first[65];
    memcpy(first, o.sha256, 65);
    (void)snprintf(task, sizeof task, "%s {context} {query}", o.answers[0]);
    sb_ruler_sample_fini(&o);
    sb_ruler_native_close(s);
    free(own->text[SB_RULER_QA].task);
    own->text[SB_RULER_QA].task = strdup(task);
    spec.templates              = own;
    s                           = open_ok(&spec);
    o                           = row_ok(s, 0);
    ck_assert_ptr_null(strstr(task, o.answers[0]));
    check_answers("qa_synth", &o);
    sb_ruler_sample_fini(&o);
    sb_ruler_native_close(s);
    free(own->text[SB_RULER_QA].task); /* where every answer stands twice, no draw helps */
    own->text[SB_RULER_QA].task = strdup("{context} {query} {context}");
    s                           = open_ok(&spec);
    expect_error(sb_ruler_native_row(s, 0, &o), SB_ERR_USAGE,
                 "the answers drawn stand in the text");
    sb_ruler_native_close(s);
    sb_ruler_templates_close(own);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("native");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, golden, 0, N_TASKS);
    tcase_add_loop_test(t, rows_do_not_depend_on_rows, 0, N_TASKS);
    tcase_add_loop_test(t, same_on_every_thread_count, 0, N_TASKS);
    tcase_add_loop_test(t, fits_exactly, 0, N_TASKS);
    tcase_add_loop_test(t, answers_stand_where_spans_say, 0, N_TASKS);
    tcase_add_loop_test(t, no_key_and_no_value_twice, 0, 4);
    tcase_add_test(t, common_words_are_common);
    tcase_add_test(t, frequent_words_are_frequent);
    tcase_add_test(t, a_chain_can_be_followed);
    tcase_add_test(t, a_fact_is_told_once);
    tcase_add_loop_test(t, right_answers_score, 0, N_TASKS);
    tcase_add_loop_test(t, missing_inputs, 0, 6);
    tcase_add_loop_test(t, what_does_not_fit, 0, N_TASKS);
    tcase_add_test(t, bad_requests);
    tcase_add_test(t, answers_in_the_text);
    return run_suite_of("ruler_native", t);
}
