/* punkt_dump DIR RULES: texts on stdin, one a line; for each a line of its sentences' byte ranges.
 * For tests/golden/punkt_compare.py. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/ruler/punkt.h"

int main(int argc, char **argv)
{
    sb_punkt *p    = NULL;
    char     *line = NULL;
    size_t    cap  = 0;
    ssize_t   n;
    if (argc != 3 ||
        sb_punkt_open(argv[1], strcmp(argv[2], "3.9") == 0 ? SB_PUNKT_NLTK_3_9 : SB_PUNKT_NLTK_3_10,
                      &p) != SB_OK) {
        (void)fprintf(stderr, "punkt_dump DIR 3.9|3.10: %s\n", sb_error_text());
        return 2;
    }
    while ((n = getline(&line, &cap, stdin)) > 0) {
        sb_range *r     = NULL;
        int64_t   n_out = 0;
        if (line[n - 1] == '\n')
            line[--n] = '\0';
        if (sb_punkt_split(p, line, n, &r, &n_out) != SB_OK) {
            (void)fprintf(stderr, "%s\n", sb_error_text());
            return 1;
        }
        for (int64_t i = 0; i < n_out; i++)
            (void)printf("%" PRId64 " %" PRId64 " ", r[i].begin, r[i].end);
        (void)putchar('\n');
        free(r);
    }
    free(line);
    sb_punkt_close(p);
    return fflush(stdout) == 0 ? 0 : 1;
}
