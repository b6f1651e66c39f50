/* GGUF v3 files (v2 has the same layout): keys with values, and tensors [models 4].
 *
 *   | "GGUF" version n_tensors n_keys | keys | tensor infos | pad | data, in order, each padded |
 *
 * The reader believes nothing: counts, lengths, shapes and places are checked against the file
 * before any of them is used, and memory stays within a small multiple of the header's size. The
 * file is mapped, values and tensors are read where they stand. */
#ifndef SB_HARNESS_MODEL_CHECKPOINT_GGUF_H
#define SB_HARNESS_MODEL_CHECKPOINT_GGUF_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"
#include "kernels/nn/blocks.h"

typedef enum sb_gguf_type {
    SB_GGUF_U8,
    SB_GGUF_I8,
    SB_GGUF_U16,
    SB_GGUF_I16,
    SB_GGUF_U32,
    SB_GGUF_I32,
    SB_GGUF_F32,
    SB_GGUF_BOOL,
    SB_GGUF_STRING,
    SB_GGUF_ARRAY,
    SB_GGUF_U64,
    SB_GGUF_I64,
    SB_GGUF_F64,
    SB_GGUF_TYPE_COUNT
} sb_gguf_type;

enum { SB_GGUF_MAX_NAME = 64, SB_GGUF_MAX_DIMS = 4 };

typedef struct sb_gguf_key {
    const char          *name; /* into the file, name_bytes of it */
    uint64_t             name_bytes;
    sb_gguf_type         type, item; /* item: of an array */
    uint64_t             n;          /* items of an array, bytes of a string, else 1 */
    const unsigned char *at;         /* first byte of the value's data */
} sb_gguf_key;

typedef struct sb_gguf_tensor {
    char                 name[SB_GGUF_MAX_NAME];
    sb_block_type        type;
    int32_t              n_dims;
    int64_t              ne[SB_GGUF_MAX_DIMS]; /* ne[0] varies fastest; 1 beyond n_dims */
    int64_t              n_values, bytes;
    const unsigned char *data;
} sb_gguf_tensor;

typedef struct sb_gguf {
    char                *path;
    const unsigned char *bytes;
    uint64_t             n_bytes, header_bytes; /* header: all before the data */
    int                  mapped;
    sb_gguf_key         *keys; /* by name */
    uint64_t             n_keys;
    sb_gguf_tensor      *tensors; /* by name */
    uint64_t             n_tensors;
} sb_gguf;

/* Errors name the path and the key or tensor: SB_ERR_IO; SB_ERR_USAGE missing, damaged;
 * SB_ERR_UNSUPPORTED sound, but of a version, byte order, type or split that is not read;
 * SB_ERR_NOMEM. A file that is cut short while it is mapped raises SIGBUS: copy files from file
 * systems that do that. */
sb_status sb_gguf_open(const char *path, sb_gguf **out);
/* The same of memory, borrowed until close; `name` stands in errors. */
sb_status sb_gguf_open_bytes(const char *name, const void *data, size_t bytes, sb_gguf **out);
void      sb_gguf_close(sb_gguf *g); /* NULL is fine */

const sb_gguf_key    *sb_gguf_find_key(const sb_gguf *g, const char *name);    /* or NULL */
const sb_gguf_tensor *sb_gguf_find_tensor(const sb_gguf *g, const char *name); /* or NULL */

/* Values of keys; *out changes on success only. SB_ERR_USAGE names path and key: missing, of
 * another type, out of range. Integers of any width do where an integer is wanted (as a bool does);
 * where all items of an array are equal the array does, too. */
sb_status sb_gguf_int(const sb_gguf *g, const char *key, int64_t lo, int64_t hi, int64_t *out);
sb_status sb_gguf_real(const sb_gguf *g, const char *key, double *out); /* F32, F64 */
/* A copy, malloc'd, with a zero behind it; NUL bytes inside are refused. */
sb_status sb_gguf_text(const sb_gguf *g, const char *key, char **out);

#endif
