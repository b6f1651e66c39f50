/* How long rows of the suite ruler take with a model's tokenizer.
 *
 *   bench_ruler TOKENIZER [KEY=VALUE...]
 *
 * Keys: the suite's parameters (mode=ruler_compat) and files (corpus=DIR), tasks=a,b and
 * lengths=4096,131072 (default: all tasks; 4096, 131072, 1048576). A line a task and length: tokens
 * of a row, seconds of the first row (opening included) and of the second, both by the clock.
 * BENCH_CLOCK=cpu counts CPU time, for a machine that others use. print=1 writes rows as jsonl. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/perf/bench.h"
#include "workloads/registry.h"
#include "workloads/ruler/suite.h"
#include "workloads/tokenizer/ops.h"

typedef struct request {
    sb_ruler_params params;
    const char     *paths[SB_RULER_KEYS];
    sb_text_req     req;
    const char     *tasks, *lengths;
    int             print;
} request;

static double now(void) { return 1e-9 * bench_now_ns(); }

static void take(request *q, const char *arg)
{
    char        name[64];
    const char *value = strchr(arg, '=');
    if (value == NULL || value - arg >= (long)sizeof name) {
        (void)fprintf(stderr, "bench_ruler: %s is no KEY=VALUE\n", arg);
        exit(2);
    }
    (void)snprintf(name, sizeof name, "%.*s", (int)(value - arg), arg);
    value++;
    for (int k = 0; q->req.suite->keys[k].name != NULL; k++)
        if (strcmp(q->req.suite->keys[k].name, name) == 0)
            q->paths[k] = value;
    if (sb_params_find(q->req.suite->params, name) != NULL &&
        sb_param_set(sb_params_find(q->req.suite->params, name), &q->params, value) != SB_OK) {
        (void)fprintf(stderr, "bench_ruler: %s: %s\n", name, sb_error_text());
        exit(2);
    }
    if (strcmp(name, "tasks") == 0)
        q->tasks = value;
    if (strcmp(name, "lengths") == 0)
        q->lengths = value;
    if (strcmp(name, "print") == 0)
        q->print = 1;
}

static sb_status row_of(const request *q, sb_text_set *set, int64_t row, int64_t *n_tokens)
{
    sb_text_row r    = {0};
    char       *line = NULL;
    sb_status   st   = set->suite->row(set, row, &r);
    if (st == SB_OK && q->print &&
        (st = sb_text_row_json(set->suite, set->task, &r, &line)) == SB_OK)
        (void)fputs(line, stdout);
    *n_tokens = r.n_tokens;
    free(line);
    sb_text_row_fini(&r);
    return st;
}

static void measure(request *q)
{
    sb_text_set *set      = NULL;
    int64_t      n_tokens = 0;
    double       start    = now(), first, second;
    sb_status    st       = q->req.suite->open(&q->req, &set);
    if (st == SB_OK)
        st = row_of(q, set, 0, &n_tokens);
    first = now() - start;
    start = now();
    if (st == SB_OK)
        st = row_of(q, set, 1, &n_tokens);
    second = now() - start;
    if (st == SB_OK && !q->print)
        printf("%-16s %8lld  tokens %8lld  first %7.3f s  next %7.3f s\n", q->req.task->name,
               (long long)q->req.length_tokens, (long long)n_tokens, first, second);
    else if (st != SB_OK)
        printf("%-16s %8lld  %s: %.100s\n", q->req.task->name, (long long)q->req.length_tokens,
               sb_status_name(st), sb_error_text());
    (void)fflush(stdout);
    q->req.suite->close(set);
}

static int listed(const char *list, const char *name)
{
    size_t      n = strlen(name);
    const char *s = list;
    if (list == NULL)
        return 1;
    while ((s = strstr(s, name)) != NULL) {
        if ((s == list || s[-1] == ',') && (s[n] == ',' || s[n] == '\0'))
            return 1;
        s += n;
    }
    return 0;
}

int main(int argc, char **argv)
{
    request     q = {.lengths = "4096,131072,1048576"};
    sb_tok     *t = NULL;
    sb_tok_ctx *c = NULL;
    sb_tok_ops  ops;
    q.req = (sb_text_req){
        .suite = &sb_ruler_suite, .params = &q.params, .paths = q.paths, .seed = 42, .tok = &ops};
    if (argc < 2 || sb_params_default(sb_ruler_suite.params, &q.params) != SB_OK ||
        sb_tok_open(argv[1], NULL, &t) != SB_OK || sb_tok_ctx_create(t, &c) != SB_OK) {
        (void)fprintf(stderr, "bench_ruler TOKENIZER [KEY=VALUE...] %s\n", sb_error_text());
        return 2;
    }
    sb_tok_ops_of(c, SB_TOK_SPECIALS_PARSE, &ops);
    for (int i = 2; i < argc; i++)
        take(&q, argv[i]);
    for (const char *at = q.lengths; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        q.req.length_tokens = atoll(at);
        for (q.req.task = sb_ruler_suite.tasks; q.req.task->name != NULL; q.req.task++)
            if (listed(q.tasks, q.req.task->name))
                measure(&q);
    }
    sb_tok_ctx_destroy(c);
    sb_tok_close(t);
    return 0;
}
