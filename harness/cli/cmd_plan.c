/* spanbench plan SWEEP.yaml: what its points will cost, before anything runs. */
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/cli/cmd.h"
#include "harness/cli/launch.h"
#include "harness/cli/machines.h"
#include "harness/cli/options.h"
#include "harness/cli/plan_print.h"

static const char HELP[] =
    "Usage: spanbench plan SWEEP.yaml [OPTION]...\n"
    "       spanbench plan --machine NAME --fit DB [-o FILE.yaml] [SWEEP.yaml]\n"
    "       spanbench plan --machine NAME --check DB\n"
    "\n"
    "Predicts seconds of each phase, bytes moved and memory of a rank for every point of a sweep,\n"
    "from the constants of a machine. Nothing runs; no GPU, no MPI and no Slurm is needed.\n"
    "\n"
    "  --ranks R          ranks of the run (1)\n"
    "  --threads T        threads of a rank on the CPU (1)\n"
    "  --machine NAME     a machine that the program knows, or a file NAME.yaml. Left out: one "
    "for\n"
    "                     the backend of each point\n"
    "  --point WHAT       these points alone: K, K-L (from 0) or the first digits of a hash\n"
    "  --set PATH=VALUE   change the sweep, as `spanbench run --set`\n"
    "  --no-memory        leave the memory out: quicker at millions of tokens\n"
    "  --refused-too      predict also what run refuses on several GPUs (else unsupported, with "
    "its\n"
    "                     reason), as if it could: a model, with the memory of ranks on a CPU\n"
    "  --format NAME      table or json (table)\n"
    "  --fit DB           refit the machine's constants to the stored samples of a database, "
    "print\n"
    "                     each beside the old one, and go on with them\n"
    "  --fit-up-to N      rates from samples of at most N tokens alone\n"
    "  --densities-up-to N  densities likewise\n"
    "  --links-alone      refit what links between ranks and merges of a ring cost, and nothing "
    "else\n"
    "  --check DB         predict what a database has measured, and print both\n"
    "  --statistic NAME   which of its repetitions stands for a sample: median or min (median)\n"
    "  -o, --output FILE  write the fitted machine\n"
    "  -h, --help         this text\n"
    "\n"
    "Columns: R ranks; index: estimate, select and permute; exposed: communication that no\n"
    "computation hides; token: a step of decoding; MiB: what a rank receives in a prefill; GiB a "
    "rank:\n"
    "of the host (+ of the device); limit: time limit that a job of this point alone would "
    "need.\n\n"
    "Exit codes: 0 all points fit, 1 an error, 2 usage or bad configuration, 3 a point does not "
    "fit.\n";

enum { EXIT_NO_FIT = 3 };

typedef struct options {
    const char         *sweep, *machine, *point, *fit, *check, *output;
    int64_t             fit_up_to, densities_up_to;
    int32_t             links_alone;
    sb_statistic        statistic;
    sb_sets             sets;
    int64_t             ranks;
    sb_forecast_options forecast;
    int                 json, help;
} options;

static sb_status parse_format(const char *text, int *json)
{
    *json = strcmp(text, "json") == 0;
    if (*json || strcmp(text, "table") == 0)
        return SB_OK;
    return sb_fail(SB_ERR_USAGE, "--format: found `%s`, allowed table or json", text);
}

static sb_status parse_statistic(const char *text, sb_statistic *out)
{
    *out = strcmp(text, "min") == 0 ? SB_STATISTIC_MIN : SB_STATISTIC_MEDIAN;
    if (*out == SB_STATISTIC_MIN || strcmp(text, "median") == 0)
        return SB_OK;
    return sb_fail(SB_ERR_USAGE, "--statistic: found `%s`, allowed median or min", text);
}

enum {
    RANKS = 256,
    THREADS,
    MACHINE,
    POINT,
    SET,
    NO_MEMORY,
    REFUSED_TOO,
    FORMAT,
    FIT,
    FIT_UP_TO,
    DENSITIES_UP_TO,
    LINKS_ALONE,
    CHECK,
    STATISTIC
};

static sb_status take(options *o, int c)
{
    int64_t   v  = 0;
    sb_status st = SB_OK;
    switch (c) {
    case RANKS:
        return sb_option_whole("ranks", optarg, 1, 1 << 20, &o->ranks);
    case THREADS:
        st                  = sb_option_whole("threads", optarg, 1, 4096, &v);
        o->forecast.threads = (int32_t)v;
        return st;
    case MACHINE:
        o->machine = optarg;
        return SB_OK;
    case POINT:
        o->point = optarg;
        return SB_OK;
    case SET:
        return sb_sets_add(&o->sets, optarg);
    case LINKS_ALONE:
        o->links_alone = 1;
        return SB_OK;
    case REFUSED_TOO:
        o->forecast.refused_too = 1;
        return SB_OK;
    case NO_MEMORY:
        o->forecast.no_memory = 1;
        return SB_OK;
    case FORMAT:
        return parse_format(optarg, &o->json);
    case FIT:
        o->fit = optarg;
        return SB_OK;
    case FIT_UP_TO:
        return sb_option_whole("fit-up-to", optarg, 1, INT64_C(1) << 30, &o->fit_up_to);
    case DENSITIES_UP_TO:
        return sb_option_whole("densities-up-to", optarg, 1, INT64_C(1) << 30, &o->densities_up_to);
    case CHECK:
        o->check = optarg;
        return SB_OK;
    case STATISTIC:
        return parse_statistic(optarg, &o->statistic);
    case 'o':
        o->output = optarg;
        return SB_OK;
    default:
        return sb_fail(SB_ERR_USAGE,
                       "unknown option or missing value: `%s` (see spanbench plan --help)",
                       optarg == NULL ? "" : optarg);
    }
}

/* n: words that are no options; more: the second of them. */
static sb_status check_options(const options *o, int n, const char *more)
{
    int stored = o->fit != NULL || o->check != NULL;
    if (more != NULL)
        return sb_fail(SB_ERR_USAGE, "one sweep file at a time; `%s` is one too many", more);
    if (n == 0 && !stored)
        return sb_fail(SB_ERR_USAGE,
                       "name a sweep file, e.g. spanbench plan configs/quickstart.yaml");
    if (stored && o->machine == NULL)
        return sb_fail(SB_ERR_USAGE, "--fit and --check: found no --machine, allowed one");
    if (o->output != NULL && o->fit == NULL)
        return sb_fail(SB_ERR_USAGE, "--output: found no --fit, allowed beside one");
    if (o->links_alone && o->fit == NULL)
        return sb_fail(SB_ERR_USAGE, "--links-alone: found no --fit, allowed beside one");
    if (o->fit != NULL && o->check != NULL)
        return sb_fail(SB_ERR_USAGE, "--fit and --check: found both, allowed one: check what -o "
                                     "wrote");
    if (o->fit_up_to > 0 && !stored)
        return sb_fail(SB_ERR_USAGE, "--fit-up-to: found no --fit, allowed beside one");
    return SB_OK;
}

static sb_status parse(int argc, char **argv, options *o)
{
    static const struct option longs[] = {{"ranks", 1, NULL, RANKS},
                                          {"threads", 1, NULL, THREADS},
                                          {"machine", 1, NULL, MACHINE},
                                          {"point", 1, NULL, POINT},
                                          {"set", 1, NULL, SET},
                                          {"no-memory", 0, NULL, NO_MEMORY},
                                          {"refused-too", 0, NULL, REFUSED_TOO},
                                          {"format", 1, NULL, FORMAT},
                                          {"fit", 1, NULL, FIT},
                                          {"fit-up-to", 1, NULL, FIT_UP_TO},
                                          {"densities-up-to", 1, NULL, DENSITIES_UP_TO},
                                          {"links-alone", 0, NULL, LINKS_ALONE},
                                          {"check", 1, NULL, CHECK},
                                          {"statistic", 1, NULL, STATISTIC},
                                          {"output", 1, NULL, 'o'},
                                          {"help", 0, NULL, 'h'},
                                          {0}};
    *o                                 = (options){.ranks = 1, .forecast = {.threads = 1}};
    sb_status st                       = SB_OK;
    int       c;
    opterr = 0;
    while (st == SB_OK && (c = getopt_long(argc, argv, "ho:", longs, NULL)) != -1) {
        if (c == 'h') {
            o->help = 1;
            return SB_OK;
        }
        if (c == '?')
            return sb_fail(SB_ERR_USAGE,
                           "unknown option or missing value: `%s` (see spanbench plan --help)",
                           argv[optind - 1]);
        st = take(o, c);
    }
    if (st != SB_OK)
        return st;
    if (optind < argc)
        o->sweep = argv[optind];
    return check_options(o, argc - optind, argc > optind + 1 ? argv[optind + 1] : NULL);
}

static sb_status plan(const options *o, const sb_machine *named, const sb_sweep *s, int *no_fit)
{
    const sb_machine *machines[SB_BACKEND_COUNT] = {NULL};
    sb_machine       *opened[SB_BACKEND_COUNT]   = {NULL};
    int64_t           first = 0, last = s->n_points - 1;
    sb_forecast      *f = calloc((size_t)s->n_points + 1, sizeof *f);
    sb_status         st =
        f == NULL ? sb_fail(SB_ERR_NOMEM, "plan: no memory for %lld points", (long long)s->n_points)
                          : SB_OK;
    if (st == SB_OK && o->point != NULL)
        st = sb_sweep_select(s, o->point, &first, &last);
    if (st == SB_OK)
        st = sb_machines_open(named, s, machines, opened);
    if (st == SB_OK)
        st = sb_forecast_points(s, first, last, machines, &o->forecast, f);
    if (st == SB_OK) {
        sb_plan_report r = {.sweep    = s,
                            .machines = machines,
                            .first    = first,
                            .n        = last - first + 1,
                            .f        = f,
                            .total    = sb_forecast_sum(f, last - first + 1)};
        st      = o->json ? sb_plan_print_json(&r, stdout) : sb_plan_print_table(&r, stdout);
        *no_fit = r.total.no_fit > 0;
    }
    for (int b = 0; b < SB_BACKEND_COUNT; b++)
        sb_machine_free(opened[b]);
    free(f);
    return st;
}

/* `backend: auto` means what the named machine has. */
static sb_status sweep_open(const options *o, const sb_machine *named, sb_sweep **out)
{
    sb_comm      alone = {.size = (int32_t)o->ranks};
    sb_launch    l     = {.comm = &alone};
    sb_sweep_env env;
    sb_launch_sweep_env(&l, &env);
    if (named != NULL)
        env.auto_backend = (sb_backend_id)named->backend;
    return sb_sweep_load(o->sweep, o->sets.set, o->sets.n, &env, stderr, out);
}

static sb_status plan_sweep(const options *o, const sb_machine *named, int *no_fit)
{
    sb_sweep *s  = NULL;
    sb_status st = sweep_open(o, named, &s);
    if (st == SB_OK)
        st = plan(o, named, s, no_fit);
    sb_sweep_free(s);
    return st;
}

static sb_status write_machine(const options *o, const sb_machine *m)
{
    char  head[1024];
    FILE *f = fopen(o->output, "w");
    if (f == NULL)
        return sb_fail(SB_ERR_IO, "%s: the file cannot be opened for writing", o->output);
    (void)snprintf(head, sizeof head,
                   "Written by spanbench plan --machine %s --fit %s --statistic %s%s%s.\nKeys: "
                   "harness/config/machine.h",
                   o->machine, o->fit, o->statistic == SB_STATISTIC_MIN ? "min" : "median",
                   o->fit_up_to > 0 ? " --fit-up-to (see `from`)" : "",
                   o->links_alone ? " --links-alone" : "");
    sb_status st = sb_machine_write(m, head, f);
    if (fclose(f) != 0 && st == SB_OK)
        st = sb_fail(SB_ERR_IO, "%s: the file cannot be written", o->output);
    return st;
}

/* "methods_h100.db, median of repetitions, up to 32768 tokens" */
static void from_text(const options *o, const char *what, int64_t up_to, char *buf, size_t bytes)
{
    const char *slash = strrchr(o->fit, '/');
    int         n     = snprintf(buf, bytes, "%s, %s", slash == NULL ? o->fit : slash + 1, what);
    if (up_to > 0 && n >= 0 && (size_t)n < bytes)
        (void)snprintf(buf + n, bytes - (size_t)n, ", up to %lld tokens", (long long)up_to);
}

static sb_status fit(const options *o, const sb_machine *old, const sb_stored *rows, int *no_fit)
{
    sb_fit         f;
    char           from[512], densities[512];
    sb_fit_options fo = {from, densities, o->fit_up_to, o->densities_up_to, o->links_alone};
    from_text(o, o->statistic == SB_STATISTIC_MIN ? "fastest repetition" : "median of repetitions",
              o->fit_up_to, from, sizeof from);
    from_text(o, "lanes computed", o->densities_up_to, densities, sizeof densities);
    sb_status st = sb_machine_fit(old, rows, &fo, &f);
    if (st != SB_OK)
        return st;
    sb_plan_print_fit(&f, rows, stdout);
    if (o->output != NULL)
        st = write_machine(o, f.machine);
    if (st == SB_OK && o->sweep != NULL)
        st = plan_sweep(o, f.machine, no_fit);
    sb_fit_fini(&f);
    return st;
}

static sb_status from_stored(const options *o, const sb_machine *m, int *no_fit)
{
    sb_stored rows;
    sb_status st = sb_stored_read(o->fit != NULL ? o->fit : o->check, (sb_backend_id)m->backend,
                                  o->statistic, &rows);
    if (st != SB_OK)
        return st;
    st = o->fit != NULL ? fit(o, m, &rows, no_fit)
                        : sb_plan_print_check(m, &rows, o->fit_up_to, o->json, stdout);
    sb_stored_fini(&rows);
    return st;
}

int sb_cmd_plan(int argc, char **argv)
{
    options     o;
    sb_machine *named  = NULL;
    int         no_fit = 0;
    sb_status   st     = parse(argc, argv, &o);
    if (st == SB_OK && o.help)
        return fputs(HELP, stdout) < 0;
    if (st == SB_OK && o.machine != NULL)
        st = sb_plan_machine(o.machine, stderr, &named);
    if (st == SB_OK && (o.fit != NULL || o.check != NULL))
        st = from_stored(&o, named, &no_fit);
    else if (st == SB_OK)
        st = plan_sweep(&o, named, &no_fit);
    sb_machine_free(named);
    if (st != SB_OK) {
        sb_cmd_error("plan");
        return sb_cmd_exit_code(st);
    }
    return no_fit ? EXIT_NO_FIT : 0;
}
