/* The files that predictions come in: one record a format, like a method. To add one: a record in a
 * file read_*.c, its line in formats.c and in CMakeLists.txt, a golden file in the tests. */
#ifndef SB_HARNESS_SCORE_FORMATS_H
#define SB_HARNESS_SCORE_FORMATS_H

#include "harness/score/prediction.h"

typedef struct sbi_format {
    const char *name, *what;
    int32_t     is_csv;
    int (*is)(const json_t *row); /* does a row look like one of this format? */
    /* Can the file's name tell what its rows do not? SB_ERR_USAGE says what to give. */
    sb_status (*check)(const sbi_context *c, const char *path);
    /* out->row.row and .line are filled, the rest is zero; what is made on error is *out's.
     * Texts of how to score may borrow from the row. */
    sb_status (*read)(const sbi_context *c, const sbi_row_source *s, sbi_prediction *out);
} sbi_format;

extern const sbi_format sbi_format_own, sbi_format_ruler, sbi_format_lmeval, sbi_format_kvpress,
    sbi_format_longbench, sbi_format_longbench_v2, sbi_format_infinitebench;
extern const sbi_format *const sbi_formats[]; /* in the order they are tried; ends with a NULL */

const sbi_format *sbi_format_find(const char *name); /* NULL: unknown */
/* "spanbench, ruler, ..." */
void sbi_format_names(char *buf, size_t n);

/* ---- parts of readers ---- */
int sbi_has(const json_t *row, const char *field);
/* A malloc'd object {"field": value} of those fields of the row that are there, as row.meta. */
sb_status sbi_take_meta(const sbi_row_source *s, const char *const *fields, sbi_prediction *out);
/* A whole number from 0 in a field that may be missing or null: then `otherwise`. */
sb_status sbi_take_count(const sbi_row_source *s, const char *field, int64_t otherwise,
                         int64_t *out);
/* None of row.refs is empty, and they are as many as the task of RULER has. */
sb_status sbi_check_ruler_answers(const sbi_row_source *s, const char *field, const char *task,
                                  const sbi_prediction *p);
/* Answers of RULER: an array of strings, none empty, as many as the task has. */
sb_status sbi_take_ruler_answers(const sbi_row_source *s, const char *field, const char *task,
                                 sbi_prediction *out);

#endif
