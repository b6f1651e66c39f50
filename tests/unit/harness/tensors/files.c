#include "tests/unit/harness/tensors/files.h"

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[32];

const char *files_path(const char *name)
{
    static char room[4][128];
    static int  at;
    if (dir[0] == '\0') {
        (void)strcpy(dir, "/tmp/tensors_XXXXXX");
        if (mkdtemp(dir) == NULL)
            abort(); /* main calls this too, outside of any test */
    }
    at = (at + 1) % 4;
    (void)snprintf(room[at], sizeof room[at], "%s/%s", dir, name);
    return room[at];
}

static int gone(const char *path, const struct stat *sb, int type, struct FTW *at)
{
    (void)sb;
    (void)type;
    (void)at;
    return remove(path);
}

void files_clean(void)
{
    if (dir[0] != '\0')
        (void)nftw(dir, gone, 8, FTW_DEPTH | FTW_PHYS);
}

void files_write_bytes(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

void files_write(const char *path, int64_t n, const char *header, const void *data, size_t bytes)
{
    uint64_t len = n < 0 ? strlen(header) : (uint64_t)n;
    FILE    *f   = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(&len, 1, sizeof len, f), sizeof len);
    ck_assert_uint_eq(fwrite(header, 1, strlen(header), f), strlen(header));
    ck_assert_uint_eq(fwrite(data, 1, bytes, f), bytes);
    ck_assert_int_eq(fclose(f), 0);
}

char *files_read(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return NULL;
    char *text = malloc(1 << 20);
    ck_assert_ptr_nonnull(text);
    *n = fread(text, 1, 1 << 20, f);
    (void)fclose(f);
    return text;
}
