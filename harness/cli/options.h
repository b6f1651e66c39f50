/* Values of options that several verbs take. Errors: SB_ERR_USAGE with what was found and what is
 * allowed. */
#ifndef SB_HARNESS_CLI_OPTIONS_H
#define SB_HARNESS_CLI_OPTIONS_H

#include "harness/config/sweep.h"

/* The --set options of a call; the texts are argv's. */
typedef struct sb_sets {
    sb_set  set[64];
    int64_t n;
} sb_sets;

/* "PATH=VALUE"; the text is cut in two. */
sb_status sb_sets_add(sb_sets *s, char *text);

/* name: without its dashes. */
sb_status sb_option_number(const char *name, const char *text, double low, double high,
                           double *out);

sb_status sb_option_whole(const char *name, const char *text, int64_t low, int64_t high,
                          int64_t *out);

#endif
