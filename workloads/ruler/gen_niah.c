/* Needles in a haystack of one repeated text, of other needles, or of essays [workloads 1.4]. The
 * order of draws is the original's: keys with their values, then the haystack's own, then places,
 * then the queried keys. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/ruler/generate.h"

enum { MAX_NEEDLES = 4, N_DEPTHS = 40 };

static const char *const type_names[] = {"numbers", "words", "uuids"};

/* round-half-even(100 i / 39): no product is a tie, since 39 is odd and 100 i / 39 never ends in .5
 */
static int depth_percent(int64_t i) { return (int)((200 * i + 39) / 78); }

static void draw(sbi_gen *g, sb_ruler_value type, sbi_text *out)
{
    char buf[64];
    if (type == SB_RULER_NUMBERS) {
        sbi_text_put_i64(out, sb_mt_randint(&g->py, 1000000, 9999999));
    } else if (type == SB_RULER_WORDS) {
        const char *adjective, *noun;
        sb_ruler_words_pair(g->spec.words,
                            sb_mt_below(&g->py, sb_ruler_words_n_pairs(g->spec.words)), &adjective,
                            &noun);
        sbi_text_puts(out, adjective);
        sbi_text_putc(out, '-');
        sbi_text_puts(out, noun);
    } else {
        uint32_t w[4];
        sb_mt_bits128(&g->py, w);
        w[2] = (w[2] & 0xffff0fffu) | 0x4000u;     /* version 4 */
        w[1] = (w[1] & 0x3fffffffu) | 0x80000000u; /* the RFC's variant */
        (void)snprintf(buf, sizeof buf,
                       "%08" PRIx32 "-%04" PRIx32 "-%04" PRIx32 "-%04" PRIx32 "-%04" PRIx32
                       "%08" PRIx32,
                       w[3], w[2] >> 16, w[2] & 0xffffu, w[1] >> 16, w[1] & 0xffffu, w[0]);
        sbi_text_puts(out, buf);
    }
}

/* What one prompt holds. */
typedef struct plant {
    sbi_text key[MAX_NEEDLES], value[MAX_NEEDLES], needle[MAX_NEEDLES];
    int      order[MAX_NEEDLES]; /* order[i]: the needle that stands i-th in the shuffled list */
    int      n_keys, n_needles;
    int32_t  ref[MAX_NEEDLES]; /* of a needle: the answer it holds, -1 none */
} plant;

static void plant_fini(plant *p)
{
    for (int i = 0; i < MAX_NEEDLES; i++) {
        sbi_text_fini(&p->key[i]);
        sbi_text_fini(&p->value[i]);
        sbi_text_fini(&p->needle[i]);
    }
}

static sb_status put_needle(const sbi_gen *g, const sbi_text *key, const sbi_text *value,
                            sbi_text *out)
{
    const char *type      = type_names[g->spec.task->value]; /* always the plural */
    sbi_field   fields[3] = {{"type_needle_v", type, (int64_t)strlen(type), -1},
                             {"key", sbi_text_str(key), key->n, -1},
                             {"value", sbi_text_str(value), value->n, -1}};
    return sbi_py_format(out, g->spec.templates->needle, fields, 3);
}

static sb_status draw_needles(sbi_gen *g, plant *p)
{
    const sb_ruler_task *t  = g->spec.task;
    sb_status            st = SB_OK;
    p->n_keys               = t->n_keys;
    assert(t->n_keys * t->n_values <= MAX_NEEDLES);
    for (int k = 0; k < t->n_keys && st == SB_OK; k++) {
        draw(g, t->key, &p->key[k]);
        for (int v = 0; v < t->n_values && st == SB_OK; v++) {
            int i       = p->n_needles++;
            p->order[i] = i;
            p->ref[i]   = -1;
            draw(g, t->value, &p->value[i]);
            if ((st = sbi_text_status(&p->key[k])) == SB_OK &&
                (st = sbi_text_status(&p->value[i])) == SB_OK)
                st = put_needle(g, &p->key[k], &p->value[i], &p->needle[i]);
        }
    }
    sbi_seeded_shuffle(g, p->order, p->n_needles, sizeof *p->order);
    return st;
}

/* Spans carry the needle's number as ref until the queries are known. */
static void emit_needle(sbi_draft *d, const plant *p, int which)
{
    int64_t at = d->context.n;
    sbi_text_put(&d->context, sbi_text_str(&p->needle[which]), p->needle[which].n);
    sbi_draft_span(d, SB_RULER_SPAN_NEEDLE, which, at, d->context.n);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The lines of a haystack of needles, drawn before the places are. */
static sb_status draw_lines(sbi_gen *g, int64_t units, sbi_text *lines, int64_t *ends)
{
    const sb_ruler_task *t   = g->spec.task;
    sbi_text             key = {0}, value = {0};
    sb_status            st = SB_OK;
    for (int64_t i = 0; i < units && st == SB_OK; i++) {
        sbi_text_reset(&key);
        sbi_text_reset(&value);
        draw(g, t->key, &key);
        draw(g, t->value, &value);
        st      = put_needle(g, &key, &value, lines);
        ends[i] = lines->n;
    }
    if (st == SB_OK && (key.failed || value.failed))
        st = sb_fail(SB_ERR_NOMEM, "ruler: no memory for a needle");
    sbi_text_fini(&key);
    sbi_text_fini(&value);
    return st;
}

static void emit_lines(const sbi_gen *g, const plant *p, int64_t units, const sbi_text *lines,
                       const int64_t *ends, const int64_t *places, sbi_draft *d)
{
    const char *noise  = g->spec.templates->haystack_noise;
    int64_t     n      = (int64_t)strlen(noise);
    int         placed = 0;
    for (int64_t i = 0; i < units; i++) {
        int64_t at;
        if (placed < p->n_needles && places[placed] == i) {
            /* places descend where the original inserts them: the first needle of its list stands
             * last */
            emit_needle(d, p, p->order[p->n_needles - 1 - placed]);
            placed++;
            sbi_text_putc(&d->context, '\n');
        }
        at = d->context.n;
        if (ends == NULL) {
            sbi_text_put(&d->context, noise, n);
        } else {
            int64_t begin = i > 0 ? ends[i - 1] : 0;
            sbi_text_put(&d->context, lines->p + begin, ends[i] - begin);
            sbi_draft_span(d, SB_RULER_SPAN_DISTRACTOR, -1, at, d->context.n);
        }
        if (i + 1 < units)
            sbi_text_putc(&d->context, '\n');
    }
}

static sb_status make_lines(sbi_gen *g, const plant *p, int64_t units, sbi_draft *d)
{
    sbi_text  lines = {0};
    int64_t  *ends  = NULL, places[MAX_NEEDLES];
    sb_status st    = SB_OK;
    if (g->spec.task->haystack == SB_RULER_NEEDLES) {
        ends = malloc((size_t)units * sizeof *ends);
        if (ends == NULL)
            return sb_fail(SB_ERR_NOMEM, "ruler: no memory for %" PRId64 " needles", units);
        st = draw_lines(g, units, &lines, ends);
    }
    if (st == SB_OK && units < p->n_needles) {
        d->raises = "fewer haystack sentences than needles";
    } else if (st == SB_OK && (st = sb_mt_sample(&g->py, units, p->n_needles, places)) == SB_OK) {
        qsort(places, (size_t)p->n_needles, sizeof *places, by_value);
        emit_lines(g, p, units, &lines, ends, places, d);
    }
    sbi_text_fini(&lines);
    free(ends);
    return st;
}

/* " ".join(sentences[from:to]) */
static void emit_sentences(sbi_draft *d, const char *text, const sb_range *s, int64_t from,
                           int64_t to)
{
    for (int64_t i = from; i < to; i++) {
        if (i > from)
            sbi_text_putc(&d->context, ' ');
        sbi_text_put(&d->context, text + s[i].begin, s[i].end - s[i].begin);
    }
}

static sb_status make_essay(sbi_gen *g, const plant *p, int64_t units, sbi_draft *d)
{
    char     *text      = NULL;
    sb_range *sentences = NULL;
    int64_t   n = 0, places[MAX_NEEDLES + 1], last = 0;
    sb_status st = sb_ruler_essay_take(g->spec.essay, units, &text, &sentences, &n);
    if (st != SB_OK || (st = sb_mt_sample(&g->py, N_DEPTHS, p->n_needles, places)) != SB_OK)
        goto done;
    for (int i = 0; i < p->n_needles; i++)
        places[i] = (int64_t)((double)n * ((double)depth_percent(places[i]) / 100.0));
    qsort(places, (size_t)p->n_needles, sizeof *places, by_value);
    for (int i = 0; i < p->n_needles; i++) { /* an empty run of sentences still gets its blank */
        emit_sentences(d, text, sentences, last, places[i]);
        sbi_text_putc(&d->context, ' ');
        emit_needle(d, p, p->order[i]);
        sbi_text_putc(&d->context, ' ');
        last = places[i];
    }
    emit_sentences(d, text, sentences, last, n);
done:
    free(text);
    free(sentences);
    return st;
}

/* The keys asked for, their values as answers, and the spans' final meaning. */
static sb_status draw_queries(sbi_gen *g, plant *p, sbi_text *query, sbi_draft *d)
{
    const sb_ruler_task *t = g->spec.task;
    int64_t              keys[MAX_NEEDLES];
    sb_status            st = sb_mt_sample(&g->py, t->n_keys, t->n_queries, keys);
    if (st != SB_OK)
        return st;
    for (int q = 0; q < t->n_queries; q++) {
        if (q > 0)
            sbi_text_puts(query, q + 1 < t->n_queries ? ", " : ", and ");
        sbi_text_put(query, sbi_text_str(&p->key[keys[q]]), p->key[keys[q]].n);
        for (int v = 0; v < t->n_values; v++) {
            int i     = (int)keys[q] * t->n_values + v;
            p->ref[i] = (int32_t)d->n_answers;
            sbi_draft_answer(d, sbi_text_str(&p->value[i]), p->value[i].n);
        }
    }
    for (int64_t i = 0; i < d->n_spans; i++) {
        sb_ruler_span *s = &d->spans[i];
        if (s->kind == SB_RULER_SPAN_NEEDLE && (s->ref = p->ref[s->ref]) < 0)
            s->kind = SB_RULER_SPAN_DISTRACTOR;
    }
    return SB_OK;
}

sb_status sbi_niah_make(sbi_gen *g, int64_t units, sbi_draft *d)
{
    const sb_ruler_task *t     = g->spec.task;
    plant                p     = {0};
    sbi_text             query = {0};
    const char          *type  = type_names[t->value];
    int                  one   = t->n_queries * t->n_values == 1;
    sb_status            st    = draw_needles(g, &p);
    if (st == SB_OK)
        st = t->haystack == SB_RULER_ESSAY ? make_essay(g, &p, units, d)
                                           : make_lines(g, &p, units, d);
    if (st == SB_OK && d->raises == NULL && (st = draw_queries(g, &p, &query, d)) == SB_OK &&
        (st = sbi_text_status(&query)) == SB_OK) {
        sbi_field fields[3] = {{"context", sbi_text_str(&d->context), d->context.n, -1},
                               {"type_needle_v", type, (int64_t)strlen(type) - one, -1},
                               {"query", sbi_text_str(&query), query.n, -1}};
        st                  = sbi_draft_format(d, g->prompt, fields, 3);
    }
    sbi_text_fini(&query);
    plant_fini(&p);
    return st;
}
