/* Files that are there whole or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/gen/parts.h"
#include "workloads/base/sha256.h"

struct sbi_gen_file {
    FILE      *f;
    char      *path, *partial;
    sbi_sha256 hash;
    char       sum[65]; /* "" until the hash has ended */
};

sb_status sbi_gen_make_folder(const char *path)
{
    char *copy = strdup(path);
    if (copy == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory for its name", path);
    for (char *p = copy + 1;; p++) {
        char was = *p;
        if (was != '/' && was != '\0')
            continue;
        *p = '\0';
        if (mkdir(copy, 0777) != 0 && errno != EEXIST) {
            sb_status st = sb_fail(SB_ERR_IO, "%s: cannot be made: %s", copy, strerror(errno));
            free(copy);
            return st;
        }
        *p = was;
        if (was == '\0')
            break;
    }
    free(copy);
    return SB_OK;
}

static sb_status io_error(const sbi_gen_file *f)
{
    return sb_fail(SB_ERR_IO, "%s: cannot be written: %s", f->partial, strerror(errno));
}

sb_status sbi_gen_file_open(const char *path, sbi_gen_file **out)
{
    size_t        room = strlen(path) + 32;
    sbi_gen_file *f    = calloc(1, sizeof *f);
    sb_status     st   = SB_OK;
    if (f == NULL || (f->path = strdup(path)) == NULL || (f->partial = malloc(room)) == NULL)
        st = sb_fail(SB_ERR_NOMEM, "%s: no memory for its name", path);
    if (st == SB_OK) {
        (void)snprintf(f->partial, room, "%s.partial-%ld", path, (long)getpid());
        sbi_sha256_init(&f->hash);
        if ((f->f = fopen(f->partial, "wb")) == NULL)
            st = io_error(f);
    }
    if (st != SB_OK) {
        sbi_gen_file_drop(f);
        return st;
    }
    *out = f;
    return SB_OK;
}

sb_status sbi_gen_file_put(sbi_gen_file *f, const char *text, size_t bytes)
{
    sbi_sha256_put(&f->hash, text, bytes);
    return fwrite(text, 1, bytes, f->f) == bytes ? SB_OK : io_error(f);
}

sb_status sbi_gen_file_sum(sbi_gen_file *f, char sha256[65])
{
    sb_status st = SB_OK;
    if (f->sum[0] == '\0') {
        st          = sbi_sha256_hex(&f->hash, f->sum);
        f->hash.ctx = NULL;
    }
    if (st == SB_OK && sha256 != NULL)
        memcpy(sha256, f->sum, sizeof f->sum);
    return st;
}

sb_status sbi_gen_file_close(sbi_gen_file *f, char sha256[65])
{
    sb_status st = sbi_gen_file_sum(f, sha256);
    if (st == SB_OK && (fflush(f->f) != 0 || fsync(fileno(f->f)) != 0))
        st = io_error(f);
    if (fclose(f->f) != 0 && st == SB_OK)
        st = io_error(f);
    f->f = NULL;
    if (st == SB_OK && rename(f->partial, f->path) != 0)
        st = io_error(f);
    if (st == SB_OK) {
        free(f->partial);
        f->partial = NULL; /* nothing to remove */
    }
    sbi_gen_file_drop(f);
    return st;
}

void sbi_gen_file_drop(sbi_gen_file *f)
{
    char unused[65];
    if (f == NULL)
        return;
    if (f->hash.ctx != NULL)
        (void)sbi_sha256_hex(&f->hash, unused); /* ends it */
    if (f->f != NULL)
        (void)fclose(f->f);
    if (f->partial != NULL)
        (void)unlink(f->partial);
    free(f->partial);
    free(f->path);
    free(f);
}

sb_status sbi_gen_file_hash(const char *path, char sha256[65])
{
    char       buf[65536];
    size_t     n;
    sbi_sha256 h;
    FILE      *f = fopen(path, "rb");
    if (f == NULL)
        return sb_fail(SB_ERR_IO, "%s: %s", path, strerror(errno));
    sbi_sha256_init(&h);
    while ((n = fread(buf, 1, sizeof buf, f)) > 0)
        sbi_sha256_put(&h, buf, n);
    int bad = ferror(f);
    (void)fclose(f);
    sb_status st = sbi_sha256_hex(&h, sha256);
    return st == SB_OK && bad ? sb_fail(SB_ERR_IO, "%s: cannot be read", path) : st;
}
