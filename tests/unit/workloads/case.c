/* Helpers of the workload tests. */
#include "tests/unit/workloads/case.h"

#include <string.h>

sb_probe_task_params params_default(void)
{
    sb_probe_task_params p;
    ck_assert_int_eq(sb_params_default(sb_probe_task_param_table, &p), SB_OK);
    return p;
}

request request_of(const char *task, int64_t length, int64_t row)
{
    return (request){
        .task = task, .length = length, .row = row, .seed = 42, .params = params_default()};
}

sb_status try_make(const request *r, sb_input *out)
{
    const sb_task *t = sb_task_find("probe", r->task);
    sb_corpus     *corpus;
    sb_status      st;
    ck_assert_ptr_nonnull(t);
    ck_assert_int_eq(sb_corpus_open(r->corpus != NULL ? r->corpus : "zipf", &corpus), SB_OK);
    sb_gen_req req = {.seed          = r->seed,
                      .row           = r->row,
                      .length_tokens = r->length,
                      .params        = &r->params,
                      .corpus        = corpus};
    st             = t->generate(t, &req, out);
    sb_corpus_close(corpus);
    return st;
}

sb_input make(const request *r)
{
    sb_input in = {0};
    if (try_make(r, &in) != SB_OK)
        ck_abort_msg("%s at %lld: %s", r->task, (long long)r->length, sb_error_text());
    return in;
}

sb_input make_row(const char *task, int64_t length, int64_t row)
{
    request r = request_of(task, length, row);
    return make(&r);
}

static int spans_equal(const sb_span *a, const sb_span *b)
{
    return a->tok_begin == b->tok_begin && a->tok_end == b->tok_end && a->kind == b->kind &&
           a->ref == b->ref && a->depth >= b->depth && a->depth <= b->depth;
}

static int lists_equal(const sb_input *a, const sb_input *b)
{
    for (int64_t i = 0; i < a->n_spans; i++)
        if (!spans_equal(&a->spans[i], &b->spans[i]))
            return 0;
    for (int64_t i = 0; i < a->n_refs; i++)
        if (strcmp(a->refs[i], b->refs[i]) != 0)
            return 0;
    for (int64_t i = 0; i < a->n_script; i++)
        if (a->script[i].kind != b->script[i].kind || a->script[i].a != b->script[i].a ||
            a->script[i].b != b->script[i].b || a->script[i].c != b->script[i].c)
            return 0;
    return 1;
}

int inputs_equal(const sb_input *a, const sb_input *b)
{
    return a->n_tokens == b->n_tokens && a->n_context == b->n_context && a->n_spans == b->n_spans &&
           a->n_refs == b->n_refs && a->n_script == b->n_script && a->n_emit == b->n_emit &&
           a->n_feed == b->n_feed && a->n_groups == b->n_groups && a->profile == b->profile &&
           a->hops == b->hops && strcmp(a->sha256, b->sha256) == 0 &&
           memcmp(a->ids, b->ids, (size_t)a->n_tokens * sizeof *a->ids) == 0 && lists_equal(a, b);
}

int in_class(int32_t id, int32_t first, int32_t count) { return id >= first && id < first + count; }

int is_filler(int32_t id) { return in_class(id, SB_TOK_FILL, SB_TOK_FILL_N); }

const char *text_of(const int32_t *ids, int64_t n)
{
    static char buf[512];
    size_t      len = 0;
    buf[0]          = '\0';
    for (int64_t i = 0; i < n; i++) {
        if (i > 0)
            buf[len++] = ' ';
        sb_probe_token_text(ids[i], buf + len, sizeof buf - len);
        len += strlen(buf + len);
    }
    return buf;
}

int64_t count_token(const sb_input *in, int32_t id) { return count_ngram(in, &id, 1); }

int64_t count_ngram(const sb_input *in, const int32_t *gram, int64_t n)
{
    int64_t found = 0;
    for (int64_t i = 0; i + n <= in->n_context; i++)
        found += in->ids[i] == gram[0] && memcmp(in->ids + i, gram, (size_t)n * sizeof *gram) == 0;
    return found;
}

int run_suite(Suite *s)
{
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}
