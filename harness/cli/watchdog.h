/* The watchdog of a verb that runs on several ranks: how it is asked for, and how it ends them. */
#ifndef SB_HARNESS_CLI_WATCHDOG_H
#define SB_HARNESS_CLI_WATCHDOG_H

#include "harness/watch/watch.h"

#define SB_EXIT_WATCHDOG 124

/* The --watchdog option's line of a verb's help. */
#define SB_WATCHDOG_HELP                                                                           \
    "  --watchdog S       end all ranks (exit 124) when a phase takes longer than S seconds; 0: "  \
    "never\n"                                                                                      \
    "                     (default: SPAN_WATCHDOG, else 60 s, or five times what is predicted)\n"

/* option: the value of --watchdog, or NULL: of SPAN_WATCHDOG, or the rule of watch.h. *out NULL: it
 * is off. When the time of a phase is over, this rank's place goes to stderr and all ranks end with
 * exit code 124. Errors: SB_ERR_USAGE (not a number of seconds), SB_ERR_NOMEM, SB_ERR_INTERNAL. */
sb_status sb_watchdog_start(const char *option, sb_watch **out);

#endif
