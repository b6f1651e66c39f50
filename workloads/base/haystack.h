/* Real text of a length as ids: files of a folder one behind the other, again from the first
 * where they are too short, cut to the length, and encoded again as the original does. */
#ifndef SB_WORKLOADS_BASE_HAYSTACK_H
#define SB_WORKLOADS_BASE_HAYSTACK_H

#include "workloads/base/tok.h"

typedef struct sbi_ids {
    int32_t *v;
    int64_t  n;
} sbi_ids;

typedef struct sbi_haystack {
    sbi_ids ids;
    int64_t n_files, skipped_files; /* skipped: empty, binary, compressed, not UTF-8 */
    int64_t repeats;                /* how often the files stand in it, 1 or more */
    char    sha256[65];             /* of the files' text once */
} sbi_haystack;

/* path: a folder or file; NULL: Debian's licence texts. Where a folder holds files *.txt, only
 * those count, as in the original; else every plain text file does. length_tokens: what is kept.
 * Errors: SB_ERR_USAGE no text in it, too much of it; SB_ERR_IO; SB_ERR_NOMEM; the tokenizer's. */
sb_status sbi_haystack_open(const char *path, int64_t length_tokens, const sb_tok_ops *tok,
                            sbi_haystack *out);
/* n_texts of them into out[0 ... n_texts), all of the same files: text j begins behind the first
 * line end after j / n_texts of them and goes round. out[0] is what sbi_haystack_open makes; where
 * the files are shorter than the length all are the same but for where they begin. On an error out
 * is all zero. Cost: the files are read once and copied n_texts times. */
sb_status sbi_haystacks_open(const char *path, int64_t length_tokens, int64_t n_texts,
                             const sb_tok_ops *tok, sbi_haystack *out);
void      sbi_haystack_fini(sbi_haystack *h);

/* How many of the tokens before `place` stay before what is put there, so that it stands behind a
 * token that is one of those of "."; 0: none does. */
int64_t sbi_haystack_sentence(const int32_t *ids, int64_t place, sbi_ids period);

extern int64_t sbi_haystack_max_bytes; /* 2 GiB; a variable, so that tests can turn it down */

#endif
