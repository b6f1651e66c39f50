/* spanbench compare BASE NEW: the gate of a CI job. */
#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "harness/cli/base_commit.h"
#include "harness/cli/cmd.h"
#include "harness/config/gate.h"
#include "results/gate/gate.h"

static const char help_text[] =
    "Usage: spanbench compare BASE.db NEW.db [--gates FILE]\n"
    "       spanbench compare DB [--base COMMIT] [--new COMMIT] [--gates FILE]\n\n"
    "Are accuracy, latency, memory and density of NEW as good as those of BASE, cell by cell? A "
    "cell is a method with its\n"
    "parameters on a task, length, model, sharding, backend and number of ranks; samples are "
    "paired by the hash of their input.\n\n"
    "  -g, --gates FILE     what is demanded (configs/gates/default.yaml); default: the keys' own "
    "defaults\n"
    "  -b, --base COMMIT    only runs of this commit. One database: default the nearest ancestor "
    "of the new one by git,\n"
    "                       else the commit recorded before it\n"
    "  -n, --new COMMIT     the same of the new side; one database: default the commit of its "
    "newest run\n"
    "  -C, --repo DIR       where git is asked (.)\n"
    "  -j, --junit FILE     write JUnit XML\n"
    "  -m, --markdown FILE  write a table for the summary of a CI job; - is standard output, "
    "instead of the text\n"
    "  -a, --all            list verdicts that pass, too, and each inconclusive one (otherwise the "
    "first of a cause)\n"
    "  -h, --help           this text\n\n"
    "Verdicts: pass (the bound is shown to be kept), fail (shown to be broken), inconclusive "
    "(neither: too few or too noisy\n"
    "repetitions, other inputs, other device), missing (the baseline has it, new does not). "
    "results/gate/README.md says how.\n\n"
    "Exit code: 0 the gate passes; 1 it fails, or a database cannot be read; 2 usage or a bad "
    "gate file.\n";

typedef struct options {
    const char    *gates, *base, *new, *repo, *junit, *markdown;
    sb_gate_detail detail;
    const char    *files[2];
    int            n_files;
} options;

static sb_status parse(int argc, char **argv, options *o, int *help)
{
    static const struct option longs[] = {{"gates", required_argument, NULL, 'g'},
                                          {"base", required_argument, NULL, 'b'},
                                          {"new", required_argument, NULL, 'n'},
                                          {"repo", required_argument, NULL, 'C'},
                                          {"junit", required_argument, NULL, 'j'},
                                          {"markdown", required_argument, NULL, 'm'},
                                          {"all", no_argument, NULL, 'a'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int                        c;
    *o     = (options){.repo = "."};
    opterr = 0;
    optind = 0; /* glibc: a fresh scan, so that the verb can be called twice */
    while ((c = getopt_long(argc, argv, "g:b:n:C:j:m:ah", longs, NULL)) != -1)
        switch (c) {
        case 'g':
            o->gates = optarg;
            break;
        case 'b':
            o->base = optarg;
            break;
        case 'n':
            o->new = optarg;
            break;
        case 'C':
            o->repo = optarg;
            break;
        case 'j':
            o->junit = optarg;
            break;
        case 'm':
            o->markdown = optarg;
            break;
        case 'a':
            o->detail = SB_GATE_EVERY;
            break;
        case 'h':
            *help = 1;
            return SB_OK;
        default:
            return sb_fail(SB_ERR_USAGE, "%s: no such option, or its value is missing",
                           argv[optind - 1]);
        }
    o->n_files = argc - optind;
    if (o->n_files < 1 || o->n_files > 2)
        return sb_fail(SB_ERR_USAGE, "found %d databases, allowed BASE and NEW, or one; see --help",
                       o->n_files);
    for (int i = 0; i < o->n_files; i++)
        o->files[i] = argv[optind + i];
    return SB_OK;
}

/* ---- the sides ---- */
typedef struct sides {
    sb_store      *stores[2];
    sb_gate_source base, new;
    char           commits[2][SB_COMMIT_BYTES];
} sides;

static sb_status choose_two(const options *o, sides *s)
{
    sb_status st = SB_OK;
    s->base      = (sb_gate_source){s->stores[0], NULL, o->files[0]};
    s->new       = (sb_gate_source){s->stores[1], NULL, o->files[1]};
    if (o->base != NULL &&
        (st = sb_commit_find(s->stores[0], o->files[0], o->repo, o->base, s->commits[0])) == SB_OK)
        s->base.commit = s->commits[0];
    if (st == SB_OK && o->new != NULL &&
        (st = sb_commit_find(s->stores[1], o->files[1], o->repo, o->new, s->commits[1])) == SB_OK)
        s->new.commit = s->commits[1];
    return st;
}

static sb_status choose_one(const options *o, sides *s)
{
    char      how[SB_HOW_BYTES] = "as asked";
    sb_store *db                = s->stores[0];
    sb_status st                = sb_commit_find(db, o->files[0], o->repo, o->new, s->commits[1]);
    if (st == SB_OK && o->base != NULL)
        st = sb_commit_find(db, o->files[0], o->repo, o->base, s->commits[0]);
    else if (st == SB_OK)
        st = sb_commit_base(db, o->files[0], o->repo, s->commits[1], s->commits[0], how);
    if (st == SB_OK && strcmp(s->commits[0], s->commits[1]) == 0)
        st = sb_fail(SB_ERR_USAGE, "%s: both sides are commit %s, allowed two", o->files[0],
                     s->commits[0]);
    if (st != SB_OK)
        return st;
    (void)fprintf(stderr, "baseline: commit %s, %s\n", s->commits[0], how);
    s->base = (sb_gate_source){db, s->commits[0], o->files[0]};
    s->new  = (sb_gate_source){db, s->commits[1], o->files[0]};
    return SB_OK;
}

static sb_status open_sides(const options *o, sides *s)
{
    sb_status st = SB_OK;
    for (int i = 0; st == SB_OK && i < o->n_files; i++)
        st = sb_store_open(o->files[i], SB_STORE_READ, &s->stores[i]);
    if (st == SB_ERR_USAGE) /* not ours, or an older one: exit code 1, as of all unreadable */
        st = SB_ERR_IO;
    if (st == SB_OK)
        st = o->n_files == 2 ? choose_two(o, s) : choose_one(o, s);
    return st;
}

/* ---- reports ---- */
static sb_status write_to(const char *path, const sb_gate_report *r, sb_gate_detail detail,
                          int is_junit)
{
    FILE *out = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
    if (out == NULL)
        return sb_fail(SB_ERR_IO, "%s: %s", path, strerror(errno));
    sb_status st = is_junit ? sb_gate_write_junit(r, out) : sb_gate_write_markdown(r, detail, out);
    if (out != stdout && fclose(out) != 0 && st == SB_OK)
        st = sb_fail(SB_ERR_IO, "%s: %s", path, strerror(errno));
    return st;
}

static sb_status write_reports(const options *o, const sb_gate_report *r)
{
    sb_status st   = SB_OK;
    int       data = (o->junit != NULL && strcmp(o->junit, "-") == 0) ||
               (o->markdown != NULL && strcmp(o->markdown, "-") == 0);
    if (!data)
        st = sb_gate_write_text(r, o->detail, stdout);
    if (st == SB_OK && o->junit != NULL)
        st = write_to(o->junit, r, o->detail, 1);
    if (st == SB_OK && o->markdown != NULL)
        st = write_to(o->markdown, r, o->detail, 0);
    return st;
}

int sb_cmd_compare(int argc, char **argv)
{
    options         o;
    sides           s      = {{NULL, NULL}, {0}, {0}, {"", ""}};
    sb_gate_file   *gates  = NULL;
    sb_gate_report *report = NULL;
    int             help   = 0, code;
    sb_status       st     = parse(argc, argv, &o, &help);
    if (help) {
        (void)fputs(help_text, stdout);
        return 0;
    }
    if (st == SB_OK)
        st = sb_gate_load(o.gates, stderr, &gates);
    if (st == SB_OK)
        st = open_sides(&o, &s);
    if (st == SB_OK)
        st = sb_gate_compare(&gates->rules, &s.base, &s.new, &report);
    if (st == SB_OK)
        st = write_reports(&o, report);
    if (st != SB_OK)
        sb_cmd_error("compare");
    code = st != SB_OK ? sb_cmd_exit_code(st) : report->passed ? 0 : 1;
    sb_gate_report_free(report);
    sb_gate_free(gates);
    sb_store_close(s.stores[0]);
    sb_store_close(s.stores[1]);
    return code;
}
