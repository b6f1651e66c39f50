/* Fields of a user's row, with errors that name file, line, field, what was found and what is
 * allowed; and the parts of a text row made from them. */
#ifndef SB_WORKLOADS_BASE_ROW_FIELDS_H
#define SB_WORKLOADS_BASE_ROW_FIELDS_H

#include <jansson.h>
#include <stdint.h>

#include "kernels/base/status.h"
#include "workloads/base/text_suite.h"

typedef struct sbi_row_source {
    const char   *path;
    int64_t       line;
    const json_t *row; /* an object */
} sbi_row_source;

/* "an array", "a string", "nothing" (NULL), for errors. */
const char *sbi_row_kind(const json_t *v);
/* SB_ERR_USAGE: "FILE: line N: FIELD: a number, not WANT". */
sb_status sbi_row_wrong(const sbi_row_source *s, const char *field, const json_t *v,
                        const char *want);
/* SB_ERR_USAGE: "FILE: line N: FIELD: " and a text of one's own. */
sb_status sbi_row_fail(const sbi_row_source *s, const char *field, const char *fmt, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;

/* *out is the row's and lives as long. */
sb_status sbi_row_string(const sbi_row_source *s, const char *field, const char **out);
/* The string must be one of "a|b|c". */
sb_status sbi_row_word(const sbi_row_source *s, const char *field, const char *allowed,
                       const char **out);
/* A whole number from 0. */
sb_status sbi_row_count(const sbi_row_source *s, const char *field, int64_t *out);

/* A string's copy, or a number as text: 5 as "5", 49.0 and 49.5 as Python writes them. */
sb_status sbi_row_value_text(const sbi_row_source *s, const char *field, const json_t *v,
                             char **out);
/* The values of an array as sbi_row_value_text gives them; `strings` 1: strings only. An empty
 * array is an error. *out and *n belong to the row being filled: what is made is theirs also on
 * error. */
sb_status sbi_row_texts(const sbi_row_source *s, const char *field, const json_t *array,
                        int strings, char ***out, int64_t *n);

/* json_dumps in ASCII, malloc'd; digits of real numbers, 0: all. NULL: no memory, also where
 * jansson (2.14) would leave a key out and go on. */
char *sbi_row_dump(const json_t *v, int digits);

/* out->id from a field that may be missing or null, a string or a whole number. */
sb_status sbi_row_id(const sbi_row_source *s, const char *field, sb_text_row *out);
/* out->meta: those of the fields (NULL ends them) that the row has, as they are. */
sb_status sbi_row_meta(const sbi_row_source *s, const char *const *fields, sb_text_row *out);

#endif
