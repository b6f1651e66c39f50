/* The probe's steps inside a layer on the CPU, and what they check on any backend. */
#include "harness/model/probe/state.h"

static sb_status check(const sb_probe *p, int32_t layer, const sb_tensor *t, int64_t heads,
                       int64_t rows, const char *name)
{
    if (layer < 0 || layer >= sb_probe_n_layers(p->res.profile, p->res.hops))
        return sb_fail(SB_ERR_INTERNAL, "probe: layer %d of %d", layer,
                       sb_probe_n_layers(p->res.profile, p->res.hops));
    if (t->dtype != SB_BF16 || t->heads != heads || t->dim != SB_PROBE_DIM || t->tokens < rows)
        return sb_fail(SB_ERR_INTERNAL,
                       "probe: %s is [%lld][%lld][%lld], expected bf16 [%lld][>= %lld][%d]", name,
                       (long long)t->heads, (long long)t->tokens, (long long)t->dim,
                       (long long)heads, (long long)rows, SB_PROBE_DIM);
    return SB_OK;
}

sb_status sb_probe_check_o(const sb_probe *p, int32_t layer, int64_t rows, const sb_tensor *o)
{
    return check(p, layer, o, SB_PROBE_HEADS, rows, "o");
}

sb_status sb_probe_qkv_maps(const sb_probe *p, int32_t layer, int64_t rows, const sb_tensor *q,
                            const sb_tensor *k, const sb_tensor *v, sb_probe_map *map,
                            sb_bf16 **dst)
{
    sb_status st = check(p, layer, q, SB_PROBE_HEADS, rows, "q");
    if (st == SB_OK)
        st = check(p, layer, k, SB_PROBE_KV_HEADS, rows, "k");
    if (st == SB_OK)
        st = check(p, layer, v, SB_PROBE_KV_HEADS, rows, "v");
    if (st != SB_OK)
        return st;
    sb_probe_maps_of(p, layer, map);
    for (int32_t h = 0; h < SB_PROBE_KV_HEADS; h++) {
        dst[h]                     = sb_tensor_bf16(k, h, 0);
        dst[SB_PROBE_KV_HEADS + h] = sb_tensor_bf16(v, h, 0);
    }
    for (int32_t h = 0; h < SB_PROBE_HEADS; h++)
        dst[2 * SB_PROBE_KV_HEADS + h] = sb_tensor_bf16(q, h, 0);
    return SB_OK;
}

sb_status sb_probe_qkv(sb_model *m, int32_t layer, int one_row, sb_tensor *q, sb_tensor *k,
                       sb_tensor *v)
{
    const sb_probe *p    = m->impl;
    int64_t         rows = one_row ? 1 : p->res.rows;
    sb_probe_map    map[SB_PROBE_MAPS];
    sb_bf16        *dst[SB_PROBE_MAPS];
    sb_status       st = sb_probe_qkv_maps(p, layer, rows, q, k, v, map, dst);
    if (st == SB_OK)
        sb_probe_maps_run(map, dst, SB_PROBE_MAPS, one_row ? p->res.rows : 0, rows, p->threads);
    return st;
}

sb_status sb_probe_absorb(sb_model *m, int32_t layer, int one_row, const sb_tensor *o)
{
    const sb_probe *p    = m->impl;
    int64_t         rows = one_row ? 1 : p->res.rows;
    int64_t         row0 = one_row ? p->res.rows : 0;
    sb_status       st   = sb_probe_check_o(p, layer, rows, o);
    for (int32_t h = 0; st == SB_OK && h < SB_PROBE_HEADS; h++) {
        int32_t  dims;
        sb_bf16 *dst = sb_probe_writes(p, layer, h, &dims);
        if (dst != NULL)
            sb_probe_take(sb_tensor_bf16(o, h, 0), rows, dims, dst + row0 * dims, p->threads);
    }
    return st;
}
