/* NLTK's English sentence splitter: the Punkt algorithm (Kiss and Strunk 2006) over the user's
 * `punkt_tab` data, with the decisions of nltk.tokenize.sent_tokenize. Text must have blanks as its
 * only white space, as RULER's essays do. */
#ifndef SB_WORKLOADS_RULER_PUNKT_H
#define SB_WORKLOADS_RULER_PUNKT_H

#include <stdint.h>

#include "kernels/base/status.h"

typedef enum sb_punkt_rules {
    SB_PUNKT_NLTK_3_9, /* NLTK up to 3.9 */
    SB_PUNKT_NLTK_3_10 /* typographic quotes and guillemets close a sentence too */
} sb_punkt_rules;

typedef struct sb_punkt sb_punkt;

typedef struct sb_range {
    int64_t begin, end; /* bytes */
} sb_range;

/* dir holds abbrev_types.txt, collocations.tab, sent_starters.txt and ortho_context.tab:
 * punkt_tab/english of NLTK's data. */
sb_status   sb_punkt_open(const char *dir, sb_punkt_rules rules, sb_punkt **out);
void        sb_punkt_close(sb_punkt *p);
const char *sb_punkt_sha256(const sb_punkt *p); /* over the four files and the rules */
const char *sb_punkt_name(const sb_punkt *p);   /* "punkt nltk-3.9 SHA256": what decides a split */

/* *out: the sentences of text, malloc'd, in order. */
sb_status sb_punkt_split(const sb_punkt *p, const char *text, int64_t n_bytes, sb_range **out,
                         int64_t *n_out);

#endif
