/* For the files of this folder. */
#ifndef SB_HARNESS_GEN_PARTS_H
#define SB_HARNESS_GEN_PARTS_H

#include "harness/gen/gen.h"

/* Folder of set i, malloc'd; NULL: no memory. */
char *sbi_gen_folder(const sb_gen_options *o, int64_t i);

/* mkdir -p. */
sb_status sbi_gen_make_folder(const char *path);

/* A file that appears whole: lines go to PATH.partial-PID, its hash runs along. */
typedef struct sbi_gen_file sbi_gen_file;

sb_status sbi_gen_file_open(const char *path, sbi_gen_file **out);
sb_status sbi_gen_file_put(sbi_gen_file *f, const char *text, size_t bytes);
/* The hash of all that was put; nothing may be put afterwards. sha256 may be NULL. */
sb_status sbi_gen_file_sum(sbi_gen_file *f, char sha256[65]);
/* To its name, over what was there; sha256 may be NULL. The handle is gone afterwards. */
sb_status sbi_gen_file_close(sbi_gen_file *f, char sha256[65]);
void      sbi_gen_file_drop(sbi_gen_file *f); /* NULL is fine */

/* Of a file as it is: SB_ERR_IO when it cannot be read. */
sb_status sbi_gen_file_hash(const char *path, char sha256[65]);

#endif
