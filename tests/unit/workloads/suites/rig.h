/* What the tests of text suites share: counters that can cut, so that prompts are cut without a
 * model's file, and a request put together from strings. */
#ifndef SB_TESTS_SUITES_RIG_H
#define SB_TESTS_SUITES_RIG_H

#include "workloads/base/text_suite.h"
#include "workloads/metrics/scorer.h"

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

/* Checked: no error; or the status is wanted and the error holds the text. */
sb_text_set *rig_open(rig *g, const char *suite, const char *const *args);
sb_text_row  rig_row(sb_text_set *set, int64_t row);
void         rig_bad_row(sb_text_set *set, int64_t row, const char *text);
void rig_cannot_open(const char *suite, const char *const *args, sb_status want, const char *text);
/* "key=value", in one of eight static buffers. */
const char *rig_arg(const char *key, const char *value);
/* What the row's own scorer says of a prediction, cut to its first line where the row says so. */
double rig_score(const sb_text_row *r, const char *prediction);

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

#endif
