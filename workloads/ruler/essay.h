/* The essay haystack: a text of the user (for the original rows RULER's PaulGrahamEssays.json) and
 * who splits it into sentences. */
#ifndef SB_WORKLOADS_RULER_ESSAY_H
#define SB_WORKLOADS_RULER_ESSAY_H

#include <stdint.h>

#include "kernels/base/status.h"
#include "workloads/ruler/punkt.h"

/* Sentences of a text whose only white space is blanks, first and last byte not blank. */
typedef struct sb_ruler_splitter {
    const char *name; /* stored with every data set */
    sb_status (*split)(const void *ctx, const char *text, int64_t n_bytes, sb_range **out,
                       int64_t *n_out);
    const void *ctx;
} sb_ruler_splitter;

sb_ruler_splitter sb_ruler_splitter_punkt(const sb_punkt *p);

typedef struct sb_ruler_essay sb_ruler_essay;

/* path: JSON with the text in its field "text" (name ends in .json), or plain text. The splitter's
 * ctx is borrowed. */
sb_status   sb_ruler_essay_open(const char *path, sb_ruler_splitter splitter, sb_ruler_essay **out);
void        sb_ruler_essay_close(sb_ruler_essay *e);
const char *sb_ruler_essay_sha256(const sb_ruler_essay *e); /* of the text */
const char *sb_ruler_essay_splitter(const sb_ruler_essay *e);
int64_t     sb_ruler_essay_n_words(const sb_ruler_essay *e);

/* The first n_words words, starting over when there are fewer, and their sentences; both malloc'd.
 */
sb_status sb_ruler_essay_take(const sb_ruler_essay *e, int64_t n_words, char **text,
                              sb_range **sentences, int64_t *n_sentences);

#endif
