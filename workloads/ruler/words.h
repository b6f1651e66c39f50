/* Word lists of the user: wonderwords' noun, adjective and verb lists, and RULER's
 * english_words.json [workloads 1.3].
 *
 * niah draws from all "adjective-noun" strings, sorted by code point without doubles: 6,175,260 of
 * them with wonderwords 2.2.0. None is kept. An adjective's strings stand together in that order
 * and are its nouns in order, except where an adjective and a hyphen start another adjective (old,
 * old-fashioned): such a family is merged once and kept as pairs of numbers. */
#ifndef SB_WORKLOADS_RULER_WORDS_H
#define SB_WORKLOADS_RULER_WORDS_H

#include <stdint.h>

#include "kernels/base/status.h"

typedef enum sb_ruler_list {
    SB_RULER_NOUNS,
    SB_RULER_ADJECTIVES,
    SB_RULER_VERBS,
    SB_RULER_LISTS
} sb_ruler_list;

typedef struct sb_ruler_words sb_ruler_words;

/* dir: holds nounlist.txt, adjectivelist.txt and verblist.txt, itself or in `assets` or
 * `wonderwords/assets` below it. english_words: RULER's english_words.json or NULL. version:
 * "2.2.0" or "3.0.0" requires the lists of that release of wonderwords (SB_ERR_USAGE names file,
 * hash found and hash wanted); NULL takes any. Errors name the file; SB_ERR_IO, SB_ERR_USAGE,
 * NOMEM. */
sb_status sb_ruler_words_open(const char *dir, const char *english_words, const char *version,
                              sb_ruler_words **out);
void      sb_ruler_words_close(sb_ruler_words *w);

const char *sb_ruler_words_version(const sb_ruler_words *w); /* "2.2.0", "3.0.0", "unknown" */
const char *sb_ruler_words_sha256(const sb_ruler_words *w, sb_ruler_list list);
const char *sb_ruler_words_english_sha256(const sb_ruler_words *w); /* "" when not given */
const char *sb_ruler_words_identity(const sb_ruler_words *w); /* one hash over all of the lists */

int64_t sb_ruler_words_n_pairs(const sb_ruler_words *w);
/* The adjective and the noun of the i-th string of niah's list; O(log adjectives). */
void sb_ruler_words_pair(const sb_ruler_words *w, int64_t i, const char **adjective,
                         const char **noun);

/* cwe's list before its shuffle: nouns, adjectives and verbs, sorted, without doubles; and
 * english_words.json's values in order. */
int64_t            sb_ruler_words_n_all(const sb_ruler_words *w);
const char *const *sb_ruler_words_all(const sb_ruler_words *w);
int64_t            sb_ruler_words_n_english(const sb_ruler_words *w); /* 0 when not given */
const char *const *sb_ruler_words_english(const sb_ruler_words *w);

#endif
