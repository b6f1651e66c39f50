/* SHA-256 through libcrypto, fed with little-endian fields. */
#include "workloads/base/sha256.h"

#include <endian.h>
#include <string.h>

#include <openssl/evp.h>

#define CHUNK 1024 /* ids converted at a time: 4 KiB of stack */

void sbi_sha256_init(sbi_sha256 *h)
{
    h->ctx    = EVP_MD_CTX_new();
    h->failed = h->ctx == NULL || EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) != 1;
}

void sbi_sha256_put(sbi_sha256 *h, const void *data, size_t bytes)
{
    if (!h->failed && bytes > 0)
        h->failed = EVP_DigestUpdate(h->ctx, data, bytes) != 1;
}

void sbi_sha256_put_i64(sbi_sha256 *h, int64_t value)
{
    uint64_t le = htole64((uint64_t)value);
    sbi_sha256_put(h, &le, sizeof le);
}

void sbi_sha256_put_i32s(sbi_sha256 *h, const int32_t *values, int64_t count)
{
    uint32_t le[CHUNK];
    for (int64_t i = 0; i < count; i += CHUNK) {
        int64_t n = count - i < CHUNK ? count - i : CHUNK;
        for (int64_t j = 0; j < n; j++)
            le[j] = htole32((uint32_t)values[i + j]);
        sbi_sha256_put(h, le, (size_t)n * sizeof le[0]);
    }
}

sb_status sbi_sha256_hex(sbi_sha256 *h, char hex[65])
{
    static const char digit[] = "0123456789abcdef";
    unsigned char     md[EVP_MAX_MD_SIZE];
    unsigned int      n = 0;
    if (!h->failed)
        h->failed = EVP_DigestFinal_ex(h->ctx, md, &n) != 1 || n != 32;
    EVP_MD_CTX_free(h->ctx);
    h->ctx = NULL;
    if (h->failed)
        return sb_fail(SB_ERR_INTERNAL, "libcrypto could not compute a SHA-256");
    for (unsigned int i = 0; i < n; i++) {
        hex[2 * i]     = digit[md[i] >> 4];
        hex[2 * i + 1] = digit[md[i] & 15];
    }
    hex[64] = '\0';
    return SB_OK;
}
