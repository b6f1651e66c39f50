/* The six generators [3]. Distributions are those of the original's construct script; draws are
 * ours, a function of the row's seed. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/base/suite_files.h"
#include "workloads/infinitebench/synth.h"

enum {
    DEPTHS        = 59, /* places of passkey and number_string: 0, 1/58, ... 1 */
    DEPTH_STEP    = 37, /* coprime, near 59 / golden ratio: the first rows are spread already */
    PAIRS_ASKED   = 500,
    PAIRS_STEP    = 309, /* likewise for 500 */
    NUMBER_MOST   = 99,
    NUMBER_HIGH   = 79, /* int(99 * .8), int(99 * .2) */
    NUMBER_LOW    = 19,
    DISTINCT      = 3, /* values that a third largest needs */
    LAYERS_MOST   = 10,
    ADD_LEAST     = -12,
    ADD_MOST      = 17,
    ARGUMENT_MOST = 10
};

void sbi_ib_draft_reset(sbi_ib_draft *d)
{
    sbi_text_reset(&d->context);
    sbi_text_reset(&d->input);
    sbi_text_reset(&d->refs);
    d->n_refs = d->n_needles = 0;
    d->depth                 = -1;
    d->layers = d->units = 0;
    d->target            = NULL;
}

void sbi_ib_draft_fini(sbi_ib_draft *d)
{
    sbi_text_fini(&d->context);
    sbi_text_fini(&d->input);
    sbi_text_fini(&d->refs);
}

static sb_status draft_status(const sbi_ib_draft *d)
{
    sb_status st = sbi_text_status(&d->context);
    if (st == SB_OK)
        st = sbi_text_status(&d->input);
    return st == SB_OK ? sbi_text_status(&d->refs) : st;
}

static void put_ref(sbi_ib_draft *d, const char *s)
{
    sbi_text_puts(&d->refs, s);
    sbi_text_putc(&d->refs, '\0');
    d->n_refs++;
}

static void put_ref_number(sbi_ib_draft *d, int64_t v)
{
    sbi_text_put_i64(&d->refs, v);
    sbi_text_putc(&d->refs, '\0');
    d->n_refs++;
}

static void needle(sbi_ib_draft *d, int64_t begin, int64_t end)
{
    d->needle[d->n_needles++] = (sbi_ib_range){begin, end};
}

static int64_t between(sb_rng *r, int64_t low, int64_t high) /* both included */
{
    return low + (int64_t)sb_rng_below(r, (uint64_t)(high - low + 1));
}

/* text.format of one field */
static sb_status put_filled(sbi_text *out, const char *text, const char *name, const char *value)
{
    sbi_field f = {name, value, (int64_t)strlen(value), -1};
    return sbi_py_format(out, text, &f, 1);
}

/* ---- passkey, number_string ---- */

static sb_status hide(const sbi_ib_words *w, const char *text, const char *question,
                      const char *key, int64_t row, int64_t units, sbi_ib_draft *d)
{
    int64_t   place  = row % DEPTHS * DEPTH_STEP % DEPTHS;
    int64_t   before = units * place / (DEPTHS - 1), begin = 0;
    sb_status st = SB_OK;
    for (int64_t i = 0; st == SB_OK && i <= units; i++) {
        if (i == before) {
            begin = d->context.n;
            st    = put_filled(&d->context, text, "key", key);
            needle(d, begin, d->context.n);
        }
        if (i < units)
            sbi_text_puts(&d->context, w->noise);
    }
    d->depth = (double)place / (DEPTHS - 1);
    sbi_text_puts(&d->input, question);
    put_ref(d, key);
    return st == SB_OK ? draft_status(d) : st;
}

static sb_status make_passkey(const sbi_ib_words *w, sb_rng rng, int64_t row, int64_t units,
                              sbi_ib_draft *d)
{
    char key[6] = {0};
    for (int i = 0; i < 5; i++)
        key[i] = (char)between(&rng, '0', '9');
    return hide(w, w->passkey_needle, w->passkey_question, key, row, units, d);
}

/* Five digits; five times one of those there so far is doubled where it stands. */
static sb_status make_number_string(const sbi_ib_words *w, sb_rng rng, int64_t row, int64_t units,
                                    sbi_ib_draft *d)
{
    char key[11] = {0};
    for (int i = 0; i < 5; i++)
        key[i] = (char)between(&rng, '0', '9');
    for (int n = 5; n < 10; n++) {
        int64_t at = between(&rng, 0, n - 1);
        memmove(key + at + 1, key + at, (size_t)(n - at));
    }
    return hide(w, w->number_needle, w->number_question, key, row, units, d);
}

/* ---- kv_retrieval ---- */

static void uuid4(sb_rng *r, char out[37])
{
    static const char hex[] = "0123456789abcdef";
    uint64_t          word[2];
    int               n = 0;
    word[0]             = (sb_rng_next(r) & ~UINT64_C(0xf000)) | UINT64_C(0x4000);
    word[1]             = (sb_rng_next(r) & (UINT64_MAX >> 2)) | UINT64_C(1) << 63;
    for (int i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            out[n++] = '-';
        out[n++] = hex[word[i / 16] >> (60 - 4 * (i % 16)) & 15];
    }
    out[n] = '\0';
}

static sb_status make_kv(const sbi_ib_words *w, sb_rng rng, int64_t row, int64_t units,
                         sbi_ib_draft *d)
{
    int64_t   place = row % PAIRS_ASKED * PAIRS_STEP % PAIRS_ASKED;
    int64_t   asked = units * place / PAIRS_ASKED;
    char      key[37], value[37];
    sb_status st = SB_OK;
    sbi_text_puts(&d->context, w->kv_begin);
    sbi_text_putc(&d->context, '{');
    for (int64_t i = 0; st == SB_OK && i < units; i++) {
        int64_t begin;
        uuid4(&rng, key);
        uuid4(&rng, value);
        sbi_text_puts(&d->context, i > 0 ? ", " : "");
        begin = d->context.n;
        sbi_text_puts(&d->context, "\"");
        sbi_text_puts(&d->context, key);
        sbi_text_puts(&d->context, "\": \"");
        sbi_text_puts(&d->context, value);
        sbi_text_puts(&d->context, "\"");
        if (i == asked) {
            needle(d, begin, d->context.n);
            put_ref(d, value);
            st = put_filled(&d->input, w->kv_question, "key", key);
        }
    }
    sbi_text_putc(&d->context, '}');
    d->depth = (double)asked / (double)units;
    return st == SB_OK ? draft_status(d) : st;
}

/* ---- math_find ---- */

/* The rank-th distinct value from the top (step -1) or the bottom (step 1), rank from 0. */
static int64_t distinct(const int64_t *count, int64_t from, int64_t step, int rank)
{
    int64_t v = from;
    while (count[v] == 0 || rank-- > 0)
        v += step;
    return v;
}

/* The value at a place of the sorted list. */
static int64_t sorted_at(const int64_t *count, int64_t place)
{
    int64_t v = 0;
    while (place >= count[v])
        place -= count[v++];
    return v;
}

static void put_median(const int64_t *count, int64_t n, sbi_ib_draft *d)
{
    int64_t twice = sorted_at(count, (n - 1) / 2) + sorted_at(count, n / 2);
    if (n % 2 == 1) {
        put_ref_number(d, twice / 2);
        return;
    }
    sbi_text_put_i64(&d->refs, twice / 2); /* a float of Python: 49.0, 49.5 */
    put_ref(d, twice % 2 == 0 ? ".0" : ".5");
}

static int draw_numbers(sb_rng *r, int64_t low, int64_t high, int64_t n, sbi_text *out,
                        int64_t count[NUMBER_MOST + 1])
{
    int different = 0;
    memset(count, 0, (NUMBER_MOST + 1) * sizeof *count);
    sbi_text_putc(out, '[');
    for (int64_t i = 0; i < n; i++) {
        int64_t v = between(r, low, high);
        different += count[v]++ == 0;
        sbi_text_puts(out, i > 0 ? ", " : "");
        sbi_text_put_i64(out, v);
    }
    sbi_text_putc(out, ']');
    return different;
}

static sb_status make_find(const sbi_ib_words *w, sb_rng rng, int64_t row, int64_t units,
                           sbi_ib_draft *d)
{
    int       kind    = (int)(row % SBI_IB_TARGETS);
    int       low_end = kind >= 3 && (kind < 6 || between(&rng, 0, 1) == 1);
    int64_t   count[NUMBER_MOST + 1], low = 0, high = NUMBER_MOST;
    sb_status st;
    if (low_end)
        low = between(&rng, 0, NUMBER_LOW);
    else
        high = between(&rng, NUMBER_HIGH, NUMBER_MOST);
    do /* a short list may hold too few different numbers */
        sbi_text_reset(&d->context);
    while (draw_numbers(&rng, low, high, units, &d->context, count) < DISTINCT);
    d->target = w->target[kind];
    if (kind == 6)
        put_median(count, units, d);
    else
        put_ref_number(d, kind < 3 ? distinct(count, NUMBER_MOST, -1, kind)
                                   : distinct(count, 0, 1, kind - 3));
    st = put_filled(&d->input, w->find_question, "target", d->target);
    return st == SB_OK ? draft_status(d) : st;
}

/* ---- math_calc ---- */

static sb_status make_calc(const sbi_ib_words *w, sb_rng rng, int64_t row, int64_t units,
                           sbi_ib_draft *d)
{
    int64_t value = between(&rng, 0, NUMBER_MOST);
    (void)w;
    (void)row;
    sbi_text_put_i64(&d->context, value);
    for (int64_t i = 1; i < units; i++) {
        int64_t term = between(&rng, 0, NUMBER_MOST);
        if (between(&rng, 0, 1) == 1) {
            if (value + term > NUMBER_MOST)
                term = between(&rng, 0, NUMBER_MOST - value);
            sbi_text_puts(&d->context, " + ");
            value += term;
        } else {
            if (value - term < 0)
                term = between(&rng, 0, value);
            sbi_text_puts(&d->context, " - ");
            value -= term;
        }
        sbi_text_put_i64(&d->context, term);
        put_ref_number(d, value);
    }
    return draft_status(d);
}

/* ---- code_run ---- */

typedef struct function {
    int64_t number, layer, next, add; /* next: number of what it calls, -1 in the last layer */
    int64_t begin, end;               /* where it stands in the context */
} function;

static int by_number(const void *a, const void *b)
{
    const function *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

static function *find_function(function *f, int64_t n, int64_t number)
{
    function key = {.number = number};
    return bsearch(&key, f, (size_t)n, sizeof *f, by_number);
}

/* n different numbers of 1 .. 2n, in drawn order, laid out layer by layer. */
static sb_status draw_functions(sb_rng *r, int64_t layers, int64_t a_layer, function *f)
{
    int64_t  n      = layers * a_layer;
    int64_t *number = malloc((size_t)(2 * n) * sizeof *number);
    if (number == NULL)
        return sb_fail(SB_ERR_NOMEM, "code_run: no memory for %" PRId64 " functions", n);
    for (int64_t i = 0; i < 2 * n; i++)
        number[i] = i + 1;
    for (int64_t i = 0; i < n; i++) {
        int64_t j = between(r, i, 2 * n - 1), v = number[i];
        number[i] = number[j];
        number[j] = v;
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t layer = i / a_layer;
        int64_t next =
            layer + 1 < layers ? number[(layer + 1) * a_layer + between(r, 0, a_layer - 1)] : -1;
        f[i] = (function){number[i], layer, next, between(r, ADD_LEAST, ADD_MOST), 0, 0};
    }
    free(number);
    return SB_OK;
}

static void put_function(sbi_text *out, function *f)
{
    f->begin = out->n;
    sbi_text_puts(out, "def func_");
    sbi_text_put_i64(out, f->number);
    sbi_text_puts(out, "(x):\n    return ");
    if (f->next < 0) {
        sbi_text_puts(out, "x");
    } else {
        sbi_text_puts(out, "func_");
        sbi_text_put_i64(out, f->next);
        sbi_text_puts(out, "(x)");
    }
    if (f->add != 0) {
        sbi_text_puts(out, f->add < 0 ? " - " : " + ");
        sbi_text_put_i64(out, f->add < 0 ? -f->add : f->add);
    }
    sbi_text_putc(out, '\n');
    f->end = out->n;
    sbi_text_putc(out, '\n');
}

static int by_place(const void *a, const void *b)
{
    const sbi_ib_range *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

/* Walk the calls from `number` on: what is returned, and where it is written. */
static int64_t run(function *f, int64_t n, int64_t number, int64_t x, sbi_ib_draft *d)
{
    while (number >= 0) {
        const function *at = find_function(f, n, number);
        x += at->add;
        needle(d, at->begin, at->end);
        number = at->next;
    }
    qsort(d->needle, (size_t)d->n_needles, sizeof *d->needle, by_place);
    return x;
}

static sb_status make_run(const sbi_ib_words *w, sb_rng rng, int64_t row, int64_t units,
                          sbi_ib_draft *d)
{
    int64_t   layers = 2 * (1 + row % (LAYERS_MOST / 2)), a_layer = units / layers;
    int64_t   n    = layers * a_layer, asked, x;
    sbi_text  call = {0};
    function *f    = calloc((size_t)n, sizeof *f);
    sb_status st   = f != NULL ? draw_functions(&rng, layers, a_layer, f)
                               : sb_fail(SB_ERR_NOMEM, "code_run: no memory");
    if (st != SB_OK)
        goto done;
    asked = f[between(&rng, 0, a_layer - 1)].number; /* of layer 0 */
    x     = between(&rng, -ARGUMENT_MOST, ARGUMENT_MOST);
    qsort(f, (size_t)n, sizeof *f, by_number);
    sbi_text_puts(&d->context, w->run_begin);
    for (int64_t i = 0; i < n; i++)
        put_function(&d->context, &f[i]);
    put_ref_number(d, run(f, n, asked, x, d));
    d->layers = layers;
    d->units  = n;
    sbi_text_puts(&call, "func_");
    sbi_text_put_i64(&call, asked);
    sbi_text_putc(&call, '(');
    sbi_text_put_i64(&call, x);
    sbi_text_putc(&call, ')');
    if ((st = sbi_text_status(&call)) == SB_OK &&
        (st = put_filled(&d->input, w->run_question, "func_call", call.p)) == SB_OK)
        st = draft_status(d);
done:
    sbi_text_fini(&call);
    free(f);
    return st;
}

const sbi_ib_kind sbi_ib_kinds[] = {
    {"passkey", 1, make_passkey}, {"number_string", 1, make_number_string},
    {"kv_retrieval", 1, make_kv}, {"math_find", 8, make_find},
    {"math_calc", 2, make_calc},  {"code_run", LAYERS_MOST, make_run},
};
