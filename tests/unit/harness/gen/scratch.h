/* A folder of one test, its files, and its removal. */
#ifndef SB_TESTS_UNIT_HARNESS_GEN_SCRATCH_H
#define SB_TESTS_UNIT_HARNESS_GEN_SCRATCH_H

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY "ab0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd"

static char scratch[64];

static inline void scratch_make(void)
{
    (void)strcpy(scratch, "/tmp/gen_cache_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(scratch));
}

static inline int scratch_gone(const char *path, const struct stat *sb, int type, struct FTW *at)
{
    (void)sb;
    (void)type;
    (void)at;
    return remove(path);
}

static inline void scratch_remove(void)
{
    (void)nftw(scratch, scratch_gone, 8, FTW_DEPTH | FTW_PHYS);
}

/* The path of a name in the folder; the last four stay valid. */
static inline const char *in_scratch(const char *name)
{
    static char room[4][256];
    static int  at;
    at = (at + 1) % 4;
    (void)snprintf(room[at], sizeof room[at], "%s/%s", scratch, name);
    return room[at];
}

static inline void put_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text, 1, strlen(text), f), strlen(text));
    ck_assert_int_eq(fclose(f), 0);
}

static inline void check_file(const char *path, const char *text)
{
    char  found[256] = "";
    FILE *f          = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s is missing", path);
    found[fread(found, 1, sizeof found - 1, f)] = '\0';
    (void)fclose(f);
    ck_assert_str_eq(found, text);
}

#endif
