/* The rows of a user's file, each read when it is asked for: lines of JSON, or the elements of one
 * JSON array. Opening reads the file once, a block at a time, for its hash and for where each row
 * begins. Memory: 24 bytes a row, and the row that is being read. */
#ifndef SB_WORKLOADS_BASE_RECORD_FILE_H
#define SB_WORKLOADS_BASE_RECORD_FILE_H

#include <jansson.h>
#include <stdint.h>

#include "kernels/base/status.h"

typedef struct sbi_record_file sbi_record_file;

/* A file whose first character is [ is an array, any other has a row on each line that is not
 * blank. SB_ERR_IO: cannot be read; SB_ERR_USAGE: no rows in it, or something behind the array;
 * SB_ERR_NOMEM. Cost: the file is read and hashed; of one core, 0.7 s a gigabyte of lines and 2.4 s
 * a gigabyte of an array. */
sb_status sbi_record_file_open(const char *path, sbi_record_file **out);
void      sbi_record_file_close(sbi_record_file *f); /* NULL is fine */

int64_t     sbi_record_file_count(const sbi_record_file *f); /* bad rows too */
const char *sbi_record_file_path(const sbi_record_file *f);
const char *sbi_record_file_sha256(const sbi_record_file *f);            /* of its bytes */
int64_t     sbi_record_file_line(const sbi_record_file *f, int64_t row); /* where it begins */

/* *root: the row's object, to be given back with json_decref. SB_ERR_USAGE: this row is no object,
 * is cut off, holds a NUL byte or bytes that are not UTF-8, or is longer than
 * sbi_jsonl_max_line_bytes; others can be read. SB_ERR_IO: among others, the file is not what it
 * was when it was opened. */
sb_status sbi_record_file_read(sbi_record_file *f, int64_t row, json_t **root);

#endif
