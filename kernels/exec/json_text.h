/* JSON that a user's file holds, on its way into a method: parsing and the refusals that every
 * reader of such a file needs. Nothing from the file but numbers and short words gets into an error
 * text. */
#ifndef SB_KERNELS_EXEC_JSON_TEXT_H
#define SB_KERNELS_EXEC_JSON_TEXT_H

#include <jansson.h>
#include <stdint.h>

#include "kernels/base/status.h"

/* *out: the root, to be given back with json_decref. SB_ERR_USAGE with line and column: no JSON,
 * a key twice, bytes behind the end; SB_ERR_NOMEM. */
sb_status sb_json_parse(const char *text, int64_t n_bytes, json_t **out);

/* "a string", "3.5", "an array of 4", "nothing" (NULL): what stands there, for errors. */
const char *sb_json_found(const json_t *v, char *buf, size_t buf_bytes);

/* Members of `object` must be among `names` (ends with NULL); SB_ERR_USAGE names one that is not.
 */
sb_status sb_json_known_keys(const json_t *object, const char *const *names);

#endif
