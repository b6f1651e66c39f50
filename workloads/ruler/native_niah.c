/* Needles between noise, real sentences or other needles, for mode native. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "workloads/ruler/native_draft.h"

enum { MAX_NEEDLES = 4, DEPTHS = 40 };

static const char *const type_names[] = {"numbers", "words", "uuids"};

static const int64_t first_number = 1000000, n_numbers = 9000000;

/* The i-th key or value of the row; no two of one purpose are equal (uuids: by chance of 2^-122).
 */
static void put_item(const sbi_row *r, sb_ruler_value type, sbi_purpose p, int64_t i, sbi_text *out)
{
    uint64_t key = sbi_row_key(r, p);
    char     buf[64];
    if (type == SB_RULER_NUMBERS) {
        sbi_text_put_i64(out, first_number + sbi_permuted(key, n_numbers, i));
    } else if (type == SB_RULER_WORDS) {
        const sb_ruler_lexicon *l = r->spec->lexicon;
        sb_ruler_lexicon_key(l, sbi_permuted(key, sb_ruler_lexicon_n_keys(l), i), out);
    } else { /* 122 drawn bits; version and variant are those of random UUIDs */
        uint64_t high = sb_mix(key ^ sb_mix((uint64_t)i)), low = sb_mix(key + (uint64_t)i);
        (void)snprintf(buf, sizeof buf,
                       "%08" PRIx64 "-%04" PRIx64 "-4%03" PRIx64 "-%04" PRIx64 "-%012" PRIx64,
                       high >> 32, high >> 16 & 0xffff, high & 0xfff, (low >> 48 & 0x3fff) | 0x8000,
                       low & 0xffffffffffff);
        sbi_text_puts(out, buf);
    }
}

static sb_status put_needle(const sbi_row *r, const char *key, int64_t key_bytes, const char *value,
                            int64_t value_bytes, sbi_text *out)
{
    const char *type = type_names[r->spec->task->value];
    sbi_field   f[3] = {{"type_needle_v", type, (int64_t)strlen(type), -1},
                        {"key", key, key_bytes, -1},
                        {"value", value, value_bytes, -1}};
    return sbi_py_format(out, r->spec->templates->needle, f, 3);
}

/* The row's own needles: which stands where, and what it answers. */
typedef struct plant {
    sbi_text key[MAX_NEEDLES], value[MAX_NEEDLES]; /* of each needle */
    int64_t  place[MAX_NEEDLES];
    int32_t  ref[MAX_NEEDLES]; /* -1: not asked for */
    int      n;
} plant;

static void plant_fini(plant *p)
{
    for (int i = 0; i < MAX_NEEDLES; i++) {
        sbi_text_fini(&p->key[i]);
        sbi_text_fini(&p->value[i]);
    }
}

/* Needles, the keys asked for (a drawn order) and the answers: all values of those keys. */
static sb_status draw_needles(sbi_row *r, plant *p)
{
    const sb_ruler_task *t    = r->spec->task;
    uint64_t             asks = sbi_row_key(r, SBI_FOR_QUERIES);
    for (int k = 0; k < t->n_keys; k++)
        for (int v = 0; v < t->n_values; v++, p->n++) {
            put_item(r, t->key, SBI_FOR_KEYS, k, &p->key[p->n]);
            put_item(r, t->value, SBI_FOR_VALUES, p->n, &p->value[p->n]);
            p->ref[p->n] = -1;
            if (p->key[p->n].failed || p->value[p->n].failed)
                return sb_fail(SB_ERR_NOMEM, "ruler: no memory for a needle");
        }
    for (int q = 0; q < t->n_queries; q++) {
        int k = (int)sbi_permuted(asks, t->n_keys, q);
        if (q > 0)
            sbi_text_puts(&r->query, q + 1 < t->n_queries ? ", " : ", and ");
        sbi_text_puts(&r->query, sbi_text_str(&p->key[k * t->n_values]));
        for (int v = 0; v < t->n_values; v++) {
            const sbi_text *value       = &p->value[k * t->n_values + v];
            p->ref[k * t->n_values + v] = (int32_t)r->d.n_answers;
            sbi_draft_answer(&r->d, value->p, value->n);
        }
    }
    return SB_OK;
}

/* Needle i stands before unit place[i]. Depths are drawn without their number of units: a longer
 * row of the same draw has them at the same shares. */
static void draw_places(const sbi_row *r, plant *p, int64_t units)
{
    uint64_t key = sbi_row_key(r, SBI_FOR_PLACES);
    for (int i = 0; i < p->n; i++) {
        int64_t depth = sbi_permuted(key, DEPTHS, i);
        p->place[i]   = units * depth / (DEPTHS - 1);
    }
}

static sb_status emit_needle(sbi_row *r, const plant *p, int i)
{
    int64_t   at = r->d.context.n;
    sb_status st =
        put_needle(r, p->key[i].p, p->key[i].n, p->value[i].p, p->value[i].n, &r->d.context);
    sbi_draft_span(&r->d, p->ref[i] >= 0 ? SB_RULER_SPAN_NEEDLE : SB_RULER_SPAN_DISTRACTOR,
                   p->ref[i], at, r->d.context.n);
    return st;
}

/* The unit itself: a noise sentence, the corpus's next, or a needle of its own. */
static sb_status emit_unit(sbi_row *r, const plant *p, int64_t first, int64_t i, sbi_text buf[2])
{
    const sb_ruler_task *t   = r->spec->task;
    sbi_text            *out = &r->d.context;
    int64_t              at  = out->n;
    sb_status            st  = SB_OK;
    if (t->haystack == SB_RULER_NOISE) {
        sbi_text_puts(out, r->spec->templates->haystack_noise);
    } else if (t->haystack == SB_RULER_ESSAY) {
        const sb_ruler_passages *c = r->spec->passages;
        const sb_range          *s = &c->sentences[(first + i) % c->n_sentences];
        sbi_text_put(out, c->text + s->begin, s->end - s->begin);
    } else {
        sbi_text_reset(&buf[0]);
        sbi_text_reset(&buf[1]);
        put_item(r, t->key, SBI_FOR_KEYS, t->n_keys + i, &buf[0]);
        put_item(r, t->value, SBI_FOR_VALUES, p->n + i, &buf[1]);
        if (buf[0].failed || buf[1].failed)
            return sb_fail(SB_ERR_NOMEM, "ruler: no memory for a needle");
        st = put_needle(r, buf[0].p, buf[0].n, buf[1].p, buf[1].n, out);
        sbi_draft_span(&r->d, SB_RULER_SPAN_DISTRACTOR, -1, at, out->n);
    }
    return st;
}

static sb_status put_context(sbi_row *r, const plant *p, int64_t units)
{
    const sb_ruler_task *t      = r->spec->task;
    char                 gap    = t->haystack == SB_RULER_ESSAY ? ' ' : '\n';
    int64_t              first  = 0;
    sbi_text             buf[2] = {{0}, {0}};
    sb_status            st     = SB_OK;
    if (t->haystack == SB_RULER_ESSAY) {
        sb_rng g = sbi_row_rng(r, SBI_FOR_TEXT);
        first    = (int64_t)sb_rng_below(&g, (uint64_t)r->spec->passages->n_sentences);
    }
    for (int64_t i = 0; i <= units && st == SB_OK; i++) {
        for (int k = 0; k < p->n && st == SB_OK; k++) {
            if (p->place[k] != i)
                continue;
            if (r->d.context.n > 0)
                sbi_text_putc(&r->d.context, gap);
            st = emit_needle(r, p, k);
        }
        if (i == units || st != SB_OK)
            break;
        if (r->d.context.n > 0)
            sbi_text_putc(&r->d.context, gap);
        st = emit_unit(r, p, first, i, buf);
    }
    sbi_text_fini(&buf[0]);
    sbi_text_fini(&buf[1]);
    return st;
}

static sb_status make(sbi_row *r, int64_t units)
{
    const sb_ruler_task *t    = r->spec->task;
    const char          *type = type_names[t->value];
    char                 one[16];
    plant                p  = {0};
    sb_status            st = draw_needles(r, &p);
    if (st == SB_OK) {
        draw_places(r, &p, units);
        st = put_context(r, &p, units);
    }
    plant_fini(&p);
    if (t->n_queries * t->n_values == 1) { /* "number" for "numbers" */
        (void)snprintf(one, sizeof one, "%.*s", (int)strlen(type) - 1, type);
        type = one;
    }
    return st == SB_OK ? sbi_row_compose(r, type, "") : st;
}

static int64_t least(const sbi_row *r)
{
    (void)r;
    return 1;
}

/* A haystack of needles ends with its keys and values. */
static int64_t most(const sbi_row *r)
{
    const sb_ruler_task *t = r->spec->task;
    int64_t              n = INT64_MAX;
    if (t->haystack != SB_RULER_NEEDLES)
        return n;
    if (t->key == SB_RULER_WORDS)
        n = sb_ruler_lexicon_n_keys(r->spec->lexicon) - t->n_keys;
    if (t->value == SB_RULER_NUMBERS && n > n_numbers - 1)
        n = n_numbers - 1;
    return n;
}

const sbi_kind sbi_native_niah = {least, most, make, "sentences", 1, 1};
