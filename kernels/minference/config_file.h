/* The published per-head configuration: which pattern each head of each layer takes, found offline
 * [minference 3.8]. */
#ifndef SB_KERNELS_MINFERENCE_CONFIG_FILE_H
#define SB_KERNELS_MINFERENCE_CONFIG_FILE_H

#include "kernels/minference/minference.h"

enum { SBI_MINFERENCE_NO_ENTRY = -1 };

typedef struct sbi_minference_entry {
    int32_t pattern; /* sb_minference_pattern, or NO_ENTRY: the parameters say */
    int64_t a, b;    /* k_v, k_s or n_init, n_local, before `ratio`; block_sparse: not read */
} sbi_minference_entry;

typedef struct sbi_minference_config {
    int64_t               n_layers, n_heads; /* heads: of the layer that names most */
    sbi_minference_entry *entry;             /* [n_layers][n_heads] */
} sbi_minference_config;

/* sb_method.read_file. An array of layers, each an object {"0": [type, a, b, score], ...} with the
 * head's number as key; type vertical_and_slash, block_sparse or stream_llm. The score is what the
 * search measured: not read, and may be missing. */
sb_status sbi_minference_read_file(const sb_param *p, const char *text, int64_t n_bytes,
                                   sb_arena *a, const void **out);

#endif
