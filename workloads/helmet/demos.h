/* Answered examples that stand before a question, from a file of their own, chosen as HELMET does:
 * the file is shuffled with a seed made from the question's key, and the first ones with different
 * keys are taken. */
#ifndef SB_WORKLOADS_HELMET_DEMOS_H
#define SB_WORKLOADS_HELMET_DEMOS_H

#include "workloads/base/record_file.h"
#include "workloads/base/row_fields.h"

typedef struct sbi_demos {
    sbi_record_file *file;
    char           **keys; /* [rows]; NULL: left out, as rows are that the suite leaves out */
    int64_t         *order;
} sbi_demos;

/* Which rows count, and by which key; *key NULL leaves the row out. */
typedef sb_status (*sbi_demo_key)(const void *ctx, const sbi_row_source *src, char **key);

/* Reads the file once. A bad row is an error: it would change which others are chosen. */
sb_status sbi_demos_open(const char *path, sbi_demo_key key_of, const void *ctx, sbi_demos *out);
void      sbi_demos_close(sbi_demos *d);

/* rows[0 .. shots): which rows stand before the question `key`. without: rows of the same key are
 * no examples. SB_ERR_USAGE: the file has too few. Not for two threads at once. */
sb_status sbi_demos_choose(sbi_demos *d, const char *key, int without, int64_t shots,
                           int64_t *rows);

#endif
