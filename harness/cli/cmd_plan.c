/* spanbench plan SWEEP.yaml: what its points will cost, before anything runs. */
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/cli/cmd.h"
#include "harness/cli/launch.h"
#include "harness/cli/plan_print.h"

static const char HELP[] =
    "Usage: spanbench plan SWEEP.yaml [OPTION]...\n"
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
    "  --ulysses U        as if U ranks shared heads out among them: all of them is Ulysses,\n"
    "                     fewer beside sharding ring a hybrid of both\n"
    "  --no-memory        leave the memory out: quicker at millions of tokens\n"
    "  --format NAME      table or json (table)\n"
    "  -h, --help         this text\n"
    "\n"
    "Exit codes: 0 all points fit, 1 an error, 2 usage or bad configuration, 3 a point does not "
    "fit.\n";

enum { MAX_SETS = 64, EXIT_NO_FIT = 3 };

typedef struct options {
    const char         *sweep, *machine, *point;
    sb_set              sets[MAX_SETS];
    int64_t             n_sets, ranks;
    sb_forecast_options forecast;
    int                 json, help;
} options;

static sb_status whole(const char *name, const char *text, int64_t high, int64_t *out)
{
    char     *end;
    long long v = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || v < 1 || v > high)
        return sb_fail(SB_ERR_USAGE, "--%s: found `%s`, allowed a whole number from 1 to %lld",
                       name, text, (long long)high);
    *out = v;
    return SB_OK;
}

static sb_status add_set(options *o, char *text)
{
    char *eq = strchr(text, '=');
    if (eq == NULL || eq == text)
        return sb_fail(SB_ERR_USAGE, "--set: found `%s`, allowed PATH=VALUE", text);
    if (o->n_sets == MAX_SETS)
        return sb_fail(SB_ERR_USAGE, "--set: at most %d", MAX_SETS);
    *eq                  = '\0';
    o->sets[o->n_sets++] = (sb_set){text, eq + 1};
    return SB_OK;
}

static sb_status parse_format(const char *text, int *json)
{
    *json = strcmp(text, "json") == 0;
    if (*json || strcmp(text, "table") == 0)
        return SB_OK;
    return sb_fail(SB_ERR_USAGE, "--format: found `%s`, allowed table or json", text);
}

enum { RANKS = 256, THREADS, MACHINE, POINT, SET, ULYSSES, NO_MEMORY, FORMAT };

static sb_status take(options *o, int c)
{
    int64_t   v  = 0;
    sb_status st = SB_OK;
    switch (c) {
    case RANKS:
        return whole("ranks", optarg, 1 << 20, &o->ranks);
    case THREADS:
        st                  = whole("threads", optarg, 4096, &v);
        o->forecast.threads = (int32_t)v;
        return st;
    case ULYSSES:
        st                  = whole("ulysses", optarg, 1 << 20, &v);
        o->forecast.ulysses = (int32_t)v;
        return st;
    case MACHINE:
        o->machine = optarg;
        return SB_OK;
    case POINT:
        o->point = optarg;
        return SB_OK;
    case SET:
        return add_set(o, optarg);
    case NO_MEMORY:
        o->forecast.no_memory = 1;
        return SB_OK;
    case FORMAT:
        return parse_format(optarg, &o->json);
    default:
        return sb_fail(SB_ERR_USAGE,
                       "unknown option or missing value: `%s` (see spanbench plan --help)",
                       optarg == NULL ? "" : optarg);
    }
}

static sb_status parse(int argc, char **argv, options *o)
{
    static const struct option longs[] = {{"ranks", 1, NULL, RANKS},
                                          {"threads", 1, NULL, THREADS},
                                          {"machine", 1, NULL, MACHINE},
                                          {"point", 1, NULL, POINT},
                                          {"set", 1, NULL, SET},
                                          {"ulysses", 1, NULL, ULYSSES},
                                          {"no-memory", 0, NULL, NO_MEMORY},
                                          {"format", 1, NULL, FORMAT},
                                          {"help", 0, NULL, 'h'},
                                          {0}};
    *o                                 = (options){.ranks = 1, .forecast = {.threads = 1}};
    sb_status st                       = SB_OK;
    int       c;
    opterr = 0;
    while (st == SB_OK && (c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
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
    if (st == SB_OK && optind != argc - 1)
        return sb_fail(SB_ERR_USAGE,
                       optind == argc
                           ? "name a sweep file, e.g. spanbench plan configs/quickstart.yaml"
                           : "one sweep file at a time; `%s` is one too many",
                       argv[optind == argc ? 0 : optind + 1]);
    if (st == SB_OK)
        o->sweep = argv[optind];
    return st;
}

/* The machines that the points need: the one that was named serves its own backend alone. */
static sb_status machines_open(const options *o, const sb_sweep *s,
                               sb_machine *machines[SB_BACKEND_COUNT])
{
    char        processor[256];
    sb_machine *named = NULL;
    sb_status   st    = SB_OK;
    sb_forecast_processor(processor, sizeof processor);
    if (o->machine != NULL && (st = sb_plan_machine(o->machine, stderr, &named)) != SB_OK)
        return st;
    if (named != NULL)
        machines[named->backend] = named;
    for (int64_t i = 0; st == SB_OK && i < s->n_points; i++) {
        sb_backend_id b = s->points[i].backend;
        if (machines[b] == NULL && named != NULL)
            st = sb_fail(SB_ERR_USAGE,
                         "machine %s: found backend %s, allowed %s, that of the sweep (key "
                         "`backend`)",
                         named->name, named->backend == SB_CPU ? "cpu" : "cuda",
                         b == SB_CPU ? "cpu" : "cuda");
        else if (machines[b] == NULL)
            st = sb_plan_machine(sb_plan_machine_default(b, processor), stderr, &machines[b]);
    }
    return st;
}

static sb_status plan(const options *o, const sb_sweep *s, int *no_fit)
{
    sb_machine  *machines[SB_BACKEND_COUNT] = {NULL};
    int64_t      first = 0, last = s->n_points - 1;
    sb_forecast *f = calloc((size_t)s->n_points + 1, sizeof *f);
    sb_status    st =
        f == NULL ? sb_fail(SB_ERR_NOMEM, "plan: no memory for %lld points", (long long)s->n_points)
                     : SB_OK;
    if (st == SB_OK && o->point != NULL)
        st = sb_sweep_select(s, o->point, &first, &last);
    if (st == SB_OK)
        st = machines_open(o, s, machines);
    if (st == SB_OK)
        st = sb_forecast_points(s, first, last, (const sb_machine *const *)machines, &o->forecast,
                                f);
    if (st == SB_OK) {
        sb_plan_report r = {.sweep    = s,
                            .machines = (const sb_machine *const *)machines,
                            .first    = first,
                            .n        = last - first + 1,
                            .f        = f,
                            .total    = sb_forecast_sum(f, last - first + 1)};
        st      = o->json ? sb_plan_print_json(&r, stdout) : sb_plan_print_table(&r, stdout);
        *no_fit = r.total.no_fit > 0;
    }
    for (int b = 0; b < SB_BACKEND_COUNT; b++)
        sb_machine_free(machines[b]);
    free(f);
    return st;
}

/* `backend: auto` means what the named machine has. */
static sb_status sweep_open(const options *o, sb_sweep **out)
{
    sb_comm      alone = {.size = (int32_t)o->ranks};
    sb_launch    l     = {.comm = &alone};
    sb_sweep_env env;
    sb_launch_sweep_env(&l, &env);
    if (o->machine != NULL) {
        sb_machine *m;
        sb_status   st = sb_plan_machine(o->machine, stderr, &m);
        if (st != SB_OK)
            return st;
        env.auto_backend = (sb_backend_id)m->backend;
        sb_machine_free(m);
    }
    return sb_sweep_load(o->sweep, o->sets, o->n_sets, &env, stderr, out);
}

int sb_cmd_plan(int argc, char **argv)
{
    options   o;
    sb_sweep *s      = NULL;
    int       no_fit = 0;
    sb_status st     = parse(argc, argv, &o);
    if (st == SB_OK && o.help)
        return fputs(HELP, stdout) < 0;
    if (st == SB_OK && (st = sweep_open(&o, &s)) == SB_OK)
        st = plan(&o, s, &no_fit);
    sb_sweep_free(s);
    if (st != SB_OK) {
        sb_cmd_error("plan");
        return sb_cmd_exit_code(st);
    }
    return no_fit ? EXIT_NO_FIT : 0;
}
