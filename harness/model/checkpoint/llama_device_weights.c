/* Weights on a device: room for all of them first, then layer by layer
 *
 *   file (mapped) -> rows expanded, rounded to bf16 -> staging buffers, pinned -> device
 *
 * with two buffers: while one is copied the other is filled. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <omp.h>

#include "harness/model/checkpoint/llama_state.h"
#include "kernels/base/log.h"
#include "kernels/base/phase.h"

enum { STAGES = 2, STAGE_BYTES = 32 << 20, EVEN = 8 /* numbers of 16 bytes */ };

static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

/* ---- room ---- */

static sb_status take(sb_arena *a, int64_t count, size_t bytes, void *out)
{
    void     *p  = NULL;
    sb_status st = sb_arena_alloc(a, count, bytes, "weights", &p);
    memcpy(out, &p, sizeof p);
    return st;
}

static sb_status take_bias(sb_arena *a, int64_t count, int wanted, float **out)
{
    *out = NULL;
    return wanted ? take(a, count, sizeof **out, out) : SB_OK;
}

static sb_status lay_out_layer(const sb_model_config *c, const sb_layer_weights *w, sb_arena *a,
                               sbi_layer_there *out)
{
    int64_t   q = c->heads * c->head_dim, qkv = q + 2 * c->kv_heads * c->head_dim;
    sb_status st;
    if ((st = take(a, qkv * c->width, sizeof *out->qkv, &out->qkv)) != SB_OK ||
        (st = take(a, c->width * q, sizeof *out->o, &out->o)) != SB_OK ||
        (st = take(a, 2 * c->mlp_width * c->width, sizeof *out->gate_up, &out->gate_up)) != SB_OK ||
        (st = take(a, c->width * c->mlp_width, sizeof *out->down, &out->down)) != SB_OK ||
        (st = take(a, c->width, sizeof *out->norm1, &out->norm1)) != SB_OK ||
        (st = take(a, c->width, sizeof *out->norm2, &out->norm2)) != SB_OK ||
        (st = take_bias(a, qkv, w->q.bias != NULL || w->k.bias != NULL || w->v.bias != NULL,
                        &out->qkv_bias)) != SB_OK ||
        (st = take_bias(a, c->width, w->o.bias != NULL, &out->o_bias)) != SB_OK ||
        (st = take_bias(a, 2 * c->mlp_width, w->gate.bias != NULL || w->up.bias != NULL,
                        &out->gate_up_bias)) != SB_OK)
        return st;
    return take_bias(a, c->width, w->down.bias != NULL, &out->down_bias);
}

/* Over a counting arena too; layers NULL: only what they take. */
static sb_status lay_out(const sb_checkpoint *ck, sb_arena *a, sbi_llama_there *t,
                         sbi_layer_there *layers)
{
    const sb_model_config *c     = sb_checkpoint_config(ck);
    int                    tied  = c->tied > 0;
    int64_t                words = c->vocab * c->width;
    sbi_layer_there        none;
    sb_status              st = take(a, words, sizeof *t->embedding, &t->embedding);
    t->head                   = t->embedding;
    if (st == SB_OK && !tied)
        st = take(a, words, sizeof *t->head, &t->head);
    if (st == SB_OK)
        st = take(a, c->width, sizeof *t->norm, &t->norm);
    for (int64_t i = 0; st == SB_OK && i < c->n_layers; i++)
        st = lay_out_layer(c, sb_checkpoint_layer(ck, i), a, layers != NULL ? &layers[i] : &none);
    return st;
}

static size_t bytes_of(const sb_checkpoint *c)
{
    sb_arena        a;
    sbi_llama_there t;
    sb_arena_init_count(&a);
    (void)lay_out(c, &a, &t, NULL); /* only a size beyond size_t could fail */
    return a.high_water_bytes;
}

int64_t sbi_llama_kept_bytes(const sb_model *m)
{
    return (int64_t)bytes_of(((const sbi_llama *)m->impl)->c);
}

/* ---- upload ---- */

typedef struct uploader {
    const sb_backend *b;
    const char       *path;
    unsigned char    *stage[STAGES];
    void             *stream[STAGES];
    size_t            stage_bytes;
    int               next;
    float            *scratch; /* [threads][widest] */
    int64_t           widest;
    int32_t           threads;
    /* of weights that no file has */
    const sb_device_rows *steps;
    uint64_t              drawn; /* matrices: each has its seed */
    float                 sd;
} uploader;

static void uploader_fini(uploader *u)
{
    for (int i = 0; i < STAGES; i++) /* first: copies may be under way after an error */
        if (u->stream[i] != NULL)
            u->b->stream_close(u->stream[i]);
    for (int i = 0; i < STAGES; i++)
        if (u->stage[i] != NULL)
            u->b->pinned_free(u->stage[i]);
    free(u->scratch);
}

static sb_status uploader_init(uploader *u, const sbi_llama *l)
{
    const sb_model_config *c = sb_checkpoint_config(l->c);
    int64_t                wide =
        max_i64(max_i64(c->width, 2 * c->mlp_width), (c->heads + 2 * c->kv_heads) * c->head_dim);
    sb_status st = SB_OK;
    *u           = (uploader){.b       = l->there.steps->backend,
                              .path    = sb_checkpoint_path(l->c),
                              .widest  = wide,
                              .threads = l->threads,
                              .steps   = l->there.steps,
                              .sd      = (float)c->init_sd};
    /* one row of a matrix at least, and any vector */
    u->stage_bytes = (size_t)max_i64(STAGE_BYTES, wide * (int64_t)sizeof(float));
    u->scratch     = malloc((size_t)(wide * u->threads) * sizeof *u->scratch);
    if (u->scratch == NULL)
        st = sb_fail(SB_ERR_NOMEM, "%s: no memory to expand rows of weights", u->path);
    for (int i = 0; st == SB_OK && i < STAGES; i++) {
        void *p = NULL;
        if ((st = u->b->pinned_alloc(u->stage_bytes, &p)) != SB_OK)
            break;
        u->stage[i] = p;
        st          = u->b->stream_open(&u->stream[i]);
    }
    if (st != SB_OK)
        uploader_fini(u);
    return st;
}

/* The buffer to fill next: what was copied from it is there. */
static sb_status begin(uploader *u, unsigned char **out)
{
    *out = u->stage[u->next];
    return u->b->sync(u->stream[u->next]);
}

static sb_status send(uploader *u, void *to, size_t bytes)
{
    int k   = u->next;
    u->next = (k + 1) % STAGES;
    return u->b->copy(to, u->stage[k], bytes, SB_COPY_TO_DEVICE, u->stream[k]);
}

static sb_status put_matrix(uploader *u, const char *name, const sb_matrix *w, sb_bf16 *to)
{
    int64_t row_bytes = w->cols * (int64_t)sizeof *to, step = (int64_t)u->stage_bytes / row_bytes;
    _Atomic int64_t bad = -1;
    sb_status       st  = SB_OK;
    if (w->data == NULL)
        return u->steps->draw(to, w->rows * w->cols, ++u->drawn, u->sd, u->stream[0]);
    for (int64_t first = 0; st == SB_OK && first < w->rows; first += step) {
        int64_t        n = w->rows - first < step ? w->rows - first : step;
        unsigned char *stage;
        if ((st = begin(u, &stage)) != SB_OK)
            break;
#pragma omp parallel for schedule(static) num_threads(u->threads)
        for (int64_t r = 0; r < n; r++)
            if (!sb_matrix_row_bf16(w, first + r, u->scratch + omp_get_thread_num() * u->widest,
                                    (sb_bf16 *)(void *)(stage + r * row_bytes)))
                atomic_store(&bad, first + r);
        st = bad < 0 ? send(u, to + first * w->cols, (size_t)(n * row_bytes))
                     : sb_fail(SB_ERR_USAGE,
                               "%s: weights `%s`: row %lld: found a scale that is no finite "
                               "number, allowed one",
                               u->path, name, (long long)bad);
    }
    return st;
}

/* Vectors one behind the other; a NULL one: zeros. */
static sb_status put_vectors(uploader *u, const float *const *from, const int64_t *n, int count,
                             float *to)
{
    unsigned char *stage;
    int64_t        at = 0;
    if (to == NULL)
        return SB_OK;
    sb_status st = begin(u, &stage);
    for (int i = 0; st == SB_OK && i < count; at += n[i++]) {
        float *part = (float *)(void *)stage + at;
        if (from[i] != NULL)
            memcpy(part, from[i], (size_t)n[i] * sizeof *part);
        else
            memset(part, 0, (size_t)n[i] * sizeof *part);
    }
    return st == SB_OK ? send(u, to, (size_t)at * sizeof *to) : st;
}

static sb_status put_vector(uploader *u, const float *from, int64_t n, float *to)
{
    return put_vectors(u, &from, &n, 1, to);
}

static sb_status put_matrices(uploader *u, const sb_model_config *c, const sb_layer_weights *w,
                              const sbi_layer_there *to)
{
    int64_t   q = c->heads * c->head_dim * c->width, kv = c->kv_heads * c->head_dim * c->width;
    sb_status st;
    if ((st = put_matrix(u, "q", &w->q, to->qkv)) != SB_OK ||
        (st = put_matrix(u, "k", &w->k, to->qkv + q)) != SB_OK ||
        (st = put_matrix(u, "v", &w->v, to->qkv + q + kv)) != SB_OK ||
        (st = put_matrix(u, "o", &w->o, to->o)) != SB_OK ||
        (st = put_matrix(u, "gate", &w->gate, to->gate_up)) != SB_OK ||
        (st = put_matrix(u, "up", &w->up, to->gate_up + c->mlp_width * c->width)) != SB_OK)
        return st;
    return put_matrix(u, "down", &w->down, to->down);
}

static sb_status put_layer(uploader *u, const sb_model_config *c, const sb_layer_weights *w,
                           const sbi_layer_there *to)
{
    const float *const qkv[]   = {w->q.bias, w->k.bias, w->v.bias};
    const float *const gu[]    = {w->gate.bias, w->up.bias};
    const int64_t      qkv_n[] = {w->q.rows, w->k.rows, w->v.rows};
    const int64_t      gu_n[]  = {c->mlp_width, c->mlp_width};
    sb_status          st;
    if ((st = put_matrices(u, c, w, to)) != SB_OK ||
        (st = put_vector(u, w->norm1, c->width, to->norm1)) != SB_OK ||
        (st = put_vector(u, w->norm2, c->width, to->norm2)) != SB_OK ||
        (st = put_vectors(u, qkv, qkv_n, 3, to->qkv_bias)) != SB_OK ||
        (st = put_vector(u, w->o.bias, c->width, to->o_bias)) != SB_OK ||
        (st = put_vectors(u, gu, gu_n, 2, to->gate_up_bias)) != SB_OK)
        return st;
    return put_vector(u, w->down.bias, c->width, to->down_bias);
}

static sb_status upload(const sbi_llama *l)
{
    const sbi_llama_there *t = &l->there;
    const sb_model_config *c = sb_checkpoint_config(l->c);
    uploader               u;
    sb_status              st = uploader_init(&u, l);
    if (st != SB_OK)
        return st;
    st = put_matrix(&u, "embedding", sb_checkpoint_embedding(l->c), t->embedding);
    if (st == SB_OK && t->head != t->embedding)
        st = put_matrix(&u, "head", sb_checkpoint_head(l->c), t->head);
    if (st == SB_OK)
        st = put_vector(&u, sb_checkpoint_norm(l->c), c->width, t->norm);
    for (int64_t i = 0; st == SB_OK && i < c->n_layers; i++)
        st = put_layer(&u, c, sb_checkpoint_layer(l->c, i), &t->layers[i]);
    for (int i = 0; i < STAGES; i++) { /* also after an error: the buffers go */
        sb_status done = u.b->sync(u.stream[i]);
        st             = st == SB_OK ? done : st;
    }
    uploader_fini(&u);
    return st;
}

/* ---- load ---- */

/* Rows of all kinds begin at multiples of 16 bytes. */
static sb_status check_shape(const sbi_llama *l)
{
    const sb_model_config *c = sb_checkpoint_config(l->c);
    const struct {
        const char *what;
        int64_t     n;
    } sizes[] = {
        {"hidden size", c->width}, {"intermediate size", c->mlp_width}, {"head dims", c->head_dim}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].n % EVEN != 0)
            return sb_fail(SB_ERR_UNSUPPORTED,
                           "%s: found %lld %s, allowed multiples of %d on backend %s",
                           sb_checkpoint_path(l->c), (long long)sizes[i].n, sizes[i].what,
                           (int)EVEN, l->there.steps->backend->name);
    return SB_OK;
}

static sb_status check_room(const sbi_llama *l, size_t weights, size_t beside)
{
    const sb_backend *b    = l->there.steps->backend;
    int64_t           left = INT64_MAX;
    sb_status         st   = b->room != NULL ? b->room(&left) : SB_OK;
    if (st != SB_OK || (int64_t)(weights + beside) <= left)
        return st;
    return sb_fail(
        SB_ERR_NO_FIT,
        "%s: needs %.2f GiB on the device, %.2f GiB for %sweights and %.2f GiB for rows, "
        "caches and attention; %.2f GiB are free",
        sb_checkpoint_path(l->c), (double)(weights + beside) / 0x1p30, (double)weights / 0x1p30,
        weights == 0 ? "more " : "", (double)beside / 0x1p30, (double)left / 0x1p30);
}

static void unload(sbi_llama *l)
{
    sbi_llama_there *t = &l->there;
    if (t->block != NULL)
        t->steps->backend->free(t->block);
    if (t->passing != NULL)
        t->steps->backend->pinned_free(t->passing);
    free(t->layers);
    t->block   = NULL;
    t->passing = NULL;
    t->layers  = NULL;
}

static sb_status load(sbi_llama *l, size_t bytes)
{
    sbi_llama_there       *t  = &l->there;
    const sb_model_config *c  = sb_checkpoint_config(l->c);
    int64_t                t0 = sb_now_ns();
    sb_arena               a;
    t->layers = calloc((size_t)c->n_layers, sizeof *t->layers);
    if (t->layers == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory for %lld layers", sb_checkpoint_path(l->c),
                       (long long)c->n_layers);
    sb_status st = t->steps->backend->alloc(bytes, &t->block);
    if (st == SB_ERR_NOMEM)
        return sb_fail(SB_ERR_NO_FIT, "%s: needs %.2f GiB on the device for its weights",
                       sb_checkpoint_path(l->c), (double)bytes / 0x1p30);
    if (st != SB_OK)
        return st;
    void *passing = NULL;
    if ((st = t->steps->backend->pinned_alloc((size_t)c->vocab * sizeof *t->passing, &passing)) !=
        SB_OK)
        return st;
    t->passing = passing;
    sb_arena_init(&a, t->block, bytes, SB_ARENA_PLAIN); /* the host writes no guards there */
    if ((st = lay_out(l->c, &a, t, t->layers)) == SB_OK)
        st = upload(l);
    if (st == SB_OK)
        sb_log(SB_LOG_INFO, "%s: %.2f GiB of weights to the device in %.1f s",
               sb_checkpoint_path(l->c), (double)bytes / 0x1p30, (double)(sb_now_ns() - t0) * 1e-9);
    return st;
}

sb_status sbi_llama_load(sb_model *m, size_t beside)
{
    sbi_llama       *l     = m->impl;
    sbi_llama_there *t     = &l->there;
    size_t           bytes = t->block == NULL ? bytes_of(l->c) : 0;
    sb_status        st    = check_shape(l);
    if (st == SB_OK && t->products == NULL)
        st = t->steps->open(&t->products);
    if (st == SB_OK)
        st = check_room(l, bytes, beside);
    if (st == SB_OK && t->block == NULL && (st = load(l, bytes)) != SB_OK)
        unload(l);
    return st;
}

void sbi_llama_there_fini(sbi_llama *l)
{
    if (l->there.products != NULL)
        l->there.steps->close(l->there.products);
    unload(l);
}
