/* Lines of JSON from a user's file, one at a time. A bad line is told with file and line and the
 * next one can still be read: one wrong row does not lose the others. Memory: the longest line. */
#ifndef SB_WORKLOADS_BASE_JSONL_H
#define SB_WORKLOADS_BASE_JSONL_H

#include <jansson.h>
#include <stdint.h>

#include "kernels/base/status.h"

typedef struct sb_jsonl sb_jsonl;

sb_status sb_jsonl_open(const char *path, sb_jsonl **out);
void      sb_jsonl_close(sb_jsonl *r);

/* The next line that is not blank. SB_OK: *root is its object, to be given back with json_decref,
 * or NULL behind the last line. SB_ERR_USAGE: this line is no JSON object, is cut off, holds a NUL
 * byte or bytes that are not UTF-8, or is longer than sbi_jsonl_max_line_bytes; reading can go on.
 * SB_ERR_IO, SB_ERR_NOMEM: it cannot. */
sb_status sb_jsonl_next(sb_jsonl *r, json_t **root);
int64_t   sb_jsonl_line(const sb_jsonl *r); /* of what sb_jsonl_next gave last; from 1 */

extern int64_t sbi_jsonl_max_line_bytes; /* 1 GiB; a variable, so that tests can turn it down */

/* One line that somebody else took from a file: its object, or the errors of sb_jsonl_next. cut:
 * the file ends behind it without saying that the line does. */
sb_status sbi_jsonl_parse(const char *path, int64_t line, const char *text, int64_t n_bytes,
                          int cut, json_t **root);
sb_status sbi_jsonl_too_long(const char *path, int64_t line, int64_t n_bytes);

#endif
