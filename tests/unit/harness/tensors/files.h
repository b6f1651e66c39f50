/* Safetensors files for tests, made byte by byte. */
#ifndef SB_TESTS_UNIT_TENSORS_FILES_H
#define SB_TESTS_UNIT_TENSORS_FILES_H

#include <stddef.h>
#include <stdint.h>

/* A scratch directory of the test program, made once; files_clean removes it with all files. */
const char *files_path(const char *name); /* valid until the next call but three */
void        files_clean(void);

/* Header length (n < 0: of the text), text, data. */
void  files_write(const char *path, int64_t n, const char *header, const void *data, size_t bytes);
void  files_write_bytes(const char *path, const void *bytes, size_t n);
char *files_read(const char *path, size_t *n); /* malloc'd; NULL: no such file */

#endif
