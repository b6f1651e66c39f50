/* spanbench score FILE...: predictions made elsewhere, scored with our metrics. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/cmd.h"
#include "harness/cli/launch.h"
#include "harness/cli/version.h"
#include "harness/score/score.h"

enum { METRICS_MOST = 32, NAME_MOST = 128 };

static void help(FILE *out)
{
    const char *what = NULL, *name;
    (void)fputs(
        "Usage: spanbench score FILE... [OPTION...]\n\n"
        "Scores files of predictions. The table goes to stdout, bad lines and counts to stderr.\n"
        "One row a task, length and metric: n, score in [0,1], its 95 % interval, empty "
        "predictions,\n"
        "predictions without an answer, and the figure that the suite itself prints.\n\n"
        "  -f, --format NAME      of the files; auto (default) looks at their first good row:\n",
        out);
    for (int64_t i = 0; (name = sb_score_format_name(i, &what)) != NULL; i++)
        (void)fprintf(out, "                           %-14s %s\n", name, what);
    (void)fputs(
        "  -m, --metric NAME      may be given several times; each gets rows of its own.\n"
        "                           own (default)  what the suite itself computes\n"
        "                           kvpress        kvpress' variant of RULER's two metrics\n"
        "                           lm-eval        lm-evaluation-harness' variant of them\n"
        "                           or a name that `spanbench list metrics` prints\n"
        "      --suite NAME       where the file does not say it\n"
        "      --task NAME        the same; of RULER, LongBench, InfiniteBench from the file's "
        "name\n"
        "      --length TOKENS    of the inputs; otherwise a folder's name that is a number\n"
        "      --filter NAME      lm-eval: only samples of this filter\n"
        "      --jieba DIR        data of python3-jieba, for the _zh metrics that segment words\n"
        "  -o, --out FILE         a line of JSON a score\n"
        "  -F, --format-out NAME  table (default), csv, json or markdown\n"
        "      --db FILE          store predictions and scores; needs\n"
        "      --model NAME       who answered\n"
        "      --method NAME      how it attended: dense, ... (default external)\n"
        "      --facts DIR        where `spanbench gen` wrote the questions: what they were made "
        "from is stored\n"
        "  -h, --help             this text\n\n"
        "Exit code: 0, 1 when lines were bad or not scored, 2 usage.\n\n"
        "Example: spanbench score pred/4096/*.jsonl --metric own --metric kvpress\n",
        out);
}

static void note(void *arg, const char *text)
{
    (void)arg;
    (void)fprintf(stderr, "%s\n", text);
}

static sb_status parse_length(const char *text, int64_t *out)
{
    char     *end = NULL;
    long long v;
    errno = 0;
    v     = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || v < 1)
        return sb_fail(SB_ERR_USAGE, "--length: found %s, allowed a whole number from 1", text);
    *out = v;
    return SB_OK;
}

static sb_status parse_output(const char *name, sb_format *out)
{
    static const char *const names[SB_FORMAT_COUNT] = {[SB_FORMAT_TABLE]    = "table",
                                                       [SB_FORMAT_CSV]      = "csv",
                                                       [SB_FORMAT_JSON]     = "json",
                                                       [SB_FORMAT_MARKDOWN] = "markdown"};
    for (int f = 0; f < SB_FORMAT_COUNT; f++)
        if (strcmp(name, names[f]) == 0) {
            *out = (sb_format)f;
            return SB_OK;
        }
    return sb_fail(SB_ERR_USAGE, "--format-out: found %s, allowed table, csv, json, markdown",
                   name);
}

static sb_status parse_name(const char *option, const char *text, const char **out)
{
    if (*text == '\0' || strlen(text) > NAME_MOST)
        return sb_fail(SB_ERR_USAGE, "%s: found %zu bytes, allowed 1 to %d", option, strlen(text),
                       NAME_MOST);
    *out = text;
    return SB_OK;
}

typedef struct arguments {
    sb_score_options o;
    const char      *metrics[METRICS_MOST];
    sb_format        format;
    int              help;
} arguments;

enum { SUITE = 256, TASK, LENGTH, FILTER, JIEBA, DB, MODEL, METHOD, FACTS };

static sb_status take(arguments *a, int c, char **argv)
{
    sb_score_options *o = &a->o;
    switch (c) {
    case 'f':
        o->format = strcmp(optarg, "auto") == 0 ? NULL : optarg;
        return SB_OK;
    case 'm':
        if (o->n_metrics == METRICS_MOST)
            return sb_fail(SB_ERR_USAGE, "--metric: more than %d of them", METRICS_MOST);
        a->metrics[o->n_metrics++] = optarg;
        return SB_OK;
    case 'o':
        o->out = optarg;
        return SB_OK;
    case 'F':
        return parse_output(optarg, &a->format);
    case SUITE:
        return parse_name("--suite", optarg, &o->suite);
    case TASK:
        return parse_name("--task", optarg, &o->task);
    case LENGTH:
        return parse_length(optarg, &o->length_tokens);
    case FILTER:
        o->filter = optarg;
        return SB_OK;
    case JIEBA:
        o->jieba = optarg;
        return SB_OK;
    case FACTS:
        o->facts = optarg;
        return SB_OK;
    case DB:
        o->db = optarg;
        return SB_OK;
    case MODEL:
        return parse_name("--model", optarg, &o->model);
    case METHOD:
        return parse_name("--method", optarg, &o->method);
    case 'h':
        a->help = 1;
        return SB_OK;
    default:
        return sb_fail(SB_ERR_USAGE, "%s: no such option, or its value is missing",
                       argv[optind - 1]);
    }
}

static sb_status parse(int argc, char **argv, arguments *a)
{
    static const struct option options[] = {{"format", required_argument, NULL, 'f'},
                                            {"metric", required_argument, NULL, 'm'},
                                            {"suite", required_argument, NULL, SUITE},
                                            {"task", required_argument, NULL, TASK},
                                            {"length", required_argument, NULL, LENGTH},
                                            {"filter", required_argument, NULL, FILTER},
                                            {"jieba", required_argument, NULL, JIEBA},
                                            {"out", required_argument, NULL, 'o'},
                                            {"format-out", required_argument, NULL, 'F'},
                                            {"db", required_argument, NULL, DB},
                                            {"facts", required_argument, NULL, FACTS},
                                            {"model", required_argument, NULL, MODEL},
                                            {"method", required_argument, NULL, METHOD},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    sb_status                  st        = SB_OK;
    int                        c;
    opterr = 0;
    optind = 0; /* glibc: a fresh scan, so that the verb can be called twice */
    while (st == SB_OK && !a->help &&
           (c = getopt_long(argc, argv, "f:m:o:F:h", options, NULL)) != -1)
        st = take(a, c, argv);
    if (st == SB_OK && !a->help && optind == argc)
        st = sb_fail(SB_ERR_USAGE, "found no file, wanted at least one; see --help");
    a->o.files   = (const char *const *)argv + optind;
    a->o.n_files = argc - optind;
    if (a->o.method == NULL)
        a->o.method = "external";
    if (st == SB_OK && !a->help && a->o.db == NULL && a->o.facts != NULL)
        st = sb_fail(SB_ERR_USAGE, "--facts: they are stored, and there is no --db");
    if (st == SB_OK && !a->help && a->o.db == NULL && a->o.model != NULL)
        st = sb_fail(SB_ERR_USAGE, "--model: it is stored, and there is no --db");
    return st;
}

static void tell(const sb_score_table *t, const sb_score_outcome *r, const char *db)
{
    for (int64_t i = 0; i < t->n; i++)
        if (t->lines[i].n_unscored > 0)
            (void)fprintf(stderr, "%s %s: %lld rows not scored: %s\n", t->lines[i].task,
                          t->lines[i].metric, (long long)t->lines[i].n_unscored,
                          t->lines[i].reason);
    (void)fprintf(stderr, "%lld rows scored, %lld bad", (long long)(r->rows - r->unscored),
                  (long long)r->bad);
    if (r->unscored > 0)
        (void)fprintf(stderr, ", %lld without a score", (long long)r->unscored);
    if (r->skipped > 0)
        (void)fprintf(stderr, ", %lld of another filter", (long long)r->skipped);
    if (db != NULL)
        (void)fprintf(stderr, "; %s: %lld new, %lld known", db, (long long)r->stored,
                      (long long)r->known);
    (void)fputc('\n', stderr);
}

int sb_cmd_score(int argc, char **argv)
{
    char             command[2048], build[2048];
    arguments        a     = {.o = {.note = note}, .format = SB_FORMAT_TABLE};
    sb_score_table   table = {0};
    sb_score_outcome r     = {0};
    sb_status        st    = parse(argc, argv, &a);
    if (st == SB_OK && a.help) {
        help(stdout);
        return 0;
    }
    sb_launch_command(argv, command, sizeof command);
    sb_version_json(build, sizeof build);
    a.o.metrics    = a.metrics;
    a.o.command    = command;
    a.o.version    = sb_version_text();
    a.o.commit     = sb_version_commit();
    a.o.build_json = build;
    if (st == SB_OK)
        st = sb_score_run(&a.o, &table, &r);
    if (st == SB_OK)
        st = sb_score_print(&table, a.format, stdout);
    if (st == SB_OK)
        tell(&table, &r, a.o.db);
    else
        sb_cmd_error("score");
    sb_score_table_fini(&table);
    return st == SB_OK ? (r.bad > 0 || r.unscored > 0) : sb_cmd_exit_code(st);
}
