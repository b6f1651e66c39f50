/* The verbs of the program: one function each. argv[0] is the verb; the result is the exit code (0
 * ok, 1 findings or failed points, 2 usage or bad input, 3 does not fit, 75 interrupted and
 * resumable, 124 watchdog). Data goes to stdout, human text to stderr. */
#ifndef SB_HARNESS_CLI_CMD_H
#define SB_HARNESS_CLI_CMD_H

#include "kernels/base/status.h"

int sb_cmd_run(int argc, char **argv);
int sb_cmd_sbatch(int argc, char **argv);
int sb_cmd_score(int argc, char **argv);
int sb_cmd_gen(int argc, char **argv);
int sb_cmd_generate(int argc, char **argv);
int sb_cmd_plan(int argc, char **argv);
int sb_cmd_list(int argc, char **argv);
int sb_cmd_doctor(int argc, char **argv);
int sb_cmd_query(int argc, char **argv);
int sb_cmd_report(int argc, char **argv);
int sb_cmd_db(int argc, char **argv);
int sb_cmd_compare(int argc, char **argv);

/* "spanbench VERB: <the thread's error text>" on stderr. */
void sb_cmd_error(const char *verb);
/* Exit code of a status: 0, 2 where the user can mend it, 3 where it does not fit, 75 where it can
 * go on later, else 1. */
int sb_cmd_exit_code(sb_status st);

#endif
