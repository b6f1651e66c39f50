/* A list of texts as Python prints it: "['a', \"b's\"]", and as numpy does, without commas. */
#ifndef SB_HARNESS_SCORE_LITERAL_H
#define SB_HARNESS_SCORE_LITERAL_H

#include <stdint.h>

#include "kernels/base/status.h"

/* *n: -1 when the text is no such list; else its items, malloc'd. Items are quoted texts with
 * Python's escapes, or bare numbers. SB_ERR_NOMEM; *items and *n are the caller's on success. */
sb_status sbi_literal_list(const char *text, char ***items, int64_t *n);

#endif
