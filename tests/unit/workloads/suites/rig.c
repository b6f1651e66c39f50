#include "tests/unit/workloads/suites/rig.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/base/pytext.h"
#include "workloads/metrics/longbench.h"
#include "workloads/registry.h"

/* Length of the valid character at s, or 0; *bad: how many bytes one U+FFFD stands for. */
static int64_t character(const unsigned char *s, int64_t n, int64_t *bad)
{
    int64_t want = s[0] < 0x80                   ? 1
                   : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                   : (s[0] & 0xf0) == 0xe0       ? 3
                   : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                                 : 0;
    *bad         = 1;
    if (want < 2)
        return want;
    for (int64_t i = 1; i < want; i++) {
        int low = 0x80, high = 0xbf;
        if (i == 1 && s[0] == 0xe0)
            low = 0xa0;
        if (i == 1 && s[0] == 0xed)
            high = 0x9f;
        if (i == 1 && s[0] == 0xf0)
            low = 0x90;
        if (i == 1 && s[0] == 0xf4)
            high = 0x8f;
        if (i >= n || s[i] < low || s[i] > high) {
            *bad = i;
            return 0;
        }
    }
    return want;
}

static void put_decoded(sbi_text *out, const char *s, int64_t n)
{
    for (int64_t i = 0; i < n;) {
        int64_t bad, good = character((const unsigned char *)s + i, n - i, &bad);
        if (good > 0)
            sbi_text_put(out, s + i, good);
        else
            sbi_text_puts(out, "\xef\xbf\xbd");
        i += good > 0 ? good : bad;
    }
}

static int64_t width(const void *ctx) { return ctx == NULL ? 0 : *(const int64_t *)ctx; }

static sb_status count(void *ctx, const char *text, int64_t n_bytes, int64_t *n_tokens)
{
    int64_t points = width(ctx) > 0 ? sbi_utf8_count(text, n_bytes) : n_bytes;
    *n_tokens      = width(ctx) > 1 ? (points + width(ctx) - 1) / width(ctx) : points;
    return SB_OK;
}

static sb_status cut(void *ctx, const char *text, int64_t n, int64_t head, int64_t tail, int as_one,
                     char **out, int64_t *out_bytes)
{
    sbi_text  t = {0}, whole = {0};
    int64_t   a = head, b = n - tail, all;
    sb_status st = count(ctx, text, n, &all);
    if (st == SB_OK && (head < 0 || tail < 0 || head + tail > all))
        return sb_fail(SB_ERR_INTERNAL, "a cut of more than there is");
    if (width(ctx) > 0) {
        a = sbi_utf8_prefix(text, n, head * width(ctx));
        b = sbi_utf8_prefix(text, n, (all - tail) * width(ctx));
    }
    if (as_one) {
        sbi_text_put(&whole, text, a);
        sbi_text_put(&whole, text + b, n - b);
        put_decoded(&t, sbi_text_str(&whole), whole.n);
    } else {
        put_decoded(&t, text, a);
        put_decoded(&t, text + b, n - b);
    }
    st = sbi_text_status(&t);
    if (st == SB_OK)
        st = sbi_text_status(&whole);
    if (st == SB_OK) {
        sbi_text_put(&t, "", 0);
        *out_bytes = t.n;
        *out       = t.p != NULL ? sbi_text_take(&t) : strdup("");
    }
    sbi_text_fini(&t);
    sbi_text_fini(&whole);
    return st == SB_OK && *out == NULL ? sb_fail(SB_ERR_NOMEM, "no memory") : st;
}

static sb_status ends(void *ctx, const char *text, int64_t n_bytes, int64_t head, int64_t tail,
                      char **out, int64_t *out_bytes)
{
    return cut(ctx, text, n_bytes, head, tail, 0, out, out_bytes);
}

static sb_status joined(void *ctx, const char *text, int64_t n_bytes, int64_t head, int64_t tail,
                        char **out, int64_t *out_bytes)
{
    return cut(ctx, text, n_bytes, head, tail, 1, out, out_bytes);
}

static int64_t one = 1, two = 2;

static const sb_tok_ops toks[] = {
    {.name = "bytes", .sha256 = "", .count = count, .ends = ends, .joined = joined},
    {.name = "points", .sha256 = "", .count = count, .ends = ends, .joined = joined, .ctx = &one},
    {.name = "pairs", .sha256 = "", .count = count, .ends = ends, .joined = joined, .ctx = &two},
};

const sb_tok_ops *rig_tok(const char *name)
{
    for (size_t i = 0; i < sizeof toks / sizeof *toks; i++)
        if (strcmp(toks[i].name, name) == 0)
            return &toks[i];
    return NULL;
}

static sb_status set_one(rig *g, const char *name, const char *value)
{
    const sb_text_suite *s = g->req.suite;
    const sb_param      *p = sb_params_find(s->params, name);
    if (strcmp(name, "task") == 0)
        g->req.task = sb_text_task_find(s, value);
    else if (strcmp(name, "length") == 0)
        g->req.length_tokens = atoll(value);
    else if (strcmp(name, "seed") == 0)
        g->req.seed = strtoull(value, NULL, 10);
    else if (strcmp(name, "tok") == 0)
        g->req.tok = rig_tok(value) != NULL ? rig_tok(value) : sb_tok_ops_find(value);
    else if (p != NULL)
        return sb_param_set(p, g->params.bytes, value);
    else
        for (int i = 0;; i++) {
            if (s->keys[i].name == NULL)
                return sb_fail(SB_ERR_USAGE, "no such key");
            if (strcmp(s->keys[i].name, name) == 0) {
                g->paths[i] = value;
                break;
            }
        }
    return SB_OK;
}

sb_status rig_request(rig *g, const char *suite, const char *const *args)
{
    *g           = (rig){0};
    g->req.suite = sb_text_suite_find(suite);
    if (g->req.suite == NULL || g->req.suite->params_bytes > sizeof g->params)
        return sb_fail(SB_ERR_USAGE, "suite %s", suite);
    g->req.task   = g->req.suite->tasks;
    g->req.params = g->params.bytes;
    g->req.paths  = g->paths;
    g->req.seed   = 42;
    {
        sb_status st = sb_params_default(g->req.suite->params, g->params.bytes);
        if (st != SB_OK)
            return st;
    }
    for (; *args != NULL; args++) {
        const char *eq       = strchr(*args, '=');
        char        name[64] = {0};
        sb_status   st;
        if (eq == NULL || eq - *args >= (int)sizeof name)
            return sb_fail(SB_ERR_USAGE, "%s: not key=value", *args);
        memcpy(name, *args, (size_t)(eq - *args));
        if ((st = set_one(g, name, eq + 1)) != SB_OK)
            return sb_wrap(st, "%s", *args);
    }
    return g->req.task != NULL ? SB_OK : sb_fail(SB_ERR_USAGE, "no such task");
}

sb_text_set *rig_open(rig *g, const char *suite, const char *const *args)
{
    sb_text_set *set = NULL;
    if (rig_request(g, suite, args) != SB_OK || g->req.suite->open(&g->req, &set) != SB_OK)
        ck_abort_msg("%s", sb_error_text());
    return set;
}

sb_text_row rig_row(sb_text_set *set, int64_t row)
{
    sb_text_row r = {0};
    if (set->suite->row(set, row, &r) != SB_OK)
        ck_abort_msg("row %lld: %s", (long long)row, sb_error_text());
    return r;
}

void rig_bad_row(sb_text_set *set, int64_t row, const char *text)
{
    sb_text_row r  = {0};
    sb_status   st = set->suite->row(set, row, &r);
    if (st != SB_ERR_USAGE || strstr(sb_error_text(), text) == NULL)
        ck_abort_msg("row %lld: %s: %s; wanted: %s", (long long)row, sb_status_name(st),
                     sb_error_text(), text);
    ck_assert_ptr_null(r.prompt);
}

void rig_cannot_open(const char *suite, const char *const *args, sb_status want, const char *text)
{
    rig          g;
    sb_text_set *set = NULL;
    sb_status    st  = rig_request(&g, suite, args);
    if (st != SB_OK)
        ck_abort_msg("%s", sb_error_text());
    st = g.req.suite->open(&g.req, &set);
    if (st != want || strstr(sb_error_text(), text) == NULL)
        ck_abort_msg("%s: %s; wanted %s: %s", sb_status_name(st), sb_error_text(),
                     sb_status_name(want), text);
    ck_assert_ptr_null(set);
}

const char *rig_arg(const char *key, const char *value)
{
    static char buf[8][800];
    static int  turn;
    char       *p = buf[turn++ % 8];
    (void)snprintf(p, sizeof buf[0], "%s=%s", key, value);
    return p;
}

double rig_score(const sb_text_row *r, const char *prediction)
{
    sb_text            pred  = sb_text_of(prediction), refs[64], classes[16];
    sb_score_req       req   = {.preds = &pred, .n_preds = 1, .refs = refs, .n_refs = r->n_refs};
    sb_text_score      s     = {0};
    const sb_longbench first = {.first_line = r->first_line};
    pred                     = sb_longbench_clean(&first, pred);
    ck_assert_int_le(r->n_refs, 64);
    ck_assert_int_le(r->n_classes, 16);
    for (int64_t i = 0; i < r->n_refs; i++)
        refs[i] = sb_text_of(r->refs[i]);
    for (int64_t i = 0; i < r->n_classes; i++)
        classes[i] = sb_text_of(r->classes[i]);
    req.classes   = classes;
    req.n_classes = r->n_classes;
    req.relevance = r->relevance;
    req.question  = sb_text_of(r->question);
    req.task      = r->scorer_task;
    req.prefix    = r->answer_mark;
    if (sb_scorer_score(sb_scorer_find(r->scorer), &req, &s) != SB_OK)
        ck_abort_msg("%s: %s", r->scorer, sb_error_text());
    return s.value;
}
