/* Every plain text file below a directory, in an order that does not depend on the machine: depth
 * first, the entries of a directory in byte order of their names. Symbolic links to files are
 * followed, links to directories are not; binary (a NUL in the first 4 KiB), empty and .gz files
 * are passed over. */
#ifndef SB_WORKLOADS_BASE_TEXT_FILES_H
#define SB_WORKLOADS_BASE_TEXT_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"

typedef struct sbi_text_files {
    /* One file's text; it may be changed and has room for one byte behind it. A status other than
     * SB_OK ends the walk. */
    sb_status (*take)(void *ctx, const char *path, char *text, size_t bytes);
    void   *ctx;
    int64_t max_bytes;                          /* more text than this is refused */
    int64_t n_files, text_bytes, skipped_files; /* out */
} sbi_text_files;

/* root may also be a file. SB_ERR_USAGE: too much text; SB_ERR_IO: what cannot be read (passing
 * over it would make the result depend on who runs); SB_ERR_NOMEM. Errors name the path. */
sb_status sbi_text_files_walk(const char *root, sbi_text_files *w);

#endif
