/* UTF-8 as Python reads it: one rule for what is a character and for how much of what is none one
 * U+FFFD stands for (the longest start of a character, else one byte). */
#ifndef SB_WORKLOADS_TOKENIZER_UTF8_H
#define SB_WORKLOADS_TOKENIZER_UTF8_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"

typedef enum sbi_utf8_kind {
    SBI_UTF8_CHAR,   /* a character */
    SBI_UTF8_BAD,    /* bytes that one U+FFFD replaces */
    SBI_UTF8_PARTIAL /* the text ends inside a character */
} sbi_utf8_kind;

/* What starts at s (n > 0 bytes left) and how many bytes it has. */
sbi_utf8_kind sbi_utf8_next(const unsigned char *s, size_t n, size_t *bytes);
/* How many bytes from the start are characters. */
size_t sbi_utf8_valid(const unsigned char *s, size_t n);
/* Code point of a character that sbi_utf8_next accepted. */
int32_t sbi_utf8_code(const unsigned char *s);
/* The character that ends before s[at]: its code point, or -1 when none does. */
int32_t sbi_utf8_before(const unsigned char *s, size_t at);
/* Room for the result of sbi_utf8_replace: three bytes for one. */
#define SBI_UTF8_REPLACED_BYTES(n) (3 * (n))
/* each: one U+FFFD for every byte of what is no character, as SentencePiece decodes. */
size_t sbi_utf8_replace(const unsigned char *s, size_t n, int each, unsigned char *out);

/* Bytes that grow; {0} is empty. */
typedef struct sbi_bytes {
    unsigned char *data;
    size_t         n, capacity;
} sbi_bytes;
/* capacity >= n afterwards; SB_ERR_NOMEM leaves the content. */
sb_status sbi_bytes_reserve(sbi_bytes *b, size_t n);
sb_status sbi_bytes_put(sbi_bytes *b, const void *data, size_t n);

/* Canonical composition (NFC) of valid UTF-8. *out is s itself where nothing changes, else points
 * into `to`. Linear: marks are put in order by counting. */
typedef struct sbi_nfc {
    int32_t  *codes, *sorted;
    size_t    capacity;
    sbi_bytes text;
} sbi_nfc;
sb_status sbi_nfc_apply(sbi_nfc *w, const unsigned char *s, size_t n, const unsigned char **out,
                        size_t *out_bytes);
void      sbi_nfc_fini(sbi_nfc *w);

#endif
