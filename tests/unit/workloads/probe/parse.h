/* Reads a retrieval context back by its grammar alone, so that the tests do not trust the
 * generator's own book-keeping. */
#ifndef SB_TESTS_WORKLOADS_PARSE_H
#define SB_TESTS_WORKLOADS_PARSE_H

#include "tests/unit/workloads/case.h"

#define PARSE_MAX_ITEMS 8192

typedef enum item_kind { ITEM_STATEMENT, ITEM_KEYED, ITEM_DOC, ITEM_KIND_COUNT } item_kind;

typedef struct parsed_item {
    item_kind kind;
    int64_t   begin, tokens;
} parsed_item;

typedef struct parsed {
    parsed_item item[PARSE_MAX_ITEMS];
    int64_t     n;
    int64_t     count[ITEM_KIND_COUNT];
    int64_t     min_gap; /* filler between items, before the first and behind the last */
} parsed;

/* Fails the test at the first token that the grammar does not allow. */
void parse_context(const sb_input *in, parsed *out);

#endif
