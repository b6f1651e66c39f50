/* spanbench report DB (-o FILE | --terminal): a results database as a page or as text. */
#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "harness/cli/cmd.h"
#include "harness/cli/version.h"
#include "results/report/report.h"

typedef struct request {
    const char     *path; /* of the database */
    const char     *out;  /* page; NULL none, "-" stdout */
    int             terminal;
    sb_report_plots plots;
} request;

static void help(FILE *out)
{
    (void)fputs(
        "Usage: spanbench report DB (-o FILE | --terminal) [--no-plots]\n\n"
        "Writes one HTML page that needs nothing but a browser: what ran where, accuracy "
        "with intervals,\n"
        "losses against dense, accuracy beside latency, needles by depth, speed-ups and "
        "break-even lengths,\n"
        "phases, density and recall, scaling, communication, memory, energy, and what did not run "
        "and why.\n"
        "Every plot has its data as a table and as CSV. The same database gives the same page.\n\n"
        "  -o, --output FILE   the page; - is standard output. A page that cannot be "
        "finished leaves FILE as\n"
        "                      it was\n"
        "  -n, --no-plots      tables alone; without it gnuplot 5.4 or later is needed "
        "(Debian: gnuplot-nox)\n"
        "  -t, --terminal      print the essentials as text, alone or beside -o FILE; as wide as "
        "the "
        "terminal (or\n"
        "                      COLUMNS): a name that does not fit keeps the values of its "
        "parameters "
        "alone. In a pipe\n"
        "                      a row is a line\n"
        "  -h, --help          this text\n\n"
        "Example: spanbench report results/quickstart.db -o report.html\n",
        out);
}

static sb_status page_in_memory(sb_store *s, const sb_report_facts *f, sb_report_plots plots,
                                char **page, size_t *n)
{
    FILE *out = open_memstream(page, n);
    if (out == NULL)
        return sb_fail(SB_ERR_NOMEM, "report: no memory for the page");
    sb_status st = sb_report_write_html(s, f, plots, out);
    if (fclose(out) != 0 && st == SB_OK)
        st = sb_fail(SB_ERR_NOMEM, "report: no memory for the page");
    return st;
}

/* The file at once, or as it was. n 0: only see that it can be written. */
static sb_status put_file(const char *part, const char *path, const char *page, size_t n)
{
    FILE *out = fopen(part, "wx");
    if (out == NULL)
        return sb_fail(SB_ERR_USAGE, "-o %s: %s", path, strerror(errno));
    int       whole = fwrite(page, 1, n, out) == n;
    int       rc    = fclose(out);
    sb_status st    = SB_OK;
    if (!whole || rc != 0 || (n > 0 && rename(part, path) != 0))
        st = sb_fail(SB_ERR_IO, "%s: %s", path, strerror(errno));
    if (st != SB_OK || n == 0)
        (void)unlink(part);
    return st;
}

/* Plots take seconds: a page that is given up meanwhile leaves nothing behind. */
static sb_status write_page(sb_store *s, const sb_report_facts *f, const request *r)
{
    char  *part = NULL, *page = NULL;
    size_t n = 0;
    if (strcmp(r->out, "-") == 0)
        return sb_report_write_html(s, f, r->plots, stdout);
    if (asprintf(&part, "%s.part%ld", r->out, (long)getpid()) < 0)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory for its name", r->out);
    sb_status st = put_file(part, r->out, "", 0);
    if (st == SB_OK)
        st = page_in_memory(s, f, r->plots, &page, &n);
    if (st == SB_OK)
        st = put_file(part, r->out, page, n);
    free(page);
    free(part);
    return st;
}

/* Columns of the terminal, or those that COLUMNS says; 0: standard output is none. */
static int terminal_width(void)
{
    struct winsize size;
    const char    *text = getenv("COLUMNS");
    char          *end  = NULL;
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    long n = text == NULL ? 0 : strtol(text, &end, 10);
    return text != NULL && end != text && *end == '\0' && n > 0 && n < 100000 ? (int)n : 0;
}

static sb_status report(const request *r)
{
    sb_store *s    = NULL;
    char     *name = strdup(r->path);
    if (name == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory for its name", r->path);
    const sb_report_facts f  = {basename(name), sb_version_text(), sb_version_commit()};
    sb_status             st = sb_store_open(r->path, SB_STORE_READ, &s);
    if (st == SB_OK && r->out != NULL)
        st = write_page(s, &f, r);
    if (st == SB_OK && r->terminal)
        st = sb_report_write_text(s, &f, terminal_width(), stdout);
    sb_store_close(s);
    free(name);
    return st;
}

int sb_cmd_report(int argc, char **argv)
{
    static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                            {"no-plots", no_argument, NULL, 'n'},
                                            {"terminal", no_argument, NULL, 't'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    request                    r         = {.plots = SB_REPORT_PLOTS};
    sb_status                  st        = SB_OK;
    int                        c;

    opterr = 0;
    optind = 0; /* glibc: a fresh scan, so that the verb can be called twice */
    while (st == SB_OK && (c = getopt_long(argc, argv, "o:nth", options, NULL)) != -1) {
        switch (c) {
        case 'o':
            r.out = optarg;
            break;
        case 'n':
            r.plots = SB_REPORT_NO_PLOTS;
            break;
        case 't':
            r.terminal = 1;
            break;
        case 'h':
            help(stdout);
            return 0;
        default:
            st = sb_fail(SB_ERR_USAGE, "%s: no such option, or its value is missing",
                         argv[optind - 1]);
        }
    }
    if (st == SB_OK && argc - optind != 1)
        st = sb_fail(SB_ERR_USAGE, "found %d arguments, wanted one database; see --help",
                     argc - optind);
    if (st == SB_OK && r.out == NULL && !r.terminal)
        st = sb_fail(SB_ERR_USAGE,
                     "nothing to write: name a page with -o FILE, or ask for text with --terminal");
    if (st == SB_OK && r.terminal && r.out != NULL && strcmp(r.out, "-") == 0)
        st = sb_fail(SB_ERR_USAGE, "-o - and --terminal both write to standard output: give one");
    if (st == SB_OK) {
        r.path = argv[optind];
        st     = report(&r);
    }
    if (st != SB_OK)
        sb_cmd_error("report");
    return sb_cmd_exit_code(st);
}
