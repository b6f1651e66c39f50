/* spanbench db check | merge | diff | migrate | anonymize: whole files. */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/cli/cmd.h"
#include "results/store/store.h"

static const char help_text[] =
    "Usage: spanbench db check DB\n"
    "       spanbench db merge MAIN SHARD...\n"
    "       spanbench db diff A B\n"
    "       spanbench db migrate DB...\n"
    "       spanbench db anonymize DB... [-o OUT]\n\n"
    "  check   is the file whole, and do its facts keep their promises? One line a finding.\n"
    "  merge   copy every shard's rows into MAIN (created when missing). Merging twice changes "
    "nothing; a damaged or foreign\n"
    "          shard is refused with its reason and the others are merged.\n"
    "  diff    do two databases hold the same facts (points, inputs, predictions, scores, quality, "
    "plan digests, number of\n"
    "          timing rows)? Measured times, hosts and run ids may differ.\n"
    "  migrate bring files of older programs up to date, in place. What they hold stays; columns "
    "that they lack are NULL;\n"
    "          stored intervals and comparisons are computed where they are missing or out of "
    "date.\n"
    "  anonymize put host-1, user-1, path-1 ... in place of what names people and places (hosts, "
    "users, accounts, jobs, paths,\n"
    "          devices' ids), before a file is published; no figure and no key changes. In place, "
    "or into OUT (a new file).\n"
    "          Shards that are to be merged: in one call, so that a host is the same in all.\n\n"
    "Exit code: 0 sound, merged, equal, up to date, without names; 1 findings, refused files, "
    "differences; 2 "
    "usage.\n";

static sb_status count_arguments(const char *verb, int found, int least, int most)
{
    if (found >= least && found <= most)
        return SB_OK;
    return sb_fail(SB_ERR_USAGE, "%s: found %d files, wanted %s", verb, found,
                   most == 1   ? "one database"
                   : most == 2 ? "two databases"
                               : "MAIN and at least one shard");
}

static int check(int argc, char **argv)
{
    sb_status st = count_arguments("check", argc, 1, 1);
    if (st == SB_OK && (st = sb_store_check(argv[0], stdout)) == SB_OK) {
        (void)fprintf(stderr, "%s: sound\n", argv[0]);
        return 0;
    }
    sb_cmd_error("db");
    return argc == 1 ? 1 : 2;
}

static int merge(int argc, char **argv)
{
    sb_status st = count_arguments("merge", argc, 2, 1 << 20);
    if (st == SB_OK &&
        (st = sb_store_merge(argv[0], (const char *const *)(argv + 1), argc - 1, stdout)) == SB_OK)
        return 0;
    sb_cmd_error("db");
    return argc >= 2 ? 1 : 2;
}

static int diff(int argc, char **argv)
{
    int       equal = 0;
    sb_status st    = count_arguments("diff", argc, 2, 2);
    if (st == SB_OK && (st = sb_store_diff(argv[0], argv[1], stdout, &equal)) == SB_OK)
        return equal ? 0 : 1;
    sb_cmd_error("db");
    return argc == 2 ? 1 : 2;
}

/* Opening for writing is what migrates; figures that an older program did not store are computed. A
 * run does the same. */
static int migrate(int argc, char **argv)
{
    sb_status st   = argc >= 1 ? SB_OK : sb_fail(SB_ERR_USAGE, "migrate: found no database");
    int       code = argc >= 1 ? 0 : 2;
    if (st != SB_OK)
        sb_cmd_error("db");
    for (int i = 0; i < argc; i++) {
        sb_store   *s = NULL;
        struct stat is;
        if (stat(argv[i], &is) != 0) /* opening would make one */
            st = sb_fail(SB_ERR_IO, "%s: %s", argv[i], strerror(errno));
        else if (S_ISREG(is.st_mode) && is.st_size == 0) /* and of this one, too */
            st = sb_fail(SB_ERR_IO, "%s: not a spanbench database (it is empty)", argv[i]);
        else
            st = sb_store_open(argv[i], SB_STORE_WRITE, &s);
        if (st == SB_OK)
            st = sb_store_refresh_intervals(s);
        sb_store_close(s);
        if (st == SB_OK) {
            (void)fprintf(stderr, "%s: up to date\n", argv[i]);
            continue;
        }
        sb_cmd_error("db");
        code = 1;
    }
    return code;
}

static int anonymize(int argc, char **argv)
{
    const char *out_path = NULL;
    sb_status   st       = SB_OK;
    int         c;
    opterr = 0;
    optind = 0;
    /* the verb's own name stands where getopt wants the program's */
    while ((c = getopt(argc + 1, argv - 1, "o:")) != -1) {
        if (c == 'o')
            out_path = optarg;
        else
            st = sb_fail(SB_ERR_USAGE, "anonymize: -%c: no such option, or its value is missing",
                         optopt);
    }
    int64_t n = argc + 1 - optind;
    if (st == SB_OK && n < 1)
        st = sb_fail(SB_ERR_USAGE, "anonymize: found no database");
    if (st == SB_OK && out_path != NULL && n != 1)
        st = sb_fail(SB_ERR_USAGE, "anonymize: found %lld databases, allowed one with -o",
                     (long long)n);
    if (st == SB_OK)
        st = sb_store_anonymize((const char *const *)(argv - 1 + optind), n, out_path, stdout);
    if (st != SB_OK)
        sb_cmd_error("db");
    return st == SB_OK ? 0 : st == SB_ERR_USAGE ? 2 : 1;
}

int sb_cmd_db(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int, char **);
    } verbs[] = {{"check", check},
                 {"merge", merge},
                 {"diff", diff},
                 {"migrate", migrate},
                 {"anonymize", anonymize}};

    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            (void)fputs(help_text, stdout);
            return 0;
        }
    if (argc < 2) {
        (void)fputs(help_text, stderr);
        return 2;
    }
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].run(argc - 2, argv + 2);
    (void)sb_fail(SB_ERR_USAGE,
                  "found %s, allowed check, merge, diff, migrate, anonymize; see --help", argv[1]);
    sb_cmd_error("db");
    return 2;
}
