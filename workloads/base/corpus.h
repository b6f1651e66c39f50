/* Where filler comes from. A text corpus is the words of every plain text file below a directory, in path order; the
 * probe hashes each word to one of its filler ids, so order, repetition and burstiness of real text survive and meaning does
 * not. `zipf` is synthetic filler of spec probe_model 6. */
#ifndef SB_WORKLOADS_BASE_CORPUS_H
#define SB_WORKLOADS_BASE_CORPUS_H

#include <stdint.h>

#include "kernels/base/status.h"

#define SB_CORPUS_DEFAULT_PATH "/usr/share/common-licenses"

typedef struct sb_corpus {
    char     *name;       /* "zipf" or the directory (of "default": its path) */
    uint32_t *word_hash;  /* one 32-bit hash a word, in order; NULL for zipf */
    int64_t   n_words;
    int64_t   n_files;
    char      sha256[65]; /* over the words in order; identity of the corpus */
} sb_corpus;

/* spec: "zipf", "default" (SB_CORPUS_DEFAULT_PATH), or a directory. Errors (SB_ERR_USAGE/IO) name the path and what was found:
 * no such directory, no text file, fewer than 1000 words, more text than the limit below, a file that cannot be read (skipping
 * it would make the corpus depend on who runs). Symbolic links to files are followed, links to directories are not; binary (a
 * NUL in the first 4 KiB), empty and .gz files are skipped. Cost: one read of the text, 4 bytes a word kept. */
sb_status sb_corpus_open(const char *spec, sb_corpus **out);
void      sb_corpus_close(sb_corpus *c);

/* Text beyond this is refused (2 GiB). A variable, so that tests can turn it down. */
extern int64_t sbi_corpus_max_bytes;

#endif
