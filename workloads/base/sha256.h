/* A running SHA-256 over little-endian fields: the identities of inputs and corpora do not depend
 * on the machine's byte order. A thin cover of libcrypto's EVP; a failure inside it is remembered
 * and told once, by sbi_sha256_hex. */
#ifndef SB_WORKLOADS_BASE_SHA256_H
#define SB_WORKLOADS_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"

typedef struct sbi_sha256 {
    void *ctx; /* EVP_MD_CTX */
    int   failed;
} sbi_sha256;

void sbi_sha256_init(sbi_sha256 *h);
void sbi_sha256_put(sbi_sha256 *h, const void *data, size_t bytes);
void sbi_sha256_put_i64(sbi_sha256 *h, int64_t value);
void sbi_sha256_put_i32s(sbi_sha256 *h, const int32_t *values, int64_t count);
/* Ends the hash and frees its context, also on failure. hex gets 64 digits and a zero. */
sb_status sbi_sha256_hex(sbi_sha256 *h, char hex[65]);

#endif
