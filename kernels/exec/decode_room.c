#include "kernels/exec/attend.h"
#include "kernels/exec/decode_split.h"

int64_t sb_attend_step_bytes(const sb_shape *s)
{
    sb_arena room;
    void    *none   = NULL;
    int64_t  tiles  = s->kv_heads * sb_decode_row_tiles(s->heads / s->kv_heads);
    int64_t  splits = SB_DECODE_STEP_CTAS / tiles > 1 ? SB_DECODE_STEP_CTAS / tiles : 1;
    sb_arena_init_count(&room);
    (void)sb_arena_alloc(&room, splits * s->heads * (s->head_dim + 1), sizeof(float), "partials",
                         &none);
    return (int64_t)room.high_water_bytes;
}
