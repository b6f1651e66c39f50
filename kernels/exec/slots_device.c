#include "kernels/exec/attend.h"

int64_t sb_attend_slots_bytes(const sb_shape *shape)
{
    const int64_t most = INT64_C(1) << 31;
    int64_t       head = 2 * shape->n_keys * shape->head_dim * (int64_t)sizeof(sb_bf16);
    int64_t       n    = most / head < shape->heads ? most / head : shape->heads;
    return (n > 1 ? n : 1) * head + 2 * SB_ARENA_ALIGN;
}
