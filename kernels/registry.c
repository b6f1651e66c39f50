#include "kernels/registry.h"

#include <string.h>

#include "kernels/a_shape/a_shape.h"
#include "kernels/anchor_attention/anchor_attention.h"
#include "kernels/dense/dense.h"
#include "kernels/flexprefill/flexprefill.h"
#include "kernels/hip/hip.h"
#include "kernels/lightning/lightning.h"
#include "kernels/linear/linear.h"
#include "kernels/minference/minference.h"
#include "kernels/pbs_attn/pbs_attn.h"
#include "kernels/power_attention/power_attention.h"
#include "kernels/random_blocks/random_blocks.h"
#include "kernels/streaming_llm/streaming_llm.h"
#include "kernels/xattention/xattention.h"

/* One line a method, in the order `list methods` shows them. */
/* clang-format off */
const sb_method *const sb_methods[] = {
    &sb_dense,
    &sb_a_shape,
    &sb_streaming_llm,
    &sb_power_attention,
    &sb_random_blocks,
    &sb_minference,
    &sb_xattention,
    &sb_anchor_attention,
    &sb_pbs_attn,
    &sb_flexprefill,
    &sb_hip,
    &sb_lightning,
    &sb_linear,
    NULL,
};
/* clang-format on */

const sb_method *sb_method_find(const char *name)
{
    for (size_t i = 0; sb_methods[i] != NULL; i++)
        if (strcmp(sb_methods[i]->name, name) == 0)
            return sb_methods[i];
    return NULL;
}
