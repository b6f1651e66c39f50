#include <string.h>

#include "workloads/ruler/ruler.h"

#define NIAH(name, needs, haystack, key, value, keys, values, queries)                             \
    {                                                                                              \
        name, SB_RULER_NIAH, SB_RULER_MATCH_ALL, needs, haystack, key, value, keys, values,        \
            queries                                                                                \
    }
#define OTHER(name, generator, metric, needs)                                                      \
    {                                                                                              \
        name, generator, metric, needs, SB_RULER_NOISE, SB_RULER_WORDS, SB_RULER_NUMBERS, 0, 0, 0  \
    }

enum { WORDS = SB_RULER_NEEDS_WORDS, ESSAY = SB_RULER_NEEDS_ESSAY };

/* A multi-query task has as many keys as queries: the original raises num_needle_k to num_needle_q.
 */
const sb_ruler_task sb_ruler_tasks[] = {
    NIAH("niah_single_1", WORDS, SB_RULER_NOISE, SB_RULER_WORDS, SB_RULER_NUMBERS, 1, 1, 1),
    NIAH("niah_single_2", WORDS | ESSAY, SB_RULER_ESSAY, SB_RULER_WORDS, SB_RULER_NUMBERS, 1, 1, 1),
    NIAH("niah_single_3", WORDS | ESSAY, SB_RULER_ESSAY, SB_RULER_WORDS, SB_RULER_UUIDS, 1, 1, 1),
    NIAH("niah_multikey_1", WORDS | ESSAY, SB_RULER_ESSAY, SB_RULER_WORDS, SB_RULER_NUMBERS, 4, 1,
         1),
    NIAH("niah_multikey_2", WORDS, SB_RULER_NEEDLES, SB_RULER_WORDS, SB_RULER_NUMBERS, 1, 1, 1),
    NIAH("niah_multikey_3", 0, SB_RULER_NEEDLES, SB_RULER_UUIDS, SB_RULER_UUIDS, 1, 1, 1),
    NIAH("niah_multivalue", WORDS | ESSAY, SB_RULER_ESSAY, SB_RULER_WORDS, SB_RULER_NUMBERS, 1, 4,
         1),
    NIAH("niah_multiquery", WORDS | ESSAY, SB_RULER_ESSAY, SB_RULER_WORDS, SB_RULER_NUMBERS, 4, 1,
         4),
    OTHER("vt", SB_RULER_VT, SB_RULER_MATCH_ALL, 0),
    OTHER("cwe", SB_RULER_CWE, SB_RULER_MATCH_ALL, WORDS),
    OTHER("fwe", SB_RULER_FWE, SB_RULER_MATCH_ALL, 0),
    OTHER("qa_1", SB_RULER_QA, SB_RULER_MATCH_PART, SB_RULER_NEEDS_SQUAD),
    OTHER("qa_2", SB_RULER_QA, SB_RULER_MATCH_PART, SB_RULER_NEEDS_HOTPOTQA),
    {0},
};

const sb_ruler_task *sb_ruler_task_find(const char *name)
{
    for (const sb_ruler_task *t = sb_ruler_tasks; t->name != NULL; t++)
        if (strcmp(t->name, name) == 0)
            return t;
    return NULL;
}
