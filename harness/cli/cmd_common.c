/* What the verbs share: how an error reaches the user. */
#include <stdio.h>

#include "harness/cli/cmd.h"

void sb_cmd_error(const char *verb)
{
    (void)fprintf(stderr, "spanbench %s: %s\n", verb, sb_error_text());
}

int sb_cmd_exit_code(sb_status st)
{
    switch (st) {
    case SB_OK:
        return 0;
    case SB_ERR_USAGE:
        return 2;
    case SB_ERR_NO_FIT:
        return 3;
    case SB_ERR_STOPPED:
        return 75;
    default:
        return 1;
    }
}
