#include "workloads/synthetic/common.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/base/sha256.h"

/* The recipe names the rows to the last bit, so its hash is the identity: hashing the rows would
 * cost as much as making them and need all ranks. */
static sb_status identity(const sb_distribution *d, const sb_draw *draw, char hex[65])
{
    static const char form[] = "sb_operands/1"; /* changes with the list of fields below */
    sbi_sha256        h;
    char              text[128] = "";
    sb_status         st        = SB_OK;
    const int64_t     number[]  = {draw->heads,         draw->kv_heads,      draw->head_dim,
                                   draw->length_tokens, (int64_t)draw->seed, draw->row};
    sbi_sha256_init(&h);
    sbi_sha256_put(&h, form, sizeof form);
    sbi_sha256_put(&h, d->generator_version, strlen(d->generator_version) + 1);
    sbi_sha256_put(&h, d->name, strlen(d->name) + 1);
    for (size_t i = 0; i < sizeof number / sizeof *number; i++)
        sbi_sha256_put_i64(&h, number[i]);
    for (const sb_param *p = d->params; st == SB_OK && p->name != NULL; p++) {
        st = sb_param_json(p, draw->params, text, sizeof text);
        sbi_sha256_put(&h, p->name, strlen(p->name) + 1);
        sbi_sha256_put(&h, text, strlen(text) + 1);
    }
    sb_status hashed = sbi_sha256_hex(&h, hex); /* also frees, so always called */
    return st != SB_OK ? st : hashed;
}

static sb_status check(const sb_distribution *d, const sb_draw *w)
{
    if (w->head_dim < 16 || w->head_dim > SBI_MAX_HEAD_DIM || w->head_dim % 16 != 0)
        return sb_fail(SB_ERR_USAGE,
                       "%s: found head_dim %" PRId64 ", allowed a multiple of 16 up to %d", d->name,
                       w->head_dim, SBI_MAX_HEAD_DIM);
    if (w->heads < 1 || w->kv_heads < 1 || w->heads % w->kv_heads != 0)
        return sb_fail(SB_ERR_USAGE,
                       "%s: found %" PRId64 " query heads on %" PRId64
                       " KV heads, allowed a multiple",
                       d->name, w->heads, w->kv_heads);
    if (w->length_tokens < d->min_length(w->params))
        return sb_fail(SB_ERR_USAGE, "%s: found %" PRId64 " tokens, allowed at least %" PRId64,
                       d->name, w->length_tokens, d->min_length(w->params));
    return SB_OK;
}

sb_status sbi_synthetic_create(const sb_distribution *d, const sb_draw *draw,
                               const sb_operands_ops *ops, size_t impl_bytes, sb_operands **out)
{
    sb_status st = check(d, draw);
    if (st != SB_OK)
        return st;
    sb_operands *o = calloc(1, sizeof *o);
    if (o != NULL)
        o->impl = calloc(1, impl_bytes);
    if (o == NULL || o->impl == NULL) {
        free(o);
        return sb_fail(SB_ERR_NOMEM, "%s: no memory", d->name);
    }
    o->ops                           = ops;
    o->shape                         = (sb_operand_shape){.heads     = draw->heads,
                                                          .kv_heads  = draw->kv_heads,
                                                          .head_dim  = draw->head_dim,
                                                          .n_tokens  = draw->length_tokens,
                                                          .n_queries = draw->length_tokens};
    o->scale                         = (float)(1.0 / sqrt((double)draw->head_dim));
    ((sbi_synthetic *)o->impl)->seed = sb_mix(sb_mix(draw->seed) + (uint64_t)draw->row);
    if ((st = identity(d, draw, o->sha256)) != SB_OK) {
        sbi_synthetic_destroy(o);
        return st;
    }
    *out = o;
    return SB_OK;
}

void sbi_synthetic_destroy(sb_operands *o)
{
    free(o->spans);
    free(o->impl);
    free(o);
}

void sbi_to_bf16(const double *x, int64_t n, sb_bf16 *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = sb_bf16_from_f32((float)x[i]);
}

void sbi_fill_normal(const sb_operands *o, sbi_stream stream, int64_t head, int64_t first,
                     int64_t n, int64_t slot, const sb_tensor *out)
{
    double  x[SBI_MAX_HEAD_DIM];
    int64_t d = o->shape.head_dim;
    for (int64_t i = 0; i < n; i++) {
        sb_rng r = sbi_stream_at(sbi_seed_of(o), stream, head, first + i);
        sbi_normals(&r, d, x);
        sbi_to_bf16(x, d, sb_tensor_bf16(out, head, slot + i));
    }
}
