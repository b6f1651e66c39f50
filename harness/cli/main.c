/* spanbench VERB ...: the verbs, and nothing else. Only harness/cli prints, parses arguments and
 * decides exit codes. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "harness/cli/cmd.h"
#include "harness/cli/version.h"

typedef struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} verb;

static const verb verbs[] = {
    {"run", sb_cmd_run, "run a sweep file and store accuracy and latency of every sample"},
    {"plan", sb_cmd_plan, "predict time, traffic and memory of a sweep, without running it"},
    {"sbatch", sb_cmd_sbatch, "write a sweep as a Slurm job: array, requeue, merge, report, gate"},
    {"gen", sb_cmd_gen, "write the questions of a sweep's text workloads, without a model"},
    {"generate", sb_cmd_generate, "a prompt through a checkpoint, with any method"},
    {"query", sb_cmd_query, "ask a results database, read-only"},
    {"report", sb_cmd_report, "a results database as one page of tables and plots"},
    {"score", sb_cmd_score, "score predictions made elsewhere"},
    {"list", sb_cmd_list, "what this build knows: methods, workloads, metrics, models, machines"},
    {"db", sb_cmd_db, "check, merge, compare and migrate results databases"},
    {"compare", sb_cmd_compare, "gate a commit: accuracy, latency, memory beside a baseline"},
    {"doctor", sb_cmd_doctor, "what this machine has: cores, memory, ranks, GPUs, file system"},
};
enum { N_VERBS = sizeof verbs / sizeof *verbs };

static void usage(FILE *out)
{
    (void)fputs("Usage: spanbench VERB ...\n\nMeasures attention methods on long contexts: "
                "accuracy and latency of the same sample.\n\n",
                out);
    for (int i = 0; i < N_VERBS; i++)
        (void)fprintf(out, "  %-9s %s\n", verbs[i].name, verbs[i].summary);
    (void)fputs("\n  spanbench VERB --help     options of one verb\n"
                "  spanbench --version       version, commit, build flags, library versions\n\n"
                "Start: spanbench run configs/quickstart.yaml\n",
                out);
}

/* What could not be written out is an error, whichever verb wrote it. */
static int finish(int code)
{
    errno = 0;
    if ((fflush(stdout) == 0 && !ferror(stdout)) || code != 0)
        return code;
    (void)fprintf(stderr, "spanbench: standard output: %s\n",
                  errno != 0 ? strerror(errno) : "not all could be written");
    return 1;
}

int main(int argc, char **argv)
{
    /* A file that reaches the size limit of the shell is an error of that write, which is reported,
     * and not the end of the program. */
    (void)signal(SIGXFSZ, SIG_IGN);
    if (argc < 2) {
        usage(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        sb_version_print(stdout);
        return finish(0);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return finish(0);
    }
    for (int i = 0; i < N_VERBS; i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return finish(verbs[i].run(argc - 1, argv + 1));
    (void)fprintf(stderr, "spanbench: unknown verb `%s`; allowed:", argv[1]);
    for (int i = 0; i < N_VERBS; i++)
        (void)fprintf(stderr, " %s", verbs[i].name);
    (void)fputs(" (spanbench --help)\n", stderr);
    return 2;
}
