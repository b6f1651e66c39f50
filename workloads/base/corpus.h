/* Where filler comes from. A text corpus is the words of every *.txt (or plain text) file below a directory, in path order; the
 * probe hashes each word to one of its filler ids, so order, repetition and burstiness of real text survive and meaning does
 * not. `zipf` is synthetic filler of spec probe_model 6. */
#ifndef SB_WORKLOADS_BASE_CORPUS_H
#define SB_WORKLOADS_BASE_CORPUS_H

#include <stdint.h>

#include "kernels/base/status.h"

#define SB_CORPUS_DEFAULT_PATH "/usr/share/common-licenses"

typedef struct sb_corpus {
    char     *name;       /* "zipf" or the directory as the user gave it */
    uint32_t *word_hash;  /* one 32-bit hash a word, in order; NULL for zipf */
    int64_t   n_words;
    int64_t   n_files;
    char      sha256[65]; /* over the words in order; identity of the corpus */
} sb_corpus;

/* spec: "zipf", "default" (SB_CORPUS_DEFAULT_PATH), or a directory. Errors (SB_ERR_USAGE/IO) name the path and what was found:
 * no such directory, no readable text file, fewer than 1000 words. Symbolic links to files are followed; binary and .gz
 * files are skipped. */
sb_status sb_corpus_open(const char *spec, sb_corpus **out);
void      sb_corpus_close(sb_corpus *c);

#endif
