/* Real text for mode native: every plain text file below a directory as sentences and passages.
 *
 *   file -> paragraphs (at blank lines) -> single blanks -> split_v1 -> sentences with a letter, of
 *   400 words at most (tables, code)
 *   passage: sentences of one file in order, until they have 100 words or the file ends */
#ifndef SB_WORKLOADS_RULER_PASSAGES_H
#define SB_WORKLOADS_RULER_PASSAGES_H

#include <stdint.h>

#include "kernels/base/status.h"
#include "workloads/ruler/split.h"

typedef struct sb_ruler_passages {
    char     *text;      /* the sentences, a line feed behind each */
    sb_range *sentences; /* in it, without the line feed */
    int64_t   n_sentences;
    int64_t  *first; /* [n_passages + 1] sentence that a passage begins with */
    int64_t   n_passages;
    int64_t   n_files, skipped_files; /* skipped: empty, binary, compressed, not UTF-8 */
    char     *path;
    char      sha256[65]; /* over the text above: neither path nor names of files count */
} sb_ruler_passages;

/* path: a directory (workloads/base/text_files.h says which files of it) or one file; NULL:
 * Debian's licence texts, SB_CORPUS_DEFAULT_PATH. SB_ERR_USAGE: no text in it, more than
 * sbi_passages_max_bytes; SB_ERR_IO, SB_ERR_NOMEM. Errors name the path. */
sb_status sb_ruler_passages_open(const char *path, sb_ruler_passages **out);
void      sb_ruler_passages_close(sb_ruler_passages *p);

extern int64_t sbi_passages_max_bytes; /* 2 GiB; a variable, so that tests can turn it down */

#endif
