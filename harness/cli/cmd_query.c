/* spanbench query DB (--view NAME | SQL) [--format F]: ask a database, read-only. */
#include <getopt.h>
#include <string.h>

#include "harness/cli/cmd.h"
#include "results/store/store.h"

static const char *const format_names[SB_FORMAT_COUNT] = {[SB_FORMAT_TABLE]    = "table",
                                                          [SB_FORMAT_CSV]      = "csv",
                                                          [SB_FORMAT_JSON]     = "json",
                                                          [SB_FORMAT_MARKDOWN] = "markdown"};

static void help(FILE *out)
{
    (void)fputs(
        "Usage: spanbench query DB (--view NAME | SQL) [--format table|csv|json|markdown]\n\n"
        "Prints a view of a results database, or the rows of one SELECT. The database is opened "
        "read-only.\n"
        "A view has many columns (spanbench list schema): name some in a SELECT, or page with | "
        "less -S.\n\n"
        "  -v, --view NAME     a public view:\n",
        out);
    for (const sb_view *v = sb_views; v->name != NULL; v++)
        (void)fprintf(out, "                        %-14s %s\n", v->name, v->summary);
    (void)fputs("  -f, --format NAME   table (default), csv, json or markdown\n"
                "  -h, --help          this text\n\n"
                "Example: spanbench query results/quickstart.db \"SELECT method, length, score, n "
                "FROM accuracy\"\n",
                out);
}

static int find_view(const char *name)
{
    for (const sb_view *v = sb_views; v->name != NULL; v++)
        if (strcmp(v->name, name) == 0)
            return 1;
    return 0;
}

static sb_status parse_format(const char *name, sb_format *out)
{
    for (int f = 0; f < SB_FORMAT_COUNT; f++)
        if (strcmp(name, format_names[f]) == 0) {
            *out = (sb_format)f;
            return SB_OK;
        }
    return sb_fail(SB_ERR_USAGE, "--format: found `%s`, allowed table, csv, json, markdown", name);
}

static sb_status view_sql(const char *name, char *sql, size_t bytes)
{
    if (!find_view(name))
        return sb_fail(
            SB_ERR_USAGE,
            "--view: found `%s`, allowed one of the names that `spanbench list views` prints",
            name);
    (void)snprintf(sql, bytes, "SELECT * FROM %s", name);
    return SB_OK;
}

static sb_status ask(const char *path, const char *sql, sb_format format)
{
    sb_store *s  = NULL;
    sb_status st = sb_store_open(path, SB_STORE_READ, &s);
    if (st == SB_OK)
        st = sb_store_query(s, sql, format, stdout);
    sb_store_close(s);
    return st;
}

int sb_cmd_query(int argc, char **argv)
{
    static const struct option options[] = {{"view", required_argument, NULL, 'v'},
                                            {"format", required_argument, NULL, 'f'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    const char                *view      = NULL;
    sb_format                  format    = SB_FORMAT_TABLE;
    sb_status                  st        = SB_OK;
    char                       sql[96];
    int                        c;

    opterr = 0;
    optind = 0; /* glibc: a fresh scan, so that the verb can be called twice */
    while (st == SB_OK && (c = getopt_long(argc, argv, "v:f:h", options, NULL)) != -1) {
        switch (c) {
        case 'v':
            view = optarg;
            break;
        case 'f':
            st = parse_format(optarg, &format);
            break;
        case 'h':
            help(stdout);
            return 0;
        default:
            st = sb_fail(SB_ERR_USAGE, "%s: no such option, or its value is missing",
                         argv[optind - 1]);
        }
    }
    if (st == SB_OK && view != NULL)
        st = view_sql(view, sql, sizeof sql);
    if (st == SB_OK && argc - optind != (view == NULL ? 2 : 1))
        st = sb_fail(SB_ERR_USAGE, "found %d arguments, wanted a database and %s; see --help",
                     argc - optind,
                     view == NULL ? "a SELECT (or --view NAME)" : "nothing beside --view");
    if (st == SB_OK)
        st = ask(argv[optind], view == NULL ? argv[optind + 1] : sql, format);
    if (st != SB_OK)
        sb_cmd_error("query");
    return sb_cmd_exit_code(st);
}
