/* Words for mode native: keys "first-second" for needles, single words for lists, each found by its
 * number, so that the i-th of a permutation of them costs nothing before it is used. */
#ifndef SB_WORKLOADS_RULER_LEXICON_H
#define SB_WORKLOADS_RULER_LEXICON_H

#include <stdint.h>

#include "workloads/base/pytext.h"

typedef struct sb_ruler_lexicon sb_ruler_lexicon;

/* path: NULL            built in: 387 English adjectives and 442 nouns for keys, 409,600 coined
 *                       words of six letters for lists: the same on every machine
 *       a directory     of wonderwords' lists, or of WordNet's index.adj and index.noun (Debian:
 *                       /usr/share/wordnet, package wordnet-base)
 *       a file          one word a line (Debian: /usr/share/dict/american-english)
 * Of WordNet and of files the words of 3 to 12 letters a-z are taken, each once. SB_ERR_USAGE:
 * fewer than 16 of them; SB_ERR_IO, SB_ERR_NOMEM. Errors name the path. */
sb_status   sb_ruler_lexicon_open(const char *path, sb_ruler_lexicon **out);
void        sb_ruler_lexicon_close(sb_ruler_lexicon *l);
const char *sb_ruler_lexicon_name(const sb_ruler_lexicon *l); /* "builtin@1", "wonderwords 2.2.0",
                                                                 "wordnet", "words" */
const char *sb_ruler_lexicon_sha256(const sb_ruler_lexicon *l);

int64_t sb_ruler_lexicon_n_keys(const sb_ruler_lexicon *l);
int64_t sb_ruler_lexicon_n_words(const sb_ruler_lexicon *l);
/* Append the i-th; no two are equal. */
void sb_ruler_lexicon_key(const sb_ruler_lexicon *l, int64_t i, sbi_text *out);
void sb_ruler_lexicon_word(const sb_ruler_lexicon *l, int64_t i, sbi_text *out);

/* Built in: the words above, one blank between them, and their numbers. */
extern const char sbi_lexicon_adjectives[], sbi_lexicon_nouns[];

#endif
