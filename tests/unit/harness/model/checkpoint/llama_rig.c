#include "tests/unit/harness/model/checkpoint/llama_rig.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/model/checkpoint/llama_state.h"
#include "harness/model/forward_parts.h"
#include "kernels/registry.h"
#include "tests/text_params.h"

void llama_ids(const llama_run *r, int32_t *ids)
{
    uint64_t x = r->seed + 1;
    if (r->ids != NULL) {
        memcpy(ids, r->ids, (size_t)r->n_tokens * sizeof *ids);
        return;
    }
    for (int64_t i = 0; i < r->n_tokens; i++) {
        x      = x * 6364136223846793005u + 1442695040888963407u;
        ids[i] = (int32_t)(3 + (x >> 33) % 250);
    }
}

/* A prompt, then max_new emissions, each fed back but the last. */
static void make_input(const llama_run *r, int64_t vocab, sb_input *in)
{
    *in        = (sb_input){.n_tokens  = r->n_tokens,
                            .n_context = r->n_tokens,
                            .n_script  = r->max_new > 0 ? 2 * r->max_new - 1 : 0};
    in->ids    = calloc((size_t)r->n_tokens, sizeof *in->ids);
    in->script = calloc((size_t)in->n_script + 1, sizeof *in->script);
    in->stops  = calloc(1, sizeof *in->stops);
    ck_assert(in->ids != NULL && in->script != NULL && in->stops != NULL);
    llama_ids(r, in->ids);
    in->stops[0] = r->stop;
    in->n_stops  = r->stop != 0;
    for (int64_t i = 0; i < in->n_script; i++)
        in->script[i] = i % 2 == 0 ? (sb_script_op){SB_SCRIPT_EMIT, 0, (int32_t)vocab, 0}
                                   : (sb_script_op){SB_SCRIPT_FEED_EMIT, (int32_t)(i / 2), 0, 0};
    ck_assert_int_eq(sb_input_seal(in), SB_OK);
}

static sb_status passes(const llama_run *r, const sb_forward_config *cfg, const sb_input *in,
                        llama_out *out)
{
    sb_forward_room room  = {0};
    sb_forward     *f     = NULL;
    void           *block = NULL;
    sb_status       st    = sb_forward_bytes(cfg, in, &room);
    if (st != SB_OK)
        return st;
    out->room = room;
    block = aligned_alloc(SB_ARENA_ALIGN, (room.host_bytes + 63) / 64 * 64);
    ck_assert_ptr_nonnull(block);
    st = sb_forward_create(cfg, in, block, room.host_bytes, &f);
    if (st == SB_OK)
        st = sb_forward_prefill(f, NULL, NULL, NULL);
    for (int64_t i = 0; st == SB_OK && i < r->n_tokens; i++)
        st = sb_forward_row(f, i, out->logits + i * out->vocab);
    if (st == SB_OK)
        st = sb_forward_decode(f, out->emitted, NULL);
    if (st == SB_OK) {
        ck_assert(sb_forward_canaries_intact(f));
        out->device_bytes = sb_forward_device_bytes(f);
        out->graphs       = *sb_forward_graphs(f);
        memcpy(out->last, f->row, (size_t)out->vocab * sizeof *out->last);
    }
    sb_forward_destroy(f);
    free(block);
    return st;
}

sb_status llama_forward(const llama_run *r, sb_comm *comm, llama_out *out)
{
    _Alignas(16) unsigned char method_params[4096], next_params[4096];
    const char                *params = r->params != NULL ? r->params : "";
    const sb_method           *dense = sb_method_find("dense");
    const sb_method           *m     = r->method != NULL ? sb_method_find(r->method) : dense;
    const sb_method           *next   = r->decode != NULL ? sb_method_find(r->decode) : dense;
    sb_method                  method, decode;
    sb_llama_params            par   = {.extrapolate = r->extrapolate};
    sb_checkpoint             *c     = NULL;
    sb_model                  *model = NULL;
    sb_input                   in;
    ck_assert(dense != NULL && m != NULL);
    ck_assert_int_eq(text_params(m, params, method_params), SB_OK);
    ck_assert_int_eq(text_params(next, next == m ? params : "", next_params), SB_OK);
    sb_status st = sb_checkpoint_open(r->path, &c);
    if (st == SB_OK)
        st = sb_llama_create(c, &par, r->threads > 0 ? r->threads : 1, &model);
    if (st != SB_OK) {
        sb_checkpoint_close(c);
        return st;
    }
    *out         = (llama_out){.vocab = sb_checkpoint_config(c)->vocab};
    out->logits  = calloc((size_t)(r->n_tokens * out->vocab), sizeof *out->logits);
    out->emitted = calloc((size_t)r->max_new + 1, sizeof *out->emitted);
    out->last    = calloc((size_t)out->vocab, sizeof *out->last);
    ck_assert(out->logits != NULL && out->emitted != NULL && out->last != NULL);
    make_input(r, out->vocab, &in);
    method = *m;
    decode = *next;
    if (r->attend != NULL)
        method.attend[SB_CUDA] = decode.attend[SB_CUDA] = r->attend;
    if (r->steps != NULL)
        sbi_llama_on_device(model->impl, r->steps);
    sb_forward_config cfg = {.model         = model,
                             .method        = &method,
                             .method_params = method_params,
                             .decode_method = &decode,
                             .decode_params = next_params,
                             .backend     = r->steps != NULL ? r->steps->backend : &sb_backend_cpu,
                             .comm        = comm,
                             .link        = r->link,
                             .layout      = r->layout,
                             .threads     = r->threads > 0 ? r->threads : 1,
                             .graphs      = r->graphs,
                             .arena_flags = SB_ARENA_GUARD};
    st                    = passes(r, &cfg, &in, out);
    sb_input_fini(&in);
    model->ops->destroy(model);
    sb_checkpoint_close(c);
    if (st != SB_OK)
        llama_free(out);
    return st;
}

void llama_free(llama_out *o)
{
    free(o->logits);
    free(o->emitted);
    free(o->last);
    *o = (llama_out){0};
}

/* ---- the oracle ---- */

typedef struct oracle {
    const sb_model_config *c;
    int64_t                n;
    double                *x, *y, *q, *k, *v, *o, *gate, *up;
} oracle;

static double *room(int64_t n)
{
    double *p = calloc((size_t)n, sizeof *p);
    ck_assert_ptr_nonnull(p);
    return p;
}

static void multiply(const sb_matrix *w, const double *x, int64_t n, double *y, int add)
{
    float *row = calloc((size_t)w->cols, sizeof *row);
    for (int64_t o = 0; o < w->rows; o++) {
        ck_assert(sb_matrix_row(w, o, row));
        for (int64_t t = 0; t < n; t++) {
            double sum = w->bias != NULL ? (double)w->bias[o] : 0;
            for (int64_t i = 0; i < w->cols; i++)
                sum += (double)row[i] * x[t * w->cols + i];
            y[t * w->rows + o] = sum + (add ? y[t * w->rows + o] : 0);
        }
    }
    free(row);
}

static void normalise(const oracle *a, const float *weight)
{
    int64_t w = a->c->width;
    for (int64_t t = 0; t < a->n; t++) {
        double sum = 0;
        for (int64_t i = 0; i < w; i++)
            sum += a->x[t * w + i] * a->x[t * w + i];
        for (int64_t i = 0; i < w; i++)
            a->y[t * w + i] =
                a->x[t * w + i] / sqrt(sum / (double)w + a->c->eps) * (double)weight[i];
    }
}

/* Half-split rotation; the angle's frequency as fp32, as the rule is. */
static void turn(const oracle *a, double *x, int64_t heads)
{
    float   f[SB_ROPE_MAX_PAIRS], m;
    int64_t d = a->c->head_dim;
    ck_assert_int_eq(sb_rope_frequencies(&a->c->rope, a->n, f, &m), SB_OK);
    for (int64_t t = 0; t < a->n; t++)
        for (int64_t h = 0; h < heads; h++)
            for (int64_t i = 0; i < d / 2; i++) {
                double *p = x + (t * heads + h) * d + i, p0 = p[0], p1 = p[d / 2];
                double  angle = (double)((float)t * f[i]);
                p[0]          = (double)m * (p0 * cos(angle) - p1 * sin(angle));
                p[d / 2]      = (double)m * (p1 * cos(angle) + p0 * sin(angle));
            }
}

static void attend(const oracle *a)
{
    int64_t h_q = a->c->heads, h_k = a->c->kv_heads, d = a->c->head_dim;
    double *w = room(a->n);
    for (int64_t h = 0; h < h_q; h++)
        for (int64_t t = 0; t < a->n; t++) {
            double sum = 0, *to = a->o + (t * h_q + h) * d;
            for (int64_t j = 0; j <= t; j++) {
                double s = 0;
                for (int64_t i = 0; i < d; i++)
                    s += a->q[(t * h_q + h) * d + i] * a->k[(j * h_k + h * h_k / h_q) * d + i];
                w[j] = exp(s / sqrt((double)d));
                sum += w[j];
            }
            memset(to, 0, (size_t)d * sizeof *to);
            for (int64_t j = 0; j <= t; j++)
                for (int64_t i = 0; i < d; i++)
                    to[i] += w[j] / sum * a->v[(j * h_k + h * h_k / h_q) * d + i];
        }
    free(w);
}

static void layer(const oracle *a, const sb_layer_weights *w)
{
    normalise(a, w->norm1);
    multiply(&w->q, a->y, a->n, a->q, 0);
    multiply(&w->k, a->y, a->n, a->k, 0);
    multiply(&w->v, a->y, a->n, a->v, 0);
    turn(a, a->q, a->c->heads);
    turn(a, a->k, a->c->kv_heads);
    attend(a);
    multiply(&w->o, a->o, a->n, a->x, 1);
    normalise(a, w->norm2);
    multiply(&w->gate, a->y, a->n, a->gate, 0);
    multiply(&w->up, a->y, a->n, a->up, 0);
    for (int64_t i = 0; i < a->n * a->c->mlp_width; i++)
        a->gate[i] = a->gate[i] / (1 + exp(-a->gate[i])) * a->up[i];
    multiply(&w->down, a->gate, a->n, a->x, 1);
}

void llama_oracle(const llama_run *r, double *logits)
{
    sb_checkpoint *ck  = NULL;
    int64_t        n   = r->n_tokens;
    int32_t       *ids = calloc((size_t)n, sizeof *ids);
    float         *row;
    ck_assert_msg(sb_checkpoint_open(r->path, &ck) == SB_OK, "%s", sb_error_text());
    const sb_model_config *c  = sb_checkpoint_config(ck);
    int64_t                hq = c->heads * c->head_dim, hk = c->kv_heads * c->head_dim;
    oracle                 a = {c,
                                n,
                                room(n * c->width),
                                room(n * c->width),
                                room(n * hq),
                                room(n * hk),
                                room(n * hk),
                                room(n * hq),
                                room(n * c->mlp_width),
                                room(n * c->mlp_width)};
    row                      = calloc((size_t)c->width, sizeof *row);
    llama_ids(r, ids);
    for (int64_t t = 0; t < n; t++) {
        ck_assert(sb_matrix_row(sb_checkpoint_embedding(ck), ids[t], row));
        for (int64_t i = 0; i < c->width; i++)
            a.x[t * c->width + i] = (double)row[i];
    }
    for (int64_t l = 0; l < c->n_layers; l++)
        layer(&a, sb_checkpoint_layer(ck, l));
    normalise(&a, sb_checkpoint_norm(ck));
    multiply(sb_checkpoint_head(ck), a.y, n, logits, 0);
    double *all[] = {a.x, a.y, a.q, a.k, a.v, a.o, a.gate, a.up};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    free(row);
    free(ids);
    sb_checkpoint_close(ck);
}

double llama_nmse(const float *a, const double *b, int64_t n)
{
    double d = 0, s = 0;
    for (int64_t i = 0; i < n; i++) {
        d += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        s += b[i] * b[i];
    }
    return d / s;
}

double llama_nmse_f(const float *a, const float *b, int64_t n)
{
    double d = 0, s = 0;
    for (int64_t i = 0; i < n; i++) {
        d += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        s += (double)b[i] * (double)b[i];
    }
    return d / s;
}

llama_out llama_must(const llama_run *r, sb_comm *comm)
{
    llama_out o;
    ck_assert_msg(llama_forward(r, comm, &o) == SB_OK, "%s", sb_error_text());
    return o;
}
