#include "tests/unit/harness/model/forward_rig.h"
#include "tests/text_params.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "harness/comm/comms.h"
#include "harness/model/forward_parts.h"
#include "harness/model/probe/probe.h"
#include "workloads/registry.h"

enum { SEED = 11, PARAMS = 4096 };

sb_graphs_mode     forward_graphs;
const sb_look_ops *forward_look;

static void append(void **all, int64_t *n, const void *more, int64_t n_more, size_t elem_bytes)
{
    *all = realloc(*all, (size_t)(*n + n_more) * elem_bytes + 1);
    ck_assert_ptr_nonnull(*all);
    memcpy((unsigned char *)*all + (size_t)*n * elem_bytes, more, (size_t)n_more * elem_bytes);
    *n += n_more;
}

static void append_rows(sb_bf16 **all, int64_t *n, const sb_tensor *t)
{
    void   *p  = *all;
    int64_t to = *n;
    for (int64_t h = 0; h < t->heads; h++)
        append(&p, &to, sb_tensor_bf16(t, h, 0), t->tokens * t->dim, sizeof **all);
    *all = p;
    *n   = to;
}

static void bring(const sb_look_there *t, void *to, const void *from, size_t bytes)
{
    ck_assert_int_eq(t->backend->copy(to, from, bytes, SB_COPY_TO_HOST, NULL), SB_OK);
    ck_assert_int_eq(t->backend->sync(NULL), SB_OK);
}

/* Rows on the device, copied here; data is to be freed. */
static sb_tensor brought(const sb_look_there *t, const sb_tensor *from)
{
    sb_tensor c   = *from;
    size_t    row = (size_t)(c.tokens * c.dim) * sizeof(sb_bf16);
    c.head_stride = c.tokens * c.dim;
    c.data        = malloc((size_t)c.heads * row);
    ck_assert_ptr_nonnull(c.data);
    for (int64_t h = 0; h < c.heads; h++)
        bring(t, sb_tensor_bf16(&c, h, 0), sb_tensor_bf16(from, h, 0), row);
    return c;
}

static sb_status take(void *arg, const sb_layer_view *v);

/* The same of a view whose rows are on a device alone. */
static sb_status take_there(void *arg, const sb_layer_view *v)
{
    const sb_look_there *t    = v->there;
    const sb_tensor     *at[] = {t->q, t->k, t->v, t->o}, *here[] = {v->q, v->k, v->v, v->o};
    sb_tensor            side[4];
    sb_layer_view        w   = *v;
    size_t               n   = (size_t)(t->o->heads * t->o->tokens);
    float               *lse = malloc(n * sizeof *lse);
    ck_assert_ptr_nonnull(lse);
    ck_assert_ptr_eq(t->ops, forward_look);
    ck_assert_ptr_null(v->lse);
    for (int i = 0; i < 4; i++) {
        ck_assert_ptr_null(here[i]->data);
        ck_assert(here[i]->heads == at[i]->heads && here[i]->tokens == at[i]->tokens);
        side[i] = brought(t, at[i]);
    }
    bring(t, lse, t->lse, n * sizeof *lse);
    w.q          = &side[0];
    w.k          = &side[1];
    w.v          = &side[2];
    w.o          = &side[3];
    w.lse        = lse;
    w.there      = NULL;
    sb_status st = take(arg, &w);
    for (int i = 0; i < 4; i++)
        free(side[i].data);
    free(lse);
    return st;
}

static sb_status take(void *arg, const sb_layer_view *v)
{
    if (v->there != NULL)
        return take_there(arg, v);
    forward_result *r   = arg;
    int64_t         n_o = r->n_q, n_v = r->n_kv;
    void           *lse = r->lse;
    ck_assert_ptr_eq(v->ctx->backend, &sb_backend_cpu);
    append_rows(&r->q, &r->n_q, v->q);
    append_rows(&r->o, &n_o, v->o);
    append_rows(&r->k, &r->n_kv, v->k);
    append_rows(&r->v, &n_v, v->v);
    append(&lse, &r->n_lse, v->lse, v->o->heads * v->o->tokens, sizeof *r->lse);
    r->lse = lse;
    r->layers++;
    return SB_OK;
}

static sb_status passes(const sb_forward_config *cfg, const sb_input *in, forward_result *out)
{
    sb_forward *f     = NULL;
    void       *block = NULL;
    sb_status   st    = sb_forward_bytes(cfg, in, &out->room);
    if (st != SB_OK)
        return st;
    block = aligned_alloc(SB_ARENA_ALIGN, (out->room.host_bytes + 63) / 64 * 64);
    ck_assert_ptr_nonnull(block);
    st = sb_forward_create(cfg, in, block, out->room.host_bytes, &f);
    if (st == SB_OK)
        st = sb_forward_prefill(f, NULL, take, out);
    if (st == SB_OK)
        st = sb_forward_prefill(f, &out->times, NULL, NULL);
    if (st == SB_OK)
        st = sb_forward_decode(f, out->emitted, NULL);
    if (st == SB_OK) {
        ck_assert(sb_forward_canaries_intact(f));
        out->device_bytes = sb_forward_device_bytes(f);
        out->high_water   = sb_forward_high_water(f);
        out->graphs       = *sb_forward_graphs(f);
        out->n_row        = f->ops->row_values;
        out->last_row     = malloc((size_t)out->n_row * sizeof *out->last_row);
        ck_assert_ptr_nonnull(out->last_row);
        memcpy(out->last_row, f->row, (size_t)out->n_row * sizeof *out->last_row);
    }
    sb_forward_destroy(f);
    free(block);
    return st;
}

static double score_of(const sb_task *t, const sb_input *in, const int32_t *emitted)
{
    sb_score score = {0};
    char    *text  = NULL;
    ck_assert_int_eq(sb_prediction_text(t, in, emitted, in->n_emit, &text), SB_OK);
    ck_assert_int_eq(t->metric->score(text, in, &score), SB_OK);
    free(text);
    return score.value;
}

sb_status forward_run_ranks(const forward_spec *s, sb_model *model, const sb_method *m,
                            const sb_method *dense, const sb_backend *b, const forward_ranks *r,
                            forward_result *out)
{
    _Alignas(16) unsigned char params[PARAMS], dense_params[PARAMS], task_params[PARAMS];
    const sb_task             *t      = sb_task_find("probe", s->task);
    sb_corpus                 *corpus = NULL;
    sb_input                   in     = {0};
    *out                              = (forward_result){0};
    ck_assert_ptr_nonnull(t);
    ck_assert_msg(text_params(m, s->params, params) == SB_OK, "%s", sb_error_text());
    ck_assert_msg(text_params(dense, "", dense_params) == SB_OK, "%s", sb_error_text());
    ck_assert_int_eq(sb_params_default(t->params, task_params), SB_OK);
    ck_assert_int_eq(sb_corpus_open("zipf", &corpus), SB_OK);
    ck_assert_msg(t->generate(t, &(sb_gen_req){SEED, 0, s->length, task_params, corpus}, &in) ==
                      SB_OK,
                  "%s: %s", s->task, sb_error_text());
    out->n_emit  = in.n_emit;
    out->n_feed  = in.n_feed;
    out->emitted = calloc((size_t)in.n_emit + 1, sizeof *out->emitted);
    ck_assert_ptr_nonnull(out->emitted);
    sb_forward_config cfg = {.model         = model,
                             .method        = m,
                             .method_params = params,
                             .decode_method = s->decode_dense ? dense : m,
                             .decode_params = s->decode_dense ? (void *)dense_params : params,
                             .backend       = b,
                             .comm          = r->comm,
                             .layout        = r->layout,
                             .use           = r->use,
                             .link          = r->link,
                             .threads       = 2,
                             .compares      = 1,
                             .look          = forward_look,
                             .graphs        = forward_graphs,
                             .arena_flags   = SB_ARENA_GUARD};
    sb_status         st  = passes(&cfg, &in, out);
    if (st == SB_OK)
        out->score = score_of(t, &in, out->emitted);
    sb_input_fini(&in);
    sb_corpus_close(corpus);
    return st;
}

sb_status forward_run(const forward_spec *s, sb_model *model, const sb_method *m,
                      const sb_method *dense, const sb_backend *b, forward_result *out)
{
    sb_comm *self = NULL;
    ck_assert_int_eq(sb_comm_self_create(&self), SB_OK);
    forward_ranks r  = {.comm = self, .layout = SB_LAYOUT_CONTIGUOUS};
    sb_status     st = forward_run_ranks(s, model, m, dense, b, &r, out);
    sb_comm_destroy(self);
    return st;
}

void forward_free(forward_result *r)
{
    free(r->emitted);
    free(r->q);
    free(r->k);
    free(r->v);
    free(r->o);
    free(r->lse);
    free(r->last_row);
    *r = (forward_result){0};
}

sb_model *forward_probe(void)
{
    sb_probe_params par;
    sb_model       *m = NULL;
    ck_assert_int_eq(sb_params_default(sb_model_probe.params, &par), SB_OK);
    ck_assert_msg(sb_model_probe.create(&par, 2, &m) == SB_OK, "%s", sb_error_text());
    return m;
}
