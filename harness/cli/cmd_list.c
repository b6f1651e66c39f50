/* spanbench list WHAT: the tables this build was made from. */
#include <stdio.h>
#include <string.h>

#include "harness/cli/cmd.h"
#include "harness/model/model.h"
#include "harness/plan/plan.h"
#include "harness/shard/scheme.h"
#include "kernels/registry.h"
#include "results/store/store.h"
#include "workloads/metrics/scorer.h"
#include "workloads/registry.h"

static const char HELP[] =
    "Usage: spanbench list methods|shardings|workloads|metrics|models|machines|views|schema\n\n"
    "  methods    attention methods: capabilities, parameters with defaults and ranges, source\n"
    "  shardings  how prefills share tokens and heads out over ranks, and which methods run so\n"
    "  workloads  suites and tasks with their parameters, metric and chance level; distributions "
    "of\n"
    "             experiment: attention\n"
    "  metrics    scorers of text: what they score, 0 or 1 or a fraction, what they need, source\n"
    "  models     models and their knobs\n"
    "  machines   whose costs `spanbench plan` knows, and how many constants are measured or "
    "guessed\n"
    "  views      the database's public views\n"
    "  schema     all tables, views and columns of the database, with types, units and meanings "
    "(Markdown)\n";

static void list_params(const sb_param *table)
{
    for (const sb_param *p = table; p != NULL && p->name != NULL; p++) {
        char allowed[256];
        sb_param_allowed(p, allowed, sizeof allowed);
        (void)printf("    %-20s default: %-8s %s; %s\n", p->name, p->def, p->help, allowed);
    }
}

static void list_methods(void)
{
    static const struct {
        uint32_t    cap;
        const char *name;
    } caps[] = {{SB_CAP_PREFILL, "prefill"},
                {SB_CAP_DECODE, "decode"},
                {SB_CAP_GQA, "gqa"},
                {SB_CAP_SHARDED, "sharded"},
                {SB_CAP_TRAINING_FREE, "training-free"}};
    for (const sb_method *const *m = sb_methods; *m != NULL; m++) {
        (void)printf("%s\n    %s\n    source: %s\n    can:", (*m)->name, (*m)->summary,
                     (*m)->source);
        for (size_t i = 0; i < sizeof caps / sizeof *caps; i++)
            if ((*m)->caps & caps[i].cap)
                (void)printf(" %s", caps[i].name);
        (void)printf("%s\n    backends:",
                     (*m)->caps & SB_CAP_TRAINING_FREE
                         ? ""
                         : " (needs trained weights: accuracy on others is marked)");
        (void)printf("%s%s\n", (*m)->plan[SB_CPU] != NULL ? " cpu" : "",
                     (*m)->attend[SB_CUDA] != NULL ? " cuda" : "");
        list_params((*m)->params);
    }
}

/* With heads enough for teams of 2 of 4 ranks, so that usp has a ring in it. */
static void list_shardings(void)
{
    enum { RANKS = 4, ENOUGH_HEADS = 4, TEAM = 2 };
    for (int s = 0; s < SB_SCHEME_COUNT; s++) {
        sb_scheme     scheme = (sb_scheme)s;
        sb_scheme_use use = sb_scheme_used(scheme, scheme == SB_SCHEME_USP ? TEAM : 0, RANKS, RANKS,
                                           ENOUGH_HEADS, ENOUGH_HEADS);
        (void)printf("%s\n    %s\n    methods:", sb_scheme_name(scheme), sb_scheme_summary(scheme));
        for (const sb_method *const *m = sb_methods; *m != NULL; m++)
            if (sb_scheme_check(scheme, use, *m, RANKS, ENOUGH_HEADS, ENOUGH_HEADS) == SB_OK)
                (void)printf(" %s", (*m)->name);
        (void)printf("\n");
    }
    (void)printf("layouts\n");
    for (int k = 0; k < SB_LAYOUT_COUNT; k++)
        (void)printf("  %-14s %s\n", sb_layout_name((sb_layout_kind)k),
                     sb_layout_summary((sb_layout_kind)k));
}

static void list_distributions(void)
{
    (void)printf("distributions (experiment: attention)\n");
    for (const sb_distribution *const *d = sb_distributions; *d != NULL; d++) {
        (void)printf("  %-18s %s\n", (*d)->name, (*d)->summary);
        list_params((*d)->params);
    }
}

/* Questions as text: for `spanbench gen`, and models that read. */
static void list_text_suites(void)
{
    for (const sb_text_suite *const *p = sb_text_suites; *p != NULL; p++) {
        const sb_text_suite *s = *p;
        (void)printf("suite %s (text)\n    %s\n", s->name, s->summary);
        list_params(s->params);
        for (const sb_text_key *k = s->keys; k != NULL && k->name != NULL; k++)
            (void)printf("    %-20s file or folder: %s\n", k->name, k->help);
        for (const sb_text_task *t = s->tasks; t->name != NULL; t++)
            (void)printf("  %-24s %s; metric %s, %lld tokens to generate\n", t->name, t->summary,
                         t->scorer, (long long)t->gen_tokens);
    }
}

static void list_workloads(void)
{
    const char *suite = "";
    for (const sb_task *const *t = sb_tasks; *t != NULL; t++) {
        if (strcmp(suite, (*t)->suite) != 0) {
            suite = (*t)->suite;
            (void)printf("suite %s\n", suite);
            list_params((*t)->params);
        }
        (void)printf("  %-18s %s; metric %s, from %lld tokens\n", (*t)->name, (*t)->summary,
                     (*t)->metric->name, (long long)(*t)->min_length_tokens);
    }
    list_text_suites();
    list_distributions();
}

static void list_metrics(void)
{
    static const struct {
        uint32_t    need;
        const char *name;
    } needs[] = {{SB_NEED_CLASSES, "classes"},
                 {SB_NEED_RELEVANCE, "relevance"},
                 {SB_NEED_TASK, "scorer_task"},
                 {SB_NEED_JIEBA, "jieba"},
                 {SB_NEED_PRED_LIST, "a list of predictions"}};
    for (const sb_scorer *const *s = sb_scorers; *s != NULL; s++) {
        const char *before = "; needs ";
        (void)printf("%-28s %s, %s", (*s)->name, (*s)->is_binary ? "0 or 1  " : "fraction",
                     (*s)->needs & SB_GIVES_HITS      ? "references looked for one by one"
                     : (*s)->needs & SB_NEED_REF_LIST ? "references are one answer together"
                                                      : "references are alternatives");
        for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
            if ((*s)->needs & needs[i].need) {
                (void)printf("%s%s", before, needs[i].name);
                before = ", ";
            }
        (void)printf("\n    source: %s\n", (*s)->source);
    }
}

static void list_models(void)
{
    for (const sb_model_ops *const *m = sb_models; *m != NULL; m++) {
        (void)printf("%s\n    %s\n    suites:", (*m)->name, (*m)->summary);
        for (const char *const *s = (*m)->suites; *s != NULL; s++)
            (void)printf(" %s", *s);
        if ((*m)->read != NULL)
            (void)printf(" (text)");
        (void)printf("\n    backends: cpu%s\n", (*m)->cuda != NULL ? " cuda" : "");
        list_params((*m)->params);
    }
}

static const char *source(const sb_origin *o)
{
    return o->source == SB_SOURCE_SEED ? "guessed" : sb_source_name((sb_source_kind)o->source);
}

static void list_machines(void)
{
    for (const char *const *name = sb_plan_machine_names(); *name != NULL; name++) {
        sb_machine *m   = NULL;
        int64_t     fit = 0, seeds = 0;
        if (sb_plan_machine(*name, stderr, &m) != SB_OK)
            continue; /* its errors are told; tests hold shipped files to being good */
        for (int64_t i = 0; i < m->n_costs; i++) {
            fit += m->costs[i].origin.source <= SB_SOURCE_FITTED;
            seeds += m->costs[i].origin.source == SB_SOURCE_SEED;
        }
        (void)printf("%-12s %s; %s\n    costs: %lld measured or fitted, %lld guessed; links: %s "
                     "inside a host, %s between; %lld densities\n",
                     *name, m->backend == SB_CPU ? "cpu" : "cuda", m->about, (long long)fit,
                     (long long)seeds, source(&m->inside.origin), source(&m->between.origin),
                     (long long)m->n_densities);
        sb_machine_free(m);
    }
}

static void list_views(void)
{
    for (const sb_view *v = sb_views; v->name != NULL; v++)
        (void)printf("%-14s %s\n", v->name, v->summary);
}

static int list_schema(void)
{
    sb_status st = sb_store_schema(stdout);
    if (st != SB_OK)
        sb_cmd_error("list");
    return sb_cmd_exit_code(st);
}

int sb_cmd_list(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*list)(void);
    } what[] = {{"methods", list_methods},     {"shardings", list_shardings},
                {"workloads", list_workloads}, {"metrics", list_metrics},
                {"models", list_models},       {"machines", list_machines},
                {"views", list_views}};
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        (void)fputs(HELP, stdout);
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "schema") == 0)
        return list_schema();
    for (size_t i = 0; argc == 2 && i < sizeof what / sizeof *what; i++)
        if (strcmp(argv[1], what[i].name) == 0) {
            what[i].list();
            return 0;
        }
    if (argc > 1)
        (void)fprintf(stderr,
                      "spanbench list: found `%s`, allowed one of methods, shardings, workloads, "
                      "metrics, models, machines, views, schema\n",
                      argv[argc > 2 ? 2 : 1]);
    else
        (void)fputs(HELP, stderr);
    return 2;
}
