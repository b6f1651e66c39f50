/* spanbench sbatch: a sweep as a job script for Slurm. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/batch/batch.h"
#include "harness/cli/cmd.h"
#include "harness/cli/launch.h"
#include "harness/cli/options.h"
#include "harness/cli/sbatch_cost.h"
#include "harness/cli/version.h"

static const char HELP[] =
    "Usage: spanbench sbatch SWEEP.yaml [options] > job.sbatch\n"
    "\n"
    "Writes the sweep as a job script for Slurm: an array over its points, and a job behind it "
    "that "
    "merges the results\n"
    "(page and gate if wanted). `sbatch job.sbatch` queues all of it; scancel stops it cleanly; "
    "queueing it again goes on.\n"
    "A sweep that does not fit the site is refused with the numbers.\n"
    "\n"
    "  --site FILE        what the cluster wants of a job (slurm/sites/example.yaml); default: the "
    "keys' own\n"
    "  --ranks R          ranks of every point (default: as few as fit: 1, 2, 4, ...)\n"
    "  --machine NAME     what predicts time and memory, as `spanbench plan`; none: nothing does "
    "(default: `machine`\n"
    "                     of the site, else the program's own)\n"
    "  --array N          at most N elements at once (default: limits.throttle of the site)\n"
    "  --element-time S   how long an array element should be, in seconds (default: time.element_s "
    "of the site)\n"
    "  --results DIR      where results go (default: `results` of the site)\n"
    "  --db FILE          the merged database (default: RESULTS/NAME.db for NAME.yaml)\n"
    "  --base FILE        compare with this database at the end: the gate\n"
    "  --gates FILE       what the gate demands (default: the keys' own)\n"
    "  --no-report        no page at the end\n"
    "  --program FILE     what the job starts (default: `program` of the site, else this program)\n"
    "  --set PATH=VALUE   override a key of the sweep (repeatable)\n"
    "  -h, --help         this text\n"
    "\n"
    "Exit codes: 0 ok, 2 usage or bad configuration, 3 does not fit.\n";

enum { SHORT_HASH = 12 };

typedef struct options {
    const char *sweep, *site, *results, *db, *base, *gates, *program, *machine;
    sb_sets     sets;
    int64_t     ranks, throttle;         /* ranks 0: as few as fit; throttle -1: the site's */
    double      element_s;               /* 0: the site's */
    int         no_report, help;
} options;

static sb_status parse(int argc, char **argv, options *o)
{
    enum {
        SITE = 256,
        RANKS,
        ARRAY,
        ELEMENT,
        RESULTS,
        DB,
        BASE,
        GATES,
        NO_REPORT,
        PROGRAM,
        SET,
        MACHINE
    };
    static const struct option longs[] = {{"site", 1, NULL, SITE},
                                          {"ranks", 1, NULL, RANKS},
                                          {"array", 1, NULL, ARRAY},
                                          {"element-time", 1, NULL, ELEMENT},
                                          {"results", 1, NULL, RESULTS},
                                          {"db", 1, NULL, DB},
                                          {"base", 1, NULL, BASE},
                                          {"gates", 1, NULL, GATES},
                                          {"no-report", 0, NULL, NO_REPORT},
                                          {"program", 1, NULL, PROGRAM},
                                          {"set", 1, NULL, SET},
                                          {"machine", 1, NULL, MACHINE},
                                          {"help", 0, NULL, 'h'},
                                          {0}};
    static const struct {
        int    c;
        size_t at;
    } texts[]    = {{SITE, offsetof(options, site)},      {RESULTS, offsetof(options, results)},
                    {DB, offsetof(options, db)},          {BASE, offsetof(options, base)},
                    {GATES, offsetof(options, gates)},    {PROGRAM, offsetof(options, program)},
                    {MACHINE, offsetof(options, machine)}};
    *o           = (options){.throttle = -1};
    sb_status st = SB_OK;
    int       c;
    opterr = 0;
    while (st == SB_OK && (c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
            if (texts[i].c == c)
                *(const char **)((char *)o + texts[i].at) = optarg;
        switch (c) {
        case RANKS:
            st = sb_option_whole("ranks", optarg, 1, 65536, &o->ranks);
            break;
        case ARRAY:
            st = sb_option_whole("array", optarg, 0, 4000000, &o->throttle);
            break;
        case ELEMENT:
            st = sb_option_number("element-time", optarg, 1, 1e7, &o->element_s);
            break;
        case NO_REPORT:
            o->no_report = 1;
            break;
        case SET:
            st = sb_sets_add(&o->sets, optarg);
            break;
        case 'h':
            o->help = 1;
            return SB_OK;
        case '?':
            return sb_fail(SB_ERR_USAGE,
                           "unknown option or missing value: `%s` (see spanbench sbatch --help)",
                           argv[optind - 1]);
        default:
            break;
        }
    }
    if (st != SB_OK)
        return st;
    if (optind != argc - 1)
        return sb_fail(SB_ERR_USAGE,
                       optind == argc ? "name a sweep file" : "one sweep file at a time");
    o->sweep = argv[optind];
    if (o->gates != NULL && o->base == NULL)
        return sb_fail(SB_ERR_USAGE, "--gates: found no --base, allowed beside the database to "
                                     "compare with");
    return SB_OK;
}

/* ---- paths: a job runs elsewhere, so all of them are absolute ---- */
typedef struct paths {
    char sweep[PATH_MAX], results[PATH_MAX], folder[PATH_MAX], db[PATH_MAX], base[PATH_MAX],
        gates[PATH_MAX], program[PATH_MAX];
} paths;

static sb_status join(char out[PATH_MAX], const char *a, const char *b, const char *c)
{
    if (snprintf(out, PATH_MAX, "%s%s%s", a, b, c) >= PATH_MAX)
        return sb_fail(SB_ERR_USAGE, "%s%s%s: the path is too long", a, b, c);
    for (const char *p = out; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return sb_fail(SB_ERR_USAGE, "%s: found a control character in a path, allowed none",
                           out);
    return SB_OK;
}

static sb_status absolute(const char *path, char out[PATH_MAX])
{
    char cwd[PATH_MAX];
    if (path[0] == '/')
        return join(out, path, "", "");
    if (getcwd(cwd, sizeof cwd) == NULL)
        return sb_fail(SB_ERR_IO, "the current directory: %s", strerror(errno));
    return join(out, cwd, "/", path);
}

/* A file that must be there. */
static sb_status existing(const char *path, char out[PATH_MAX])
{
    char found[PATH_MAX];
    if (realpath(path, found) == NULL)
        return sb_fail(SB_ERR_USAGE, "%s: %s", path, strerror(errno));
    return join(out, found, "", "");
}

/* mkdir -p */
static sb_status make_folder(const char *path)
{
    char part[PATH_MAX];
    for (size_t i = 1; i <= strlen(path); i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        struct stat info;
        if (mkdir(part, 0777) != 0 && (stat(part, &info) != 0 || !S_ISDIR(info.st_mode)))
            return sb_fail(SB_ERR_IO, "%s: %s", part, strerror(errno));
    }
    return SB_OK;
}

/* "NAME" of any/where/NAME.yaml */
static void base_name(const char *path, char out[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    (void)snprintf(out, PATH_MAX, "%s", slash != NULL ? slash + 1 : path);
    char *dot = strrchr(out, '.');
    if (dot != NULL && dot > out)
        *dot = '\0';
}

static sb_status find_paths(const options *o, const sb_site *site, const sb_sweep *s, paths *p)
{
    char        name[PATH_MAX], file[PATH_MAX], self[PATH_MAX];
    const char *program = o->program != NULL ? o->program : site->program;
    ssize_t     n;
    base_name(o->sweep, name);
    sb_status st = join(file, name, ".db", "");
    if (st == SB_OK)
        st = existing(o->sweep, p->sweep);
    if (st == SB_OK)
        st = absolute(o->results != NULL ? o->results : site->results, p->results);
    if (st == SB_OK)
        st = o->db != NULL ? absolute(o->db, p->db) : join(p->db, p->results, "/", file);
    if (st == SB_OK && o->base != NULL)
        st = existing(o->base, p->base);
    if (st == SB_OK && o->gates != NULL)
        st = existing(o->gates, p->gates);
    /* one folder a list of points: jobs over the same list go on from each other */
    if (st == SB_OK)
        st = join(file, name, "-", s->hash);
    if (st != SB_OK)
        return st;
    file[strlen(name) + 1 + SHORT_HASH] = '\0';
    if ((st = join(p->folder, p->results, "/", file)) != SB_OK)
        return st;
    if (program != NULL)
        return strchr(program, '/') != NULL ? absolute(program, p->program)
                                            : join(p->program, program, "", "");
    if (site->container.n > 0)
        return join(p->program, "spanbench", "", "");
    if ((n = readlink("/proc/self/exe", self, sizeof self - 1)) < 0)
        return sb_fail(SB_ERR_IO, "this program's own path: %s", strerror(errno));
    self[n] = '\0';
    return join(p->program, self, "", "");
}

static sb_status load_sweep(const options *o, int32_t ranks, sb_sweep **out)
{
    sb_comm      alone = {.size = ranks};
    sb_launch    l     = {.comm = &alone};
    sb_sweep_env env;
    sb_launch_sweep_env(&l, &env);
    return sb_sweep_load(o->sweep, o->sets.set, o->sets.n, &env, stderr, out);
}

/* CPU threads of a rank, as the job will set them. */
static int32_t threads_of(const sb_site *site, int64_t ranks)
{
    for (int64_t i = 0; i < site->env_names.n; i++)
        if (strcmp(site->env_names.v[i], "OMP_NUM_THREADS") == 0 && atoi(site->env_values.v[i]) > 0)
            return atoi(site->env_values.v[i]);
    return (int32_t)(site->cores / (ranks < site->tasks ? ranks : site->tasks));
}

static sb_status write_script(const options *o, const sb_site *site, const sb_sweep *s,
                              const sb_batch_job *j, const char *basis)
{
    paths     p = {0};
    char      logs[PATH_MAX];
    sb_status st = find_paths(o, site, s, &p);
    if (st == SB_OK)
        st = join(logs, p.folder, "/logs", "");
    if (st != SB_OK)
        return st;
    sb_batch_texts t = {.program    = p.program,
                        .version    = sb_version_text(),
                        .basis      = basis,
                        .sweep_path = p.sweep,
                        .folder     = p.folder,
                        .main_db    = p.db,
                        .sets       = o->sets.set,
                        .n_sets     = o->sets.n,
                        .base_db    = o->base != NULL ? p.base : NULL,
                        .gates      = o->gates != NULL ? p.gates : NULL,
                        .throttle   = o->throttle >= 0 ? o->throttle : site->throttle,
                        .report     = !o->no_report};
    if ((st = sb_batch_write(s, j, site, &t, stdout)) != SB_OK)
        return st;
    (void)fprintf(stderr,
                  "%lld points in %lld elements of %lld ranks on %lld node%s, at most %lld minutes "
                  "each; results: %s\n",
                  (long long)j->n_points, (long long)j->n_elements, (long long)j->ranks,
                  (long long)j->nodes, j->nodes == 1 ? "" : "s", (long long)j->minutes, p.db);
    /* Slurm opens the logs before the job could make their folder */
    if (make_folder(logs) != SB_OK)
        (void)fprintf(stderr, "warning: %s; it must be there before the job starts\n",
                      sb_error_text());
    return SB_OK;
}

/* One number of ranks: nothing is written unless all of it fits. */
static sb_status write_for(const options *o, const sb_site *site, int64_t ranks)
{
    sb_sweep      *sweep = NULL;
    sb_batch_cost *cost  = NULL;
    sb_batch_job   job   = {0};
    char           basis[192];
    sb_status      st = load_sweep(o, (int32_t)ranks, &sweep);
    if (st == SB_OK && (cost = calloc((size_t)sweep->n_points + 1, sizeof *cost)) == NULL)
        st = sb_fail(SB_ERR_NOMEM, "no memory for %lld points", (long long)sweep->n_points);
    if (st == SB_OK)
        st = sb_sbatch_costs(sweep, site, o->machine, threads_of(site, ranks), cost, basis,
                             sizeof basis);
    if (st == SB_OK)
        st = sb_batch_shape(sweep, cost, site, ranks, &job);
    if (st == SB_OK)
        st = write_script(o, site, sweep, &job, basis);
    sb_batch_fini(&job);
    free(cost);
    sb_sweep_free(sweep);
    return st;
}

static sb_status run(const options *o)
{
    sb_site  *site = NULL;
    sb_status st   = sb_site_load(o->site, stderr, &site);
    if (st != SB_OK)
        return st;
    if (o->element_s > 0)
        site->element_s = o->element_s;
    st = write_for(o, site, o->ranks > 0 ? o->ranks : 1);
    for (int64_t r = 2; o->ranks == 0 && st == SB_ERR_NO_FIT && r <= site->tasks * site->max_nodes;
         r *= 2)
        st = write_for(o, site, r);
    sb_site_free(site);
    return st;
}

int sb_cmd_sbatch(int argc, char **argv)
{
    options   o;
    sb_status st = parse(argc, argv, &o);
    if (st == SB_OK && o.help)
        return fputs(HELP, stdout) < 0;
    if (st == SB_OK)
        st = run(&o);
    if (st == SB_OK && fflush(stdout) != 0)
        st = sb_fail(SB_ERR_IO, "standard output: %s", strerror(errno));
    if (st != SB_OK)
        sb_cmd_error("sbatch");
    return sb_cmd_exit_code(st);
}
