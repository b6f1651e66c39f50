/* Canonical JSON and the content hash of a point. */
#ifndef SB_HARNESS_CONFIG_IDENTITY_H
#define SB_HARNESS_CONFIG_IDENTITY_H

#include "harness/config/pool.h"
#include "harness/config/sweep.h"

/* Canonical: sorted keys, no blanks, reals with 15 digits, or with 17 where 15 would not read back
 * equal. NULL when memory is out (pool->failed) or a value cannot be printed (error text). */
char *sbi_params_json(sbi_pool *p, const sb_param *table, const void *params);
/* `object` with key set to the string `text`, or to {"path": text}. */
char *sbi_json_with_word(sbi_pool *p, const char *object, const char *key, const char *text);
char *sbi_json_with_path(sbi_pool *p, const char *object, const char *key, const char *text);

/* The same with the JSON value `value`; and the keys of both objects in one. */
char *sbi_json_with_value(sbi_pool *p, const char *object, const char *key, const char *value);
char *sbi_json_merged(sbi_pool *p, const char *object, const char *more);

/* Shape and scale of an input, in place of a model's parameters; and what names a file's content:
 * `file` is its name without the directory. */
char *sbi_input_json(sbi_pool *p, const sb_point_input *in);
char *sbi_capture_json(sbi_pool *p, const sb_point_input *in, const char *file);
/* Hex SHA-256. */
sb_status sbi_sha256_text(const char *text, size_t bytes, char out[65]);

/* Fill p->identity_json and p->hash from the rest of the point. */
sb_status sbi_point_identify(sbi_pool *pool, sb_point *p);

/* Hex SHA-256 over the hashes of the points, each followed by a newline. */
sb_status sbi_points_hash(const sb_point *points, int64_t n_points, char out[65]);

#endif
