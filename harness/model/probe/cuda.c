/* The probe with its rows on the cuda backend: the same storage and maps, run there.
 *
 *   layout   residual rows, then what maps point at: 17 MB of codes, topic maps, rotations
 *   embed    token ids are copied, the rest is computed from them and from positions
 *   row      up to three rows of 256 bytes come back */
#include <string.h>

#include "harness/model/probe/state.h"
#include "kernels/base/backend.h"
#include "kernels/nn/probe_cuda.h"
#include "workloads/probe/vocab.h"

#define TOPIC_FLOATS                                                                               \
    ((int64_t)SB_PROBE_HEADS * SB_PROBE_DIM * SB_PROBE_TOPIC_PAD) /* of a level                    \
                                                                   */

static const sb_backend *const device = &sb_backend_cuda;

/* A table into room from the arena; over a counting one nothing moves. */
static sb_status move(sb_arena *a, const char *what, const void *from, int64_t count,
                      size_t elem_bytes, void **to)
{
    sb_status st = sb_arena_alloc(a, count, elem_bytes, what, to);
    if (st == SB_OK && !a->counting)
        st = device->copy(*to, from, (size_t)count * elem_bytes, SB_COPY_TO_DEVICE, NULL);
    return st;
}

static sb_status move_tables(const sb_probe *p, int32_t levels, sb_arena *a, sb_probe_tables *out)
{
    static const sb_bf16 one = 0x3F80;
    const struct {
        const char *what;
        const void *from;
        int64_t     count;
        size_t      elem_bytes;
    } tables[] = {
        {"probe codes", p->codes.content, (int64_t)SB_TOK_VOCAB * SB_PROBE_DIM, sizeof(sb_bf16)},
        {"probe salience codes", p->codes.salience, (int64_t)2 * SB_TOK_VOCAB * SB_PROBE_SALIENCE,
         sizeof(sb_bf16)},
        {"probe one", &one, 1, sizeof one},
        {"probe EQ code", p->eq_code, SB_PROBE_DIM, sizeof(float)},
        {"probe topic maps", p->topic_map, levels * TOPIC_FLOATS, sizeof(float)},
        {"probe rotations", p->turn, SB_PROBE_TURN_COUNT, sizeof(sb_probe_rotation)},
        {"probe permutation", p->permute, SB_PROBE_DIM, 1},
    };
    enum { N = sizeof tables / sizeof *tables };
    void     *at[N] = {NULL};
    sb_status st    = SB_OK;
    for (int i = 0; st == SB_OK && i < N; i++)
        st = move(a, tables[i].what, tables[i].from, tables[i].count, tables[i].elem_bytes, &at[i]);
    *out = (sb_probe_tables){.content   = at[0],
                             .salience  = at[1],
                             .one       = at[2],
                             .eq_code   = at[3],
                             .topic_map = at[4],
                             .turn      = at[5],
                             .permute   = at[6]};
    return st;
}

static sb_status layout(sb_model *m, const sb_input *in, int64_t rows, sb_arena *a)
{
    sb_probe       *p = m->impl;
    sb_probe_tables tables;
    sb_status       st     = sb_probe_layout_rows(m, in, rows, a);
    int32_t         levels = 2 + (in->profile == SB_PROFILE_VT ? in->hops : 0);
    if (st == SB_OK)
        st = move_tables(p, levels, a, &tables);
    if (st != SB_OK || a->counting)
        return st;
    p->tab = tables;
    return device->sync(NULL);
}

static sb_status embed_rows(const sb_probe *p, const int32_t *ids, int64_t row, int64_t pos,
                            int64_t n)
{
    const sb_probe_residual  *r    = &p->res;
    const sb_probe_embed_rows rows = {r->id,  r->value_id, r->agg_id, r->salient,
                                      r->bos, r->phi,      r->topic};
    sb_probe_embed_rule       rule = {.value_first = SB_TOK_VAL,
                                      .value_n     = SB_TOK_VAL_N,
                                      .agg_first   = SB_TOK_AGG,
                                      .agg_n       = SB_TOK_AGG_N,
                                      .none        = SB_TOK_BOS,
                                      .vocabulary  = SB_TOK_VOCAB,
                                      .n_context   = r->n_context};
    memcpy(rule.w, p->waves.w, sizeof rule.w);
    memcpy(rule.topic_w, p->waves.topic_w, sizeof rule.topic_w);
    memcpy(rule.topic_phase, p->waves.topic_phase, sizeof rule.topic_phase);
    sb_status st = device->copy(r->id + row, ids, (size_t)n * sizeof *ids, SB_COPY_TO_DEVICE, NULL);
    return st == SB_OK ? sb_probe_embed_cuda(&rule, &rows, row, pos, n, NULL) : st;
}

static sb_status embed(sb_model *m, const sb_input *in, const sb_gid *gid)
{
    const sb_probe *p     = m->impl;
    int64_t         first = 0;
    sb_status       st    = sb_probe_check_tokens(p, in, gid);
    for (int32_t i = 0; st == SB_OK && i < gid->n_runs; first += gid->run[i++].len)
        st = embed_rows(p, in->ids + gid->run[i].start, first, gid->run[i].start, gid->run[i].len);
    return st;
}

/* The copy of a few bytes from pageable memory has taken them when it returns. */
static sb_status embed_one(sb_model *m, const sb_input *in, int32_t id, int64_t pos)
{
    const sb_probe *p  = m->impl;
    sb_status       st = sb_probe_check_token(id, pos);
    (void)in;
    return st == SB_OK ? embed_rows(p, &id, p->res.rows, pos, 1) : st;
}

static sb_status qkv(sb_model *m, int32_t layer, int one_row, sb_tensor *q, sb_tensor *k,
                     sb_tensor *v)
{
    const sb_probe *p    = m->impl;
    int64_t         rows = one_row ? 1 : p->res.rows;
    sb_probe_map    map[SB_PROBE_MAPS];
    sb_bf16        *dst[SB_PROBE_MAPS];
    sb_status       st = sb_probe_qkv_maps(p, layer, rows, q, k, v, map, dst);
    return st == SB_OK ? sb_probe_maps_run_cuda(map, dst, SB_PROBE_MAPS, one_row ? p->res.rows : 0,
                                                rows, NULL)
                       : st;
}

/* Maps of k and v come first. */
static sb_status qkv_step(sb_model *m, int32_t layer, const sb_step *step, sb_tensor *q,
                          sb_tensor *k, sb_tensor *v)
{
    const sb_probe *p = m->impl;
    sb_probe_map    map[SB_PROBE_MAPS];
    sb_bf16        *dst[SB_PROBE_MAPS];
    sb_status       st = sb_probe_qkv_maps(p, layer, 1, q, k, v, map, dst);
    return st == SB_OK ? sb_probe_maps_step_cuda(map, dst, SB_PROBE_MAPS, 2 * SB_PROBE_KV_HEADS,
                                                 p->res.rows, step, NULL)
                       : st;
}

static sb_status absorb(sb_model *m, int32_t layer, int one_row, const sb_tensor *o)
{
    const sb_probe    *p    = m->impl;
    int64_t            rows = one_row ? 1 : p->res.rows;
    int64_t            row0 = one_row ? p->res.rows : 0;
    sb_probe_take_item item[SB_PROBE_HEADS];
    int32_t            n  = 0;
    sb_status          st = sb_probe_check_o(p, layer, rows, o);
    for (int32_t h = 0; st == SB_OK && h < SB_PROBE_HEADS; h++) {
        int32_t  dims;
        sb_bf16 *dst = sb_probe_writes(p, layer, h, &dims);
        if (dst != NULL)
            item[n++] = (sb_probe_take_item){sb_tensor_bf16(o, h, 0), dst + row0 * dims, dims};
    }
    return st == SB_OK ? sb_probe_take_cuda(item, n, rows, NULL) : st;
}

static sb_status row(const sb_model *m, int64_t at, float *out)
{
    const sb_probe          *p       = m->impl;
    const sb_probe_residual *r       = &p->res;
    const sb_bf16           *from[3] = {r->out_ngram, r->out_var, r->agr};
    sb_bf16                  got[3][SB_PROBE_DIM];
    sb_status                st = SB_OK;
    for (int i = 0; st == SB_OK && i < 3; i++)
        if (from[i] != NULL)
            st = device->copy(got[i], from[i] + (at < 0 ? r->rows : at) * SB_PROBE_DIM,
                              sizeof got[i], SB_COPY_TO_HOST, NULL);
    sb_status done = device->sync(NULL); /* also after an error: got goes */
    if (st == SB_OK)
        st = done;
    if (st == SB_OK)
        sb_probe_row_sum(from[0] != NULL ? got[0] : NULL, from[1] != NULL ? got[1] : NULL,
                         from[2] != NULL ? got[2] : NULL, out);
    return st;
}

const sb_model_ops sb_model_probe_cuda = {
    .name       = "probe",
    .summary    = "the probe with its rows on the cuda backend",
    .layout     = layout,
    .embed      = embed,
    .embed_one  = embed_one,
    .qkv        = qkv,
    .qkv_step   = qkv_step,
    .absorb     = absorb,
    .row_values = SB_PROBE_ROW_VALUES,
    .row        = row,
};
