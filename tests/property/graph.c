#include "tests/property/graph.h"

#include <stdlib.h>

void graph_reach(int64_t n, int64_t                                                      from,
                 int64_t (*row)(const void *state, int64_t b, int32_t *ids), const void *state,
                 int64_t layers, int64_t *blocks, int64_t *depth)
{
    int64_t *at  = malloc((size_t)n * sizeof *at);
    int32_t *ids = malloc((size_t)n * sizeof *ids);
    for (int64_t j = 0; j < n; j++)
        at[j] = -1;
    at[from]        = 0;
    int64_t reached = 0;
    for (int64_t k = 0; k < layers; k++) {
        for (int64_t b = 0; b < n; b++) {
            if (at[b] != k)
                continue;
            int64_t m = row(state, b, ids);
            for (int64_t i = 0; i < m; i++)
                if (at[ids[i]] < 0)
                    at[ids[i]] = k + 1;
        }
        reached = 0;
        for (int64_t j = 0; j < n; j++)
            reached += at[j] >= 0;
        blocks[k] = reached;
    }
    for (int64_t j = 0; depth != NULL && j < n; j++)
        depth[j] = at[j];
    free(at);
    free(ids);
}
