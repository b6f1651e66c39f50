/* The file system around a database: its directory, whether it is a network mount, its SHA-256. */
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "results/store/internal.h"

sb_status sbi_make_parent(const char *path)
{
    char *dir = strdup(path);
    if (dir == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory for its directory's name", path);
    sb_status st    = SB_OK;
    char     *slash = strrchr(dir, '/');
    if (slash != NULL && slash != dir) {
        *slash = '\0';
        for (char *p = dir + 1; st == SB_OK && p != NULL;) {
            p = strchr(p, '/');
            if (p != NULL)
                *p = '\0';
            if (mkdir(dir, 0777) != 0 && errno != EEXIST) {
                struct stat info; /* a directory that exists may refuse mkdir with another error
                                     (read-only mount) */
                int cause = errno;
                if (stat(dir, &info) != 0 || !S_ISDIR(info.st_mode))
                    st = sb_fail(SB_ERR_IO, "%s: cannot create directory %s: %s", path, dir,
                                 strerror(cause));
            }
            if (p != NULL)
                *p++ = '/';
        }
    }
    free(dir);
    return st;
}

sb_status sbi_file_bytes(const char *path, int64_t *bytes)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return sb_fail(SB_ERR_IO, "%s: %s", path, strerror(errno));
    *bytes = info.st_size;
    return SB_OK;
}

/* Magic numbers of statfs(2) [cluster_runtime 6]: their locks are not to be trusted between hosts.
 */
const char *sbi_network_fs(const char *path)
{
    static const struct {
        uint32_t    magic;
        const char *name;
    } table[] = {
        {0x6969, "NFS"},      {0x0BD00BD0, "Lustre"}, {0x47504653, "GPFS"},   {0x65735546, "FUSE"},
        {0xFF534D42, "CIFS"}, {0xFE534D42, "SMB2"},   {0x19830326, "BeeGFS"}, {0x00C36400, "Ceph"},
        {0x01021997, "9p"},   {0x5346414F, "AFS"},    {0xAAD7AAEA, "PanFS"},
    };
    struct statfs info;
    if (statfs(path, &info) != 0)
        return NULL;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if ((uint32_t)info.f_type == table[i].magic)
            return table[i].name;
    return NULL;
}

/* Bytes 18 and 19 of the header: 2 means a write-ahead log. */
int sbi_is_wal(const char *path)
{
    unsigned char head[20] = {0};
    FILE         *f        = fopen(path, "rb");
    size_t        n        = f == NULL ? 0 : fread(head, 1, sizeof head, f);
    if (f != NULL)
        (void)fclose(f);
    return n == sizeof head && (head[18] == 2 || head[19] == 2);
}

static void to_hex(const unsigned char digest[32], char hex[65])
{
    for (int i = 0; i < 32; i++)
        (void)snprintf(hex + 2 * (size_t)i, 3, "%02x", digest[i]);
}

sb_status sbi_text_sha256(const char *text, char hex[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    if (EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL) != 1)
        return sb_fail(SB_ERR_INTERNAL, "sha256 failed");
    to_hex(digest, hex);
    return SB_OK;
}

sb_status sbi_file_sha256(const char *path, char hex[65])
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return sb_fail(SB_ERR_IO, "%s: %s", path, strerror(errno));
    static const size_t chunk = 1 << 16;
    unsigned char       digest[EVP_MAX_MD_SIZE];
    sb_status           st  = SB_OK;
    EVP_MD_CTX         *ctx = EVP_MD_CTX_new();
    unsigned char      *buf = malloc(chunk);
    if (ctx == NULL || buf == NULL) {
        st = sb_fail(SB_ERR_NOMEM, "%s: no memory to hash it", path);
        goto done;
    }
    int    ok = EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
    size_t n;
    while (ok == 1 && (n = fread(buf, 1, chunk, f)) > 0)
        ok = EVP_DigestUpdate(ctx, buf, n);
    if (ferror(f))
        st = sb_fail(SB_ERR_IO, "%s: cannot read it: %s", path, strerror(errno));
    else if (ok != 1 || EVP_DigestFinal_ex(ctx, digest, NULL) != 1)
        st = sb_fail(SB_ERR_INTERNAL, "%s: sha256 failed", path);
    else
        to_hex(digest, hex);
done:
    free(buf);
    EVP_MD_CTX_free(ctx);
    (void)fclose(f);
    return st;
}
