#include "tests/unit/workloads/metrics/jieba_data.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char jieba_data_folder[128];

const char *const jieba_data_good[4] = {
    A " 10 n\n" A B " 50 n\n" B C " 50 n\n" A B C D " 1 n\n" C " 20 n\n",
    "P={'B': -0.5, 'E': -3.14e+100, 'M': -3.14e+100, 'S': -1.0}\n",
    "P={'B': {'E': -0.5, 'M': -1.0},\n 'E': {'B': -0.6, 'S': -0.8},\n 'M': {'E': -0.3, 'M': "
    "-1.2},\n"
    " 'S': {'B': -0.7, 'S': -0.7}}\n",
    "from __future__ import unicode_literals\n\nP={'B': {'\\u4e01': -1.0, '\\u4e59': -2.0},\n"
    " 'E': {'\\u4e01': -2.0, '\\u4e59': -1.0, },\n 'M': {'\\u4e01': -9.0},\n"
    " 'S': {'\\u4e01': -5.0, u\"" B "\": -8.0}}\n"};

void jieba_data_write(const char *const *text)
{
    static const char *const names[4] = {"dict.txt", "finalseg/prob_start.py",
                                         "finalseg/prob_trans.py", "finalseg/prob_emit.py"};
    char                     path[256];
    (void)snprintf(path, sizeof path, "%s/finalseg", jieba_data_folder);
    ck_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
    for (int i = 0; i < 4; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", jieba_data_folder, names[i]);
        (void)unlink(path);
        if (text[i] == NULL)
            continue;
        FILE *f = fopen(path, "wb");
        ck_assert_ptr_nonnull(f);
        size_t n = strlen(text[i]);
        ck_assert_uint_eq(fwrite(text[i], 1, n, f), n);
        fclose(f);
    }
}

void jieba_data_make(void)
{
    (void)snprintf(jieba_data_folder, sizeof jieba_data_folder, "/tmp/sb_jieba_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(jieba_data_folder));
}

void jieba_data_remove(void)
{
    static const char *const none[4];
    char                     path[256];
    jieba_data_write(none);
    (void)snprintf(path, sizeof path, "%s/finalseg", jieba_data_folder);
    (void)rmdir(path);
    (void)rmdir(jieba_data_folder);
}
