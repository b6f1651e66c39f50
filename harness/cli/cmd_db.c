/* spanbench db check | merge | diff | migrate: whole files. */
#include <string.h>
#include <unistd.h>

#include "harness/cli/cmd.h"
#include "results/store/store.h"

static const char help_text[] =
    "Usage: spanbench db check DB\n"
    "       spanbench db merge MAIN SHARD...\n"
    "       spanbench db diff A B\n"
    "       spanbench db migrate DB...\n\n"
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
    "date.\n\n"
    "Exit code: 0 sound, merged, equal, up to date; 1 findings, refused files, differences; 2 "
    "usage.\n";

static sb_status count_arguments(const char *verb, int found, int least, int most)
{
    if (found >= least && found <= most)
        return SB_OK;
    return sb_fail(SB_ERR_USAGE, "%s: found %d files, wanted %s", verb, found,
                   least == 1  ? "one database"
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
        sb_store *s = NULL;
        if (access(argv[i], F_OK) != 0) /* opening would make an empty one */
            st = sb_fail(SB_ERR_IO, "%s: no such file", argv[i]);
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

int sb_cmd_db(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int, char **);
    } verbs[] = {{"check", check}, {"merge", merge}, {"diff", diff}, {"migrate", migrate}};

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
    (void)sb_fail(SB_ERR_USAGE, "found %s, allowed check, merge, diff, migrate; see --help",
                  argv[1]);
    sb_cmd_error("db");
    return 2;
}
