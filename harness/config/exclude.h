/* exclude: cells and points that the axes give but nobody wants. */
#ifndef SB_HARNESS_CONFIG_EXCLUDE_H
#define SB_HARNESS_CONFIG_EXCLUDE_H

#include "harness/config/spec.h"

typedef struct sbi_excludes {
    struct sbi_exclude *v;
    int64_t             n;
} sbi_excludes;

/* s: whose exclude is read; it decides which fields and names may stand in an entry. */
void sbi_excludes_read(sbi_ctx *c, const sbi_spec *s, sbi_excludes *out);
/* 1 when an entry matches: every key given must match, a list of values matches any of them. Counts
 * matches of every entry. */
int sbi_excludes_hit(sbi_excludes *e, const sb_point *p);
/* An entry that matched no point is an error: a typo, or a leftover. */
void sbi_excludes_check(sbi_ctx *c, const sbi_excludes *e);

#endif
