#include "kernels/exec/linear_scan_device.h"

int64_t sbi_scan_segment_tokens(int64_t heads, int64_t n)
{
    int64_t most = SBI_SCAN_ITEMS / heads, c = SBI_SCAN_CHUNK;
    int64_t tokens = (n + (most > 1 ? most : 1) - 1) / (most > 1 ? most : 1);
    tokens         = tokens > SBI_SCAN_SEGMENT_MIN ? tokens : SBI_SCAN_SEGMENT_MIN;
    return (tokens + c - 1) / c * c;
}

/* Several arrays of one arena; the first failure is kept. */
typedef struct taker {
    sb_arena *a;
    sb_status st;
} taker;

static void *take(taker *t, int64_t count, size_t bytes, const char *what)
{
    void *p = NULL;
    if (t->st == SB_OK)
        t->st = sb_arena_alloc(t->a, count, bytes, what, &p);
    return p;
}

/* Records of a rank and of a batch of others. DECAY hands states on where others' will be. */
static void take_records(taker *t, const sbi_scan_room *r, sbi_scan_device_room *out)
{
    int64_t floats = sbi_scan_records_floats(&r->scan, r->state_heads, r->d);
    if (r->ranks == 1 || r->is_decode)
        return;
    out->record = take(t, floats, sizeof(float), "records of the own tokens");
    out->others = out->hand;
    if (r->scan.rule != SB_SCAN_DECAY)
        out->others = take(t, SB_SCAN_BATCH * floats, sizeof(float), "records of other ranks");
}

sb_status sbi_scan_device_layout(sb_arena *a, const sbi_scan_room *r, int64_t n_tokens,
                                 sbi_scan_device_room *out)
{
    taker   t    = {a, SB_OK};
    int64_t most = SBI_SCAN_ITEMS / r->heads, states = r->state_heads * r->state_floats;
    int64_t segments = most > 1 ? most : 1, least = n_tokens / SBI_SCAN_SEGMENT_MIN + 1;
    segments    = segments < least ? segments : least;
    *out        = (sbi_scan_device_room){0};
    out->start  = take(&t, states, sizeof(float), "states at the start");
    out->entry  = take(&t, states * segments, sizeof(float), "states of segments");
    int64_t all = r->state_heads * segments * r->d;
    switch (r->scan.rule) {
    case SB_SCAN_DELTA:
        out->trans = take(&t, all * r->d, sizeof(float), "transitions of segments");
        out->bad   = take(&t, 1, sizeof *out->bad, "gates above 0");
        break;
    case SB_SCAN_GATE:
        out->gates = take(&t, all, sizeof *out->gates, "gates of segments");
        out->bad   = take(&t, 1, sizeof *out->bad, "gates above 0");
        break;
    case SB_SCAN_DECAY:
        out->flag_count = r->heads * 8 + 1;
        out->slope      = take(&t, r->state_heads, sizeof *out->slope, "decay of each head");
        out->hand       = take(&t, r->heads * SBI_SCAN_HAND_SLOTS * r->state_floats, sizeof(float),
                               "states handed on");
        out->flag       = take(&t, out->flag_count, sizeof *out->flag, "hand-over flags");
        break;
    default: /* means have nothing else */
        break;
    }
    take_records(&t, r, out);
    return t.st;
}

sb_status sbi_scan_device_check(const sbi_scan_room *r)
{
    if (r->scan.map == SB_SCAN_DPFP || r->scan.map == SB_SCAN_TAYLOR)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "feature_map: found %s, allowed maps of one channel to one on the cuda "
                       "backend",
                       r->scan.map == SB_SCAN_DPFP ? "dpfp" : "taylor");
    if (r->d != 64 && r->d != 128)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "attend: found head_dim %lld, allowed 64 and 128 on the cuda backend",
                       (long long)r->d);
    if (!r->recurrent && r->scan.rule != SB_SCAN_MEAN && r->scan.chunk_tokens != SBI_SCAN_CHUNK)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "chunk_tokens: found %lld, allowed %d on the cuda backend",
                       (long long)r->scan.chunk_tokens, (int)SBI_SCAN_CHUNK);
    if (r->ranks > 1 && r->is_decode)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "linear scan: found a decode step on %d ranks, allowed a prefill on the "
                       "cuda backend",
                       r->ranks);
    return SB_OK;
}

int64_t sb_scan_device_bytes(const sb_scan *scan, const sb_shape *shape)
{
    int64_t              states = scan->per_query_head ? shape->heads : shape->kv_heads;
    sb_shape             one    = {.heads = 1, .kv_heads = 1, .head_dim = shape->head_dim};
    sbi_scan_room        r      = {.scan        = *scan,
                                   .d           = shape->head_dim,
                                   .is_decode   = shape->is_decode,
                                   .heads       = shape->heads,
                                   .state_heads = states,
                                   .state_floats =
                                       (sb_scan_state_bytes(scan, &one) - (int64_t)sizeof(sbi_scan_state)) /
                                       (int64_t)sizeof(float)};
    sb_arena             a;
    sbi_scan_device_room room;
    sb_arena_init_count(&a);
    return sbi_scan_device_layout(&a, &r, shape->q_gid.n_tokens, &room) == SB_OK
               ? (int64_t)a.high_water_bytes
               : 0;
}
