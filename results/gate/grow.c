/* Arrays that grow by doubling, and the texts that findings and cells point to. */
#include <stdlib.h>
#include <string.h>

#include "results/gate/internal.h"

void *sbi_gate_grow(void *v, int64_t n, int64_t *capacity, size_t bytes)
{
    if (n < *capacity)
        return v;
    int64_t wider = *capacity == 0 ? 4 : 2 * *capacity;
    void   *moved = realloc(v, (size_t)wider * bytes);
    if (moved != NULL)
        *capacity = wider;
    return moved;
}

const char *sbi_gate_text(sbi_gate_texts *t, const char *text)
{
    if (text == NULL)
        return "";
    if (t->n > 0 && strcmp(t->v[t->n - 1], text) == 0)
        return t->v[t->n - 1];
    char **grown = sbi_gate_grow(t->v, t->n, &t->capacity, sizeof *t->v);
    if (grown == NULL)
        return NULL;
    t->v       = grown;
    t->v[t->n] = strdup(text);
    return t->v[t->n] == NULL ? NULL : t->v[t->n++];
}

void sbi_gate_texts_fini(sbi_gate_texts *t)
{
    for (int64_t i = 0; i < t->n; i++)
        free(t->v[i]);
    free(t->v);
    *t = (sbi_gate_texts){0};
}
