/* What the tests of text suites share: counters that can cut, so that prompts are cut without a
 * model's file, and a request put together from strings. */
#ifndef SB_TESTS_SUITES_RIG_H
#define SB_TESTS_SUITES_RIG_H

#include "workloads/base/text_suite.h"

/* "bytes": a token a byte, so a cut may split a character, which then becomes U+FFFD as Python's
 * errors="replace" has it; "points": a token a code point; "pairs": two of them a token. NULL:
 * unknown. */
const sb_tok_ops *rig_tok(const char *name);

/* A suite's request from "key=value" strings (NULL ends them): task, length, seed, tok, the suite's
 * keys and parameters. What it needs lives in the rig. */
typedef struct rig {
    sb_text_req req;
    const char *paths[8];
    union {
        char      bytes[256];
        long long align;
    } params;
} rig;

/* SB_ERR_USAGE says which string is wrong. */
sb_status rig_request(rig *g, const char *suite, const char *const *args);

#endif
