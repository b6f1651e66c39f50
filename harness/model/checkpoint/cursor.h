/* A place in a GGUF header that never goes beyond its end. */
#ifndef SB_HARNESS_MODEL_CHECKPOINT_CURSOR_H
#define SB_HARNESS_MODEL_CHECKPOINT_CURSOR_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"

typedef struct sbi_cursor {
    const unsigned char *bytes;
    uint64_t             n, at;
} sbi_cursor;

static inline uint64_t sbi_left(const sbi_cursor *c) { return c->n - c->at; }

/* SB_ERR_USAGE: that many bytes are not left. */
sb_status sbi_cursor_skip(sbi_cursor *c, uint64_t n);
/* A little-endian number of 1 to 8 bytes. */
sb_status sbi_cursor_uint(sbi_cursor *c, int bytes, uint64_t *out);
/* A length and as many bytes, which stay where they are. */
sb_status sbi_cursor_text(sbi_cursor *c, const char **text, uint64_t *n);

/* n bytes as text to be printed: one line, at most 60 bytes. */
enum { SBI_QUOTE_BYTES = 72 };
const char *sbi_quote(const char *text, uint64_t n, char buf[SBI_QUOTE_BYTES]);

#endif
