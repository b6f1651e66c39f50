/* What questions were made from: the facts.json that `spanbench gen` writes beside its rows. */
#ifndef SB_HARNESS_SCORE_FACTS_H
#define SB_HARNESS_SCORE_FACTS_H

#include <stdint.h>

#include "kernels/base/status.h"

typedef struct sbi_facts sbi_facts;

/* root: the folder that gen wrote to, that of one suite in it, or one facts.json. Borrowed. */
sb_status sbi_facts_open(const char *root, sbi_facts **out);
void      sbi_facts_close(sbi_facts *f); /* NULL is fine */

/* *json: what was asked for and made from, canonical, valid until the next call. SB_ERR_IO:
 * there is no such file, or it speaks of another task or length. */
sb_status sbi_facts_of(sbi_facts *f, const char *suite, const char *task, int64_t length_tokens,
                       const char **json);

#endif
