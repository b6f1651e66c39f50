/* Every model spanbench knows. */
#include <stddef.h>
#include <string.h>

#include "harness/model/model.h"
#include "harness/model/probe/probe.h"

const sb_model_ops *const sb_models[] = {&sb_model_probe, NULL};

const sb_model_ops *sb_model_find(const char *name)
{
    for (const sb_model_ops *const *m = sb_models; *m != NULL; m++)
        if (strcmp((*m)->name, name) == 0)
            return *m;
    return NULL;
}
