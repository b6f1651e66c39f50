/* Chinese word segmentation as the Python package jieba does it in its precise mode with the
 * hidden Markov model, from that package's own data files: dict.txt and finalseg/prob_start.py,
 * prob_trans.py, prob_emit.py (Debian: python3-jieba; jieba 0.42.1). Nothing of them is built in.
 */
#ifndef SB_WORKLOADS_METRICS_JIEBA_H
#define SB_WORKLOADS_METRICS_JIEBA_H

#include "workloads/metrics/text.h"

/* Load the package's folder; NULL: $SPANBENCH_JIEBA, else where Debian puts it. Takes about 0.1 s
 * and 25 MB. Read-only afterwards, so any number of threads may share it.
 *   SB_ERR_USAGE  there is no such folder (the text says what to install), or a file's line or
 *                 character is not of the form it should have
 *   SB_ERR_IO, SB_ERR_NOMEM */
sb_status sb_jieba_open(const char *folder, sb_jieba **out);
void      sb_jieba_close(sb_jieba *j); /* NULL is fine */

const char *sb_jieba_folder(const sb_jieba *j);
const char *
sb_jieba_sha256(const sb_jieba *j); /* hex, over the four files: part of a score's facts */

/* The segments of s, in order; together they are s. Time linear in s. */
sb_status sbi_jieba_cut(const sb_jieba *j, sbi_pool *p, sbi_str s, sbi_strs *out);

/* ---- between jieba.c and jieba_load.c ---- */

typedef enum sbi_hmm_state {
    SBI_HMM_B,
    SBI_HMM_E,
    SBI_HMM_M,
    SBI_HMM_S,
    SBI_HMM_COUNT
} sbi_hmm_state;

#define SBI_HMM_NEVER (-3.14e100) /* what the package takes for the log of 0 */

/* A trie of words: a node is found from its parent's number and one character. */
typedef struct sbi_trie {
    int32_t *slot; /* node number, 0 free */
    uint64_t n_slots;
    int32_t *parent, *ch;
    int64_t *freq; /* [node] 0: only the beginning of words */
    int64_t  n, room;
} sbi_trie;

struct sb_jieba {
    sbi_trie trie;   /* node 0 is the empty word */
    double  *weight; /* [node] log(freq, at least 1) */
    int64_t  total;
    double   start[SBI_HMM_COUNT], trans[SBI_HMM_COUNT][SBI_HMM_COUNT];
    double  *emit[SBI_HMM_COUNT]; /* [SBI_HMM_CHARS] of U+4E00 on */
    char     folder[4096];
    char     sha256[65];
};

#define SBI_HAN_FIRST 0x4E00
#define SBI_HAN_LAST 0x9FD5
#define SBI_HMM_CHARS (SBI_HAN_LAST - SBI_HAN_FIRST + 1)

int64_t sbi_trie_child(const sbi_trie *t, int64_t node, int32_t c); /* 0: none */

#endif
