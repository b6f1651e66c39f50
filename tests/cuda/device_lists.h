/* Lists of keys made up at random, for the device executors' tests. */
#ifndef SB_TESTS_CUDA_DEVICE_LISTS_H
#define SB_TESTS_CUDA_DEVICE_LISTS_H

#include "kernels/base/plan.h"

typedef struct list_form {
    int64_t row_tokens, unit, width;
    int     parts, percent, one_list;
    int64_t sink, window;
    int64_t segment; /* of slots; 0: none */
    int64_t run;     /* TOKENS: half of the runs have as many ids, half fewer; 0: single ids */
} list_form;

/* Lists over the row blocks of queries [first, end), of ids up to n_keys. Ids may lie behind the
 * rows that list them: causality drops those keys. Aborts without memory. */
sb_plan device_lists(const list_form *f, int64_t heads, int64_t first, int64_t end, int64_t n_keys,
                     uint64_t seed);
void    device_lists_free(sb_plan *p);

#endif
