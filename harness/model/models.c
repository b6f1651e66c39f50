/* Every model spanbench knows. */
#include <stddef.h>
#include <string.h>

#include "harness/model/checkpoint/llama.h"
#include "harness/model/model.h"
#include "harness/model/probe/probe.h"

const sb_model_ops *const sb_models[] = {&sb_model_probe, &sb_model_llama, NULL};

const sb_model_ops *sb_model_find(const char *name)
{
    for (const sb_model_ops *const *m = sb_models; *m != NULL; m++)
        if (strcmp((*m)->name, name) == 0)
            return *m;
    return NULL;
}

sb_model_desc sb_model_describe(const sb_model_ops *m)
{
    return (sb_model_desc){.name         = m->name,
                           .params       = m->params,
                           .params_bytes = m->params_bytes,
                           .suites       = m->suites,
                           .reads_text   = m->read != NULL,
                           .look         = m->look};
}
