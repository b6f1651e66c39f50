/* A bounded reader over a GGUF file or a piece of memory. */
#ifndef SB_WORKLOADS_TOKENIZER_GGUF_H
#define SB_WORKLOADS_TOKENIZER_GGUF_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"

#define SBI_SOURCE_WINDOW 65536

typedef struct sbi_source {
    const unsigned char *mem; /* NULL: read fd */
    int                  fd;
    uint64_t             size, at;
    unsigned char *window; /* of fd: SBI_SOURCE_WINDOW bytes, window_n of them from window_at */
    uint64_t       window_at;
    size_t         window_n;
} sbi_source;

#endif
