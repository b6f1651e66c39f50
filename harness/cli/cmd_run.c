/* spanbench run: a sweep file to rows in a database. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/cmd.h"
#include "harness/cli/launch.h"
#include "harness/cli/options.h"
#include "harness/cli/summary.h"
#include "harness/cli/version.h"
#include "harness/cli/watchdog.h"
#include "harness/comm/links.h"
#include "harness/run/facts.h"
#include "harness/run/run.h"
#include "harness/run/stop.h"

/* What NCCL may take of a GPU while it computes [sharding 4b] unless SPAN_NCCL_MAX_CTAS says so (0:
 * what it likes), and how long it may be silent. */
enum { LINK_CTAS = 8, LINK_TIMEOUT_S = 120 };
enum { READ_S = 60, TABLE_S = 60 }; /* should take at most: a sweep of many points; the table */

static const char HELP[] =
    "Usage: spanbench run SWEEP.yaml [options]           (alone, or under mpirun / srun)\n"
    "\n"
    "Runs every point of the sweep that the database does not have yet, and prints a table.\n"
    "\n"
    "  --db FILE          results database (default: results/NAME.db for NAME.yaml)\n"
    "  --publish FILE     keep FILE a whole copy of the database, renewed every half minute and at "
    "the end; where the\n"
    "                     database is missing and FILE is not, go on from it\n"
    "  --publish-every S  renew it every S seconds instead\n"
    "  --list HASH        refuse a sweep whose list of points is another (as sbatch wrote it "
    "down)\n"
    "  --point WHAT       only point K, points A-B, or the point whose hash starts with HASH\n"
    "  --row R            only row R of the points, also when it is stored already\n"
    "  --set PATH=VALUE   override a key of the sweep, e.g. --set workloads[0].samples=2 "
    "(repeatable)\n"
    "  --time-limit S     stop cleanly before S seconds have passed (exit 75; run again to go on)\n"
    "  --dry-run          check the sweep and list its points with the memory they need; run "
    "nothing\n"
    "  --threads N        CPU threads a rank (default: OMP_NUM_THREADS, else cores of the host / "
    "ranks on it)\n" SB_WATCHDOG_HELP
    "  --mixed-devices    allow GPUs of several kinds in one run\n"
    "  --no-table         do not print the table at the end\n"
    "  -h, --help         this text\n"
    "\n"
    "Exit codes: 0 ok, 1 failed points, 2 usage or bad configuration, 75 interrupted and "
    "resumable,\n"
    "124 watchdog (resumable as well).\n";

typedef struct options {
    const char *sweep, *db, *point, *publish, *list, *watchdog;
    sb_sets     sets;
    int64_t     row, threads;
    double      time_limit_s, publish_every_s;
    int         dry_run, no_table, mixed, help;
} options;

static sb_status parse(int argc, char **argv, options *o)
{
    enum {
        DB = 256,
        POINT,
        ROW,
        SET,
        LIMIT,
        DRY,
        THREADS,
        WATCHDOG,
        MIXED,
        NO_TABLE,
        PUBLISH,
        EVERY,
        LIST
    };
    static const struct option longs[] = {{"db", 1, NULL, DB},
                                          {"point", 1, NULL, POINT},
                                          {"row", 1, NULL, ROW},
                                          {"set", 1, NULL, SET},
                                          {"time-limit", 1, NULL, LIMIT},
                                          {"dry-run", 0, NULL, DRY},
                                          {"threads", 1, NULL, THREADS},
                                          {"watchdog", 1, NULL, WATCHDOG},
                                          {"mixed-devices", 0, NULL, MIXED},
                                          {"no-table", 0, NULL, NO_TABLE},
                                          {"publish", 1, NULL, PUBLISH},
                                          {"publish-every", 1, NULL, EVERY},
                                          {"list", 1, NULL, LIST},
                                          {"help", 0, NULL, 'h'},
                                          {0}};
    *o                                 = (options){.row = -1, .publish_every_s = 30};
    sb_status st                       = SB_OK;
    int       c;
    opterr = 0;
    while (st == SB_OK && (c = getopt_long(argc, argv, "h", longs, NULL)) != -1)
        switch (c) {
        case DB:
            o->db = optarg;
            break;
        case POINT:
            o->point = optarg;
            break;
        case ROW:
            st = sb_option_whole("row", optarg, 0, 1000000000, &o->row);
            break;
        case SET:
            st = sb_sets_add(&o->sets, optarg);
            break;
        case LIMIT:
            st = sb_option_number("time-limit", optarg, 1, 1e9, &o->time_limit_s);
            break;
        case DRY:
            o->dry_run = 1;
            break;
        case THREADS:
            st = sb_option_whole("threads", optarg, 1, 4096, &o->threads);
            break;
        case WATCHDOG:
            o->watchdog = optarg;
            break;
        case MIXED:
            o->mixed = 1;
            break;
        case PUBLISH:
            o->publish = optarg;
            break;
        case EVERY:
            st = sb_option_number("publish-every", optarg, 0, 1e6, &o->publish_every_s);
            break;
        case LIST:
            o->list = optarg;
            break;
        case NO_TABLE:
            o->no_table = 1;
            break;
        case 'h':
            o->help = 1;
            return SB_OK;
        default:
            return sb_fail(SB_ERR_USAGE,
                           "unknown option or missing value: `%s` (see spanbench run --help)",
                           argv[optind - 1]);
        }
    if (st != SB_OK)
        return st;
    if (optind != argc - 1)
        return sb_fail(SB_ERR_USAGE,
                       optind == argc
                           ? "name a sweep file, e.g. spanbench run configs/quickstart.yaml"
                           : "one sweep file at a time; `%s` is one too many",
                       argv[optind == argc ? 0 : optind + 1]);
    o->sweep = argv[optind];
    return SB_OK;
}

/* results/NAME.db for any/where/NAME.yaml */
static sb_status default_db(const char *sweep, char *buf, size_t n)
{
    const char *slash = strrchr(sweep, '/');
    const char *name  = slash != NULL ? slash + 1 : sweep;
    const char *dot   = strrchr(name, '.');
    int         len   = (int)(dot != NULL && dot > name ? dot - name : (ptrdiff_t)strlen(name));
    if ((size_t)snprintf(buf, n, "results/%.*s.db", len, name) >= n)
        return sb_fail(SB_ERR_USAGE, "%s: the name is too long; give --db", sweep);
    return SB_OK;
}

static int exit_code(sb_status st, const sb_run_outcome *out)
{
    if (st == SB_ERR_USAGE)
        return 2;
    if (st != SB_OK)
        return 1;
    return out->stopped ? SB_EXIT_RESUMABLE : out->failed > 0 ? 1 : 0;
}

static void say_end(const sb_run_outcome *out, const char *db)
{
    (void)fprintf(stderr, "%lld sample%s run, %lld stored before", (long long)out->ran,
                  out->ran == 1 ? "" : "s", (long long)out->known);
    if (out->repeated > 0)
        (void)fprintf(stderr, ", %lld rows that repeat others", (long long)out->repeated);
    if (out->failed + out->unsupported + out->no_fit > 0)
        (void)fprintf(stderr,
                      "; %lld failed, %lld unsupported, %lld without enough memory (reasons: "
                      "spanbench query %s --view coverage)",
                      (long long)out->failed, (long long)out->unsupported, (long long)out->no_fit,
                      db);
    (void)fputc('\n', stderr);
    if (out->slowed > 0)
        (void)fprintf(stderr,
                      "warning: the device was slowed down (heat or a brake) during %lld samples: "
                      "table device_state\n",
                      (long long)out->slowed);
    if (out->shared > 0)
        (void)fprintf(stderr,
                      "warning: other processes computed on the device during %lld samples: table "
                      "device_state\n",
                      (long long)out->shared);
    if (out->stopped)
        (void)fprintf(stderr, "stopped (%s); the same command goes on from here\n",
                      out->stop_reason);
}

static void say_database(const sb_run_outcome *out, const char *db)
{
    (void)fprintf(stderr, "database: %s", db);
    if (out->db_samples > 0)
        (void)fprintf(stderr, " (%lld sample%s, %.1f MiB)", (long long)out->db_samples,
                      out->db_samples == 1 ? "" : "s", (double)out->db_bytes / 0x1p20);
    (void)fputc('\n', stderr);
}

static sb_status whole_from(const char *name, const char *text, double low, double high,
                            double *out)
{
    char  *end;
    double v = strtod(text, &end);
    if (end == text || *end != '\0' || !(v >= low && v <= high) || v != (double)(int32_t)v)
        return sb_fail(SB_ERR_USAGE, "%s: found `%s`, allowed a whole number from %g to %g", name,
                       text, low, high);
    *out = v;
    return SB_OK;
}

static sb_status open_link(sb_comm *comm, const sb_backend *backend, sb_link **out, char *why,
                           size_t why_bytes)
{
    const char *ctas = getenv("SPAN_NCCL_MAX_CTAS");
    double      n    = LINK_CTAS;
    sb_status   st   = ctas == NULL ? SB_OK : whole_from("SPAN_NCCL_MAX_CTAS", ctas, 0, 64, &n);
    if ((st = sb_comm_agree(comm, st)) != SB_OK) /* each rank has an environment of its own */
        return st;
    const sb_nccl_options o = {.max_ctas = (int32_t)n, .timeout_s = LINK_TIMEOUT_S};
    return sb_link_choose(comm, backend, SB_LINK_AUTO, &o, out, why, why_bytes);
}

/* Which points are asked for; outputs as sb_run_options has them. */
static sb_status choose(const options *o, const sb_sweep *sweep, int64_t *first, int64_t *last)
{
    *first = 0;
    *last  = sweep->n_points - 1;
    if (o->list != NULL && strcmp(o->list, sweep->hash) != 0)
        return sb_fail(SB_ERR_USAGE,
                       "--list: found `%.64s`, allowed %s, of the points that %s and this launch "
                       "have now",
                       o->list, sweep->hash, sweep->path);
    return o->point != NULL ? sb_sweep_select(sweep, o->point, first, last) : SB_OK;
}

/* Before anything is timed: blanks in the table at the end are no riddle then. */
static sb_status say_crowd(const sb_launch *l)
{
    int32_t   crowded;
    sb_status st = sb_facts_oversubscribed(l->comm, l->threads, &crowded);
    if (st == SB_OK && crowded && l->comm->rank == 0)
        (void)fprintf(
            stderr,
            "warning: %d rank%s of %d thread%s: more than the cores; times are flagged, and "
            "left out of speed-ups\n",
            l->comm->size, l->comm->size > 1 ? "s" : "", l->threads, l->threads > 1 ? "s" : "");
    return st;
}

static sb_status run(const options *o, const sb_launch *l, sb_sweep *sweep, const char *db,
                     int64_t first, int64_t last, char **argv, sb_run_outcome *out)
{
    char           command[2048], build[2048], mpi[128];
    sb_run_options ro = {.db_path         = db,
                         .publish         = o->publish,
                         .publish_every_s = o->publish_every_s,
                         .first           = first,
                         .last            = last,
                         .row             = o->row,
                         .time_limit_s    = o->time_limit_s,
                         .comm            = l->comm,
                         .watch           = l->watch,
                         .mixed_devices   = o->mixed,
                         .open_link       = open_link,
                         .threads         = l->threads,
                         .command         = command,
                         .commit          = sb_version_commit(),
                         .version         = sb_version_text(),
                         .build_json      = build,
                         .mpi_version     = mpi};
    sb_status      st;
    sb_launch_command(argv, command, sizeof command);
    sb_version_json(build, sizeof build);
    sb_launch_mpi_version(l, mpi, sizeof mpi);
    if (o->dry_run) {
        st = sb_run_list(sweep, &ro, stdout);
    } else {
        if ((st = say_crowd(l)) == SB_OK)
            st = sb_run_sweep(sweep, &ro, out);
        sb_watch_enter(l->watch, "printing the table", TABLE_S);
        if (st == SB_OK && l->comm->rank == 0) {
            if (!o->no_table)
                st = sb_summary_print(db, sweep, stdout);
            say_end(out, db);
            if (st == SB_OK)
                say_database(out, db);
        }
    }
    return st;
}

int sb_cmd_run(int argc, char **argv)
{
    options        o;
    sb_launch      l        = {0};
    sb_sweep      *sweep    = NULL;
    sb_run_outcome out      = {0};
    int64_t        first = 0, last = 0;
    char           db[4096] = "";
    sb_status      st       = parse(argc, argv, &o);
    if (st != SB_OK) {
        if (sb_launch_speaks())
            sb_cmd_error("run");
        return 2;
    }
    if (o.help)
        return sb_launch_speaks() && fputs(HELP, stdout) < 0;
    /* The clock of --time-limit starts before MPI does. */
    sb_stop_set_limit(o.time_limit_s);
    if ((st = sb_launch_begin((int32_t)o.threads, o.watchdog, &l)) != SB_OK) {
        sb_cmd_error("run");
        return sb_cmd_exit_code(st);
    }
    sb_watch_enter(l.watch, "reading the sweep", READ_S);
    sb_stop_install();
    if (o.db == NULL)
        st = default_db(o.sweep, db, sizeof db);
    else
        (void)snprintf(db, sizeof db, "%s", o.db);
    sb_sweep_env env;
    if (st == SB_OK) {
        sb_launch_sweep_env(&l, &env);
        st = sb_sweep_load(o.sweep, o.sets.set, o.sets.n, &env, l.comm->rank == 0 ? stderr : NULL,
                           &sweep);
    }
    if (st == SB_OK)
        st = choose(&o, sweep, &first, &last);
    if ((st = sb_launch_agree(&l, st)) == SB_OK)
        st = sb_comm_agree(l.comm, run(&o, &l, sweep, db, first, last, argv, &out));
    if (st != SB_OK && (st != SB_ERR_PEER || l.comm->rank == 0))
        sb_cmd_error("run");
    int code = exit_code(st, &out);
    sb_sweep_free(sweep);
    return sb_launch_end(&l, code);
}
