/* A method's (or task's, or model's) parameters as one table: YAML keys, --help text, range checks, JSON of the database row.
 * The table describes the fields of a plain struct; the functions here fill and print that struct. */
#ifndef SB_KERNELS_BASE_PARAM_H
#define SB_KERNELS_BASE_PARAM_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sb_param_type {
    SB_I64,  /* field int64_t */
    SB_F64,  /* field double */
    SB_ENUM, /* field int32_t: index into the range "a|b|c" */
    SB_FILE, /* field sb_param_file; "none", or the path of a file. The range says what is in it */
    SB_PARAM_TYPE_COUNT
} sb_param_type;

typedef struct sb_param {
    const char   *name;
    const char   *def;   /* default, as it would stand in YAML */
    const char   *range; /* "[1,)", "(0,1)", "[0,1]", or "a|b|c" for SB_ENUM */
    const char   *help;  /* one line, with the unit */
    sb_param_type type;
    size_t        offset;
} sb_param; /* a table ends with {0} */

enum {
    SB_PARAM_PATH_BYTES = 1024,
    SB_PARAM_JSON_BYTES = 640 /* room for any parameter's JSON */
};

/* A file that a parameter names. sb_param_set notes the path and forgets the rest. Whoever may read
 * files (harness/config) adds the content, as sb_method.read_file made it, and its hash: the value
 * of such a parameter is what the file holds, wherever it lies. */
typedef struct sb_param_file {
    char        path[SB_PARAM_PATH_BYTES]; /* as written; "": none */
    char        sha256[65];                /* hex; "": not read */
    const void *content;                   /* borrowed; NULL: not read */
} sb_param_file;

/* Fill every field of `params` with its default. The table is ours: a bad default is SB_ERR_INTERNAL. */
sb_status sb_params_default(const sb_param *table, void *params);
const sb_param *sb_params_find(const sb_param *table, const char *name); /* NULL when unknown */
/* Parse text into the field. SB_ERR_USAGE text: "found `2`, allowed a number in (0,1)". */
sb_status sb_param_set(const sb_param *p, void *params, const char *text);
/* Canonical value as JSON text: 1024, 0.95, "power". Doubles print with the fewest digits that read
 * back equal. A file is "NAME@SHA256", without its folder, or "none"; SB_ERR_INTERNAL when it has
 * not been read. */
sb_status sb_param_json(const sb_param *p, const void *params, char *buf, size_t buf_bytes);
/* What may stand there, for errors and help: "a whole number >= 1", "a number in (0,1)", "one of a, b, c". */
void sb_param_allowed(const sb_param *p, char *buf, size_t buf_bytes);

#ifdef __cplusplus
}
#endif
#endif
