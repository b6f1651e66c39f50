/* Common words among rarer ones, the most frequent of coded words, and a chain of assignments, for
 * mode native. */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/ruler/native_draft.h"

enum {
    SHORT_TOKENS = 4096, /* below it the lists repeat less, as the original's */
    N_COMMON     = 10,
    LETTERS      = 6,
    N_FREQUENT   = 3,
    NAMES        = 5,
    SHOT_UNITS   = 12
};

static sb_status no_memory(int64_t n)
{
    return sb_fail(SB_ERR_NOMEM, "ruler: no memory for %" PRId64 " words", n);
}

/* ---- cwe ---- */

static int is_short(const sbi_row *r) { return r->spec->length_tokens < SHORT_TOKENS; }

static int64_t n_shot_words(const sbi_row *r) { return is_short(r) ? 20 : 40; }

/* Word i of the row: the example's come first, so no word is in both lists. */
static void put_word(const sbi_row *r, int64_t i, sbi_text *out)
{
    const sb_ruler_lexicon *l = r->spec->lexicon;
    sb_ruler_lexicon_word(
        l, sbi_permuted(sbi_row_key(r, SBI_FOR_KEYS), sb_ruler_lexicon_n_words(l), i), out);
}

/* "1. w 2. w ...": words first .. first + n - 1, the first ten so many times, the others so many.
 */
static sb_status put_list(sbi_row *r, int64_t first, int64_t n, int common, int rare,
                          sbi_purpose order)
{
    sbi_draft *d     = &r->d;
    int64_t    total = (int64_t)N_COMMON * common + (n - N_COMMON) * rare;
    int32_t   *list  = malloc((size_t)total * sizeof *list);
    sb_rng     g     = sbi_row_rng(r, order);
    if (list == NULL)
        return no_memory(total);
    for (int64_t i = 0; i < total; i++)
        list[i] =
            (int32_t)(i < N_COMMON * common ? i % N_COMMON
                                            : N_COMMON + (i - N_COMMON * common) % (n - N_COMMON));
    sbi_shuffle_i32(&g, list, total);
    for (int64_t i = 0, at; i < total; i++) {
        sbi_text_puts(&d->context, i > 0 ? " " : "");
        sbi_text_put_i64(&d->context, i + 1);
        sbi_text_puts(&d->context, ". ");
        at = d->context.n;
        put_word(r, first + list[i], &d->context);
        if (list[i] < N_COMMON)
            sbi_draft_span(d, SB_RULER_SPAN_NEEDLE, list[i], at, d->context.n);
    }
    free(list);
    return SB_OK;
}

/* The solved example: the bare task with its prefix and answer, as it will stand before the task.
 */
static sb_status end_shot(sbi_row *r, const char *number, const sbi_text *answer)
{
    sbi_text *shot = &r->shot;
    sbi_field f[5] = {{"context", sbi_text_str(&r->d.context), r->d.context.n, -1},
                      {"query", sbi_text_str(&r->query), r->query.n, -1},
                      {"num_v", number, (int64_t)strlen(number), -1},
                      {"num_cw", number, (int64_t)strlen(number), -1},
                      {"type_needle_v", "", 0, -1}};
    sb_status st;
    if (r->d.context.failed || r->query.failed)
        return no_memory(0);
    if ((st = sbi_py_format(shot, r->bare_task, f, 5)) != SB_OK ||
        (st = sbi_py_format(shot, r->prefix, f, 5)) != SB_OK)
        return st;
    sbi_text_put(shot, sbi_text_str(answer), answer->n);
    sbi_text_putc(shot, '\n');
    sbi_text_reset(&r->d.context);
    sbi_text_reset(&r->query);
    r->d.n_spans = 0;
    return answer->failed ? no_memory(0) : sbi_text_status(shot);
}

static sb_status cwe_shot(sbi_row *r)
{
    sbi_text  answer = {0};
    sb_status st =
        put_list(r, 0, n_shot_words(r), is_short(r) ? 3 : 10, is_short(r) ? 1 : 3, SBI_FOR_SHOT);
    for (int i = 0; i < N_COMMON; i++) {
        sbi_text_putc(&answer, ' ');
        sbi_text_put_i64(&answer, i + 1);
        sbi_text_puts(&answer, ". ");
        put_word(r, i, &answer);
    }
    if (st == SB_OK)
        st = end_shot(r, "10", &answer);
    sbi_text_fini(&answer);
    return st;
}

static sb_status cwe_make(sbi_row *r, int64_t units)
{
    int64_t   first = n_shot_words(r);
    sbi_text  word  = {0};
    sb_status st    = cwe_shot(r);
    if (st == SB_OK)
        st = put_list(r, first, units, is_short(r) ? 6 : 30, is_short(r) ? 1 : 3, SBI_FOR_ORDER);
    for (int i = 0; i < N_COMMON; i++) {
        sbi_text_reset(&word);
        put_word(r, first + i, &word);
        sbi_draft_answer(&r->d, sbi_text_str(&word), word.n);
    }
    if (st == SB_OK && word.failed)
        st = no_memory(1);
    sbi_text_fini(&word);
    return st == SB_OK ? sbi_row_compose(r, "", "10") : st;
}

static int64_t cwe_least(const sbi_row *r)
{
    (void)r;
    return N_COMMON + 1;
}

static int64_t cwe_most(const sbi_row *r)
{
    return sb_ruler_lexicon_n_words(r->spec->lexicon) - n_shot_words(r);
}

const sbi_kind sbi_native_cwe = {cwe_least, cwe_most, cwe_make, "words", 0, 1};

/* ---- fwe ---- */

/* Words of the vocabulary, noise counted: one for each 50 tokens of prompt. */
static int64_t n_coded(const sbi_row *r)
{
    const sb_ruler_native_spec *p = r->spec;
    return (p->length_tokens - p->wrapped_tokens - p->templates->text[SB_RULER_FWE].gen_tokens) /
           50;
}

static void put_coded(const sbi_row *r, int64_t rank, sbi_text *out)
{
    int64_t x = sbi_permuted(sbi_row_key(r, SBI_FOR_NAMES), 308915776 /* 26^6 */, rank);
    if (rank == 0) {
        sbi_text_puts(out, "...");
        return;
    }
    for (int i = 0; i < LETTERS; i++, x /= 26)
        sbi_text_putc(out, (char)('a' + x % 26));
}

/* How often the word of a rank stands among n: zeta(2) in binary64, exactly rounded divisions. */
static int64_t coded_count(int64_t n, int64_t rank)
{
    double k = (double)(rank + 1);
    return (int64_t)((double)n / (k * k) / 1.6449340668482264);
}

static sb_status fwe_make(sbi_row *r, int64_t units)
{
    int64_t  n_words = n_coded(r), total = 0, at = 0;
    sb_rng   g    = sbi_row_rng(r, SBI_FOR_ORDER);
    sbi_text word = {0};
    int32_t *list;
    for (int64_t i = 0; i < n_words; i++)
        total += coded_count(units, i);
    list = malloc((size_t)(total + 1) * sizeof *list);
    if (list == NULL)
        return no_memory(total);
    for (int64_t i = 0; i < n_words; i++)
        for (int64_t j = coded_count(units, i); j > 0; j--)
            list[at++] = (int32_t)i;
    sbi_shuffle_i32(&g, list, total);
    for (int64_t i = 0; i < total; i++) {
        sbi_text_puts(&r->d.context, i > 0 ? " " : "");
        at = r->d.context.n;
        put_coded(r, list[i], &r->d.context);
        if (list[i] >= 1 && list[i] <= N_FREQUENT)
            sbi_draft_span(&r->d, SB_RULER_SPAN_NEEDLE, list[i] - 1, at, r->d.context.n);
    }
    free(list);
    for (int i = 1; i <= N_FREQUENT; i++) {
        sbi_text_reset(&word);
        put_coded(r, i, &word);
        sbi_draft_answer(&r->d, sbi_text_str(&word), word.n);
    }
    if (word.failed) {
        sbi_text_fini(&word);
        return no_memory(1);
    }
    sbi_text_fini(&word);
    return sbi_row_compose(r, "", "");
}

/* From 100 words on the three counts differ and a fourth is smaller: 15, 6, 3, 2. */
static int64_t fwe_least(const sbi_row *r)
{
    (void)r;
    return 100;
}

static int64_t no_most(const sbi_row *r)
{
    (void)r;
    return INT64_MAX;
}

const sbi_kind sbi_native_fwe = {fwe_least, no_most, fwe_make, "words", 0, 0};

/* ---- vt ---- */

static void put_name(const sbi_row *r, int64_t i, sbi_text *out)
{
    int64_t x = sbi_permuted(sbi_row_key(r, SBI_FOR_NAMES), 11881376 /* 26^5 */, i);
    for (int j = 0; j < NAMES; j++, x /= 26)
        sbi_text_putc(out, (char)('A' + x % 26));
}

/* The chain of names first .. first + 4 at drawn shares of `units` noise sentences, a line each. */
static void put_chain(sbi_row *r, int64_t first, int64_t units, sbi_purpose places)
{
    const char *noise = r->spec->templates->haystack_noise;
    sbi_text   *out   = &r->d.context;
    sb_rng      g     = sbi_row_rng(r, places);
    int64_t     place[NAMES];
    int         line = 0;
    for (int i = 0; i < NAMES; i++)
        place[i] = (int64_t)(sb_rng_next(&g) >> 32);
    qsort(place, NAMES, sizeof *place, sbi_by_i64);
    for (int i = 0; i < NAMES; i++) /* shares of 2^32; at most 2^31 units */
        place[i] = (int64_t)((uint64_t)place[i] * (uint64_t)(units + 1) >> 32);
    for (int64_t i = 0; i <= units; i++) {
        for (; line < NAMES && place[line] == i; line++) {
            int64_t at;
            sbi_text_puts(out, out->n > 0 ? "\n" : "");
            at = out->n;
            sbi_text_puts(out, "VAR ");
            put_name(r, first + line, out);
            sbi_text_puts(out, line == 0 ? " = " : " = VAR ");
            if (line == 0)
                sbi_text_puts(out, sbi_text_str(&r->query));
            else
                put_name(r, first + line - 1, out);
            sbi_draft_span(&r->d, SB_RULER_SPAN_NEEDLE, line, at, out->n);
        }
        if (i < units) {
            sbi_text_puts(out, out->n > 0 ? "\n" : "");
            sbi_text_puts(out, noise);
        }
    }
}

static void put_value(sbi_row *r, int64_t i)
{
    sbi_text_put_i64(&r->query, 10000 + sbi_permuted(sbi_row_key(r, SBI_FOR_VALUES), 90000, i));
}

static sb_status vt_make(sbi_row *r, int64_t units)
{
    sbi_text  name = {0};
    sb_status st;
    put_value(r, 1);
    put_chain(r, NAMES, SHOT_UNITS, SBI_FOR_SHOT);
    for (int i = 0; i < NAMES; i++) {
        sbi_text_putc(&name, ' ');
        put_name(r, NAMES + i, &name);
    }
    st = end_shot(r, "5", &name);
    put_value(r, 0);
    put_chain(r, 0, units, SBI_FOR_PLACES);
    for (int i = 0; i < NAMES; i++) {
        sbi_text_reset(&name);
        put_name(r, i, &name);
        sbi_draft_answer(&r->d, sbi_text_str(&name), name.n);
    }
    if (st == SB_OK && name.failed)
        st = no_memory(1);
    sbi_text_fini(&name);
    return st == SB_OK ? sbi_row_compose(r, "", "5") : st;
}

static int64_t vt_least(const sbi_row *r)
{
    (void)r;
    return 1;
}

const sbi_kind sbi_native_vt = {vt_least, no_most, vt_make, "sentences", 1, 0};
