/* Files of named tensors in the safetensors layout:
 *
 *   | 8 bytes: header length n, little-endian | n bytes: JSON | data                      |
 *   {"__metadata__": {text: text}, "q": {"dtype": "BF16", "shape": [8,4096,128],
 *    "data_offsets": [begin, end]}, ...}      offsets from the data's first byte; the tensors fill
 *                                             the data without holes or overlaps
 * The reader believes nothing: every offset, shape and name is checked against the file before any
 * of it is used, and values are read only where they are asked for. The writer makes a file whole
 * or not at all. */
#ifndef SB_HARNESS_TENSORS_SAFETENSORS_H
#define SB_HARNESS_TENSORS_SAFETENSORS_H

#include <stdint.h>

#include "kernels/base/bf16.h"
#include "kernels/base/status.h"

typedef enum sb_file_dtype {
    SB_FILE_BF16,
    SB_FILE_F16,
    SB_FILE_F32,
    SB_FILE_F64,
    SB_FILE_I8,
    SB_FILE_I16,
    SB_FILE_I32,
    SB_FILE_I64,
    SB_FILE_U8,
    SB_FILE_U16,
    SB_FILE_U32,
    SB_FILE_U64,
    SB_FILE_BOOL,
    SB_FILE_F8_E4M3,
    SB_FILE_F8_E5M2,
    SB_FILE_DTYPE_COUNT
} sb_file_dtype;

const char *sb_file_dtype_name(sb_file_dtype t); /* as in the file: "BF16" */
int64_t     sb_file_dtype_bytes(sb_file_dtype t);

enum {
    SB_FILE_MAX_DIMS         = 8,
    SB_FILE_MAX_HEADER_BYTES = 32 * 1024 * 1024 /* a header of 100,000 tensors is a third of this */
};

typedef struct sb_file_tensor {
    char         *name;
    sb_file_dtype dtype;
    int32_t       n_dims;
    int64_t       shape[SB_FILE_MAX_DIMS];
    int64_t       n_values;     /* product of shape */
    int64_t       offset_bytes; /* from the start of the file */
} sb_file_tensor;

typedef struct sb_file_note { /* one entry of __metadata__ */
    char *key, *value;
} sb_file_note;

typedef struct sb_safetensors {
    char           *path;
    int             fd;
    int64_t         bytes;   /* of the file when it was opened */
    sb_file_tensor *tensors; /* by place in the data */
    int64_t         n_tensors;
    sb_file_note   *notes;
    int64_t         n_notes;
} sb_safetensors;

/* Open and check the header. Errors name the path, what was found and what is allowed: SB_ERR_IO
 * (unreadable), SB_ERR_USAGE (no such file, no regular file, damaged, another kind of file),
 * SB_ERR_NOMEM. Cost: reads the header only. */
sb_status sb_safetensors_open(const char *path, sb_safetensors **out);
void      sb_safetensors_close(sb_safetensors *f); /* NULL is fine */

const sb_file_tensor *sb_safetensors_find(const sb_safetensors *f, const char *name); /* or NULL */
const char           *sb_safetensors_note(const sb_safetensors *f, const char *key);  /* or NULL */

/* Values [first, first + n) as they stand in the file. Reentrant. SB_ERR_IO, also when the file has
 * become shorter meanwhile. */
sb_status sb_safetensors_read(const sb_safetensors *f, const sb_file_tensor *t, int64_t first,
                              int64_t n, void *out);
/* The same of a BF16, F16 or F32 tensor, rounded to bf16 (nearest, even). SB_ERR_USAGE: another
 * dtype. */
sb_status sb_safetensors_read_bf16(const sb_safetensors *f, const sb_file_tensor *t, int64_t first,
                                   int64_t n, sb_bf16 *out);

/* ---- writing ---- */

typedef struct sb_file_spec {
    const char   *name;
    sb_file_dtype dtype;
    int32_t       n_dims;
    int64_t       shape[SB_FILE_MAX_DIMS];
} sb_file_spec;

typedef struct sb_file_pair {
    const char *key, *value;
} sb_file_pair;

typedef struct sb_safetensors_out sb_safetensors_out;

/* Start PATH as PATH.tmp: the header for these tensors and notes is written. Names distinct and
 * UTF-8. The data follow in order of the specs, by sb_safetensors_write in pieces of any size.
 * SB_ERR_IO names the path. */
sb_status sb_safetensors_create(const char *path, const sb_file_spec *specs, int64_t n_specs,
                                const sb_file_pair *notes, int64_t n_notes,
                                sb_safetensors_out **out);
sb_status sb_safetensors_write(sb_safetensors_out *o, const void *data, int64_t bytes);
/* All data are there: to disk, then PATH.tmp becomes PATH. Ends o, also on failure (PATH.tmp is
 * gone then and an older PATH is untouched). SB_ERR_INTERNAL: more or fewer bytes than the specs
 * say. */
sb_status sb_safetensors_commit(sb_safetensors_out *o);
void      sb_safetensors_abandon(sb_safetensors_out *o); /* leaves nothing; NULL is fine */

#endif
