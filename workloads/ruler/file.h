/* The user's data files: whole, hashed, valid UTF-8; and JSON values with errors that name file and
 * field. */
#ifndef SB_WORKLOADS_RULER_FILE_H
#define SB_WORKLOADS_RULER_FILE_H

#include <jansson.h>
#include <stdint.h>

#include "kernels/base/status.h"

/* *text: malloc'd, a zero behind its n_bytes; sha256: hex of the bytes. SB_ERR_IO: cannot be read;
 * SB_ERR_USAGE: not UTF-8 or a NUL inside, with line and column; larger than
 * sbi_ruler_max_file_bytes. */
sb_status sbi_file_text(const char *path, char **text, int64_t *n_bytes, char sha256[65]);
/* The same file as JSON; *root to be given back with json_decref. */
sb_status sbi_file_json(const char *path, json_t **root, char sha256[65]);
/* JSON from memory; `name` stands in errors. */
sb_status sbi_json_bytes(const char *name, const char *text, int64_t n_bytes, json_t **root);

/* "an array", "a string", "nothing" (NULL), for errors. */
const char *sbi_json_kind(const json_t *v);

extern int64_t sbi_ruler_max_file_bytes; /* 4 GiB; a variable, so that tests can turn it down */

#endif
