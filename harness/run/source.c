#include "harness/run/source.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void close_model(sb_source *s)
{
    if (s->model != NULL)
        s->model->ops->destroy(s->model);
    s->model = NULL;
    free(s->model_json);
    s->model_json = NULL;
}

static sb_status need_model(sb_source *s, const sb_point *p)
{
    const sb_model_ops *ops = sb_model_find(p->model_kind);
    if (s->model != NULL && strcmp(s->model_json, p->model_json) == 0 && ops != NULL &&
        strcmp(s->model->ops->name, ops->name) == 0)
        return SB_OK;
    sb_questions_fini(&s->questions);
    close_model(s);
    if (ops == NULL)
        return sb_fail(SB_ERR_USAGE, "unknown model %s", p->model_kind);
    sb_status st = ops->create(p->model_params, s->threads, &s->model);
    if (st == SB_OK && (s->model_json = strdup(p->model_json)) == NULL)
        st = sb_fail(SB_ERR_NOMEM, "model: no memory for its name");
    return st;
}

static sb_status need_corpus(sb_source *s, const sb_point *p)
{
    if (s->corpus != NULL && strcmp(s->corpus_spec, p->corpus) == 0)
        return SB_OK;
    sb_corpus_close(s->corpus);
    s->corpus = NULL;
    free(s->corpus_spec);
    if ((s->corpus_spec = strdup(p->corpus)) == NULL)
        return sb_fail(SB_ERR_NOMEM, "corpus: no memory for its name");
    return sb_corpus_open(p->corpus, &s->corpus);
}

static sb_status make_question(sb_source *s, const sb_point *p, int64_t row, sb_input *in)
{
    if (p->text != NULL) {
        sb_status ms = need_model(s, p);
        return ms == SB_OK ? sb_questions_row(&s->questions, s->model, p, row, in) : ms;
    }
    sb_gen_req req = {
        .seed = p->seed, .row = row, .length_tokens = p->length_tokens, .params = p->task_params};
    sb_status st = need_model(s, p);
    if (st == SB_OK)
        st = need_corpus(s, p);
    req.corpus = s->corpus;
    return st == SB_OK ? p->task->generate(p->task, &req, in) : st;
}

static sb_status make_operands(sb_source *s, const sb_point *p, int64_t row)
{
    const sb_point_input *from = p->input;
    sb_draw               draw = {.heads         = from->heads,
                                  .kv_heads      = from->kv_heads,
                                  .head_dim      = from->head_dim,
                                  .length_tokens = p->length_tokens,
                                  .seed          = p->seed,
                                  .row           = row,
                                  .params        = from->params};
    float scale = (float)(from->scale > 0 ? from->scale : 1.0 / sqrt((double)from->head_dim));
    sb_operands_destroy(s->operands);
    s->operands = NULL;
    return from->distribution != NULL
               ? from->distribution->create(from->distribution, &draw, &s->operands)
               : sb_captured_open(from->path, &from->names, scale, &from->seen, &s->operands);
}

/* What is stored of operands, in the form of an input without tokens. */
static sb_status describe_operands(sb_source *s, const sb_point *p, int64_t row, sb_input *in)
{
    sb_status st = make_operands(s, p, row);
    if (st != SB_OK)
        return st;
    const sb_operands *o = s->operands;
    *in = (sb_input){.n_tokens = o->shape.n_tokens, .n_context = o->shape.n_tokens, .row = row};
    in->spans = calloc((size_t)o->n_spans + 1, sizeof *in->spans);
    if (in->spans == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for %lld spans", (long long)o->n_spans);
    if (o->n_spans > 0)
        memcpy(in->spans, o->spans, (size_t)o->n_spans * sizeof *in->spans);
    in->n_spans = o->n_spans;
    memcpy(in->sha256, o->sha256, sizeof in->sha256);
    return SB_OK;
}

/* Every rank makes the row itself; differing files on differing hosts must not go unseen. */
sb_status sb_source_input(sb_source *s, const sb_point *p, int64_t row, sb_input *in)
{
    char      root[sizeof in->sha256];
    sb_comm  *c = s->comm;
    sb_status st =
        sb_point_asks(p) ? make_question(s, p, row, in) : describe_operands(s, p, row, in);
    if (st != SB_OK)
        (void)sb_wrap(st, "%s %s %lld row %lld", p->suite, p->task_name,
                      (long long)p->length_tokens, (long long)row);
    if ((st = sb_comm_agree(c, st)) != SB_OK)
        return st;
    memcpy(root, in->sha256, sizeof root);
    if ((st = sb_comm_bcast(c, root, (int64_t)sizeof root, 0)) != SB_OK)
        return st;
    if (strcmp(root, in->sha256) != 0)
        st = sb_fail(
            SB_ERR_USAGE,
            "rank %d makes another input than rank 0 from %s%s: is it the same on every host?",
            c->rank, p->task != NULL ? "corpus " : "", p->task != NULL ? p->corpus : p->task_name);
    return sb_comm_agree(c, st);
}

sb_status sb_source_operands(sb_source *s, const sb_point *p, const sb_input *in)
{
    if (sb_point_asks(p) || (s->operands != NULL && strcmp(s->operands->sha256, in->sha256) == 0))
        return SB_OK;
    return sb_comm_agree(s->comm, make_operands(s, p, in->row));
}

void sb_source_fini(sb_source *s)
{
    sb_questions_fini(&s->questions); /* which borrow the model's tokenizer */
    close_model(s);
    sb_corpus_close(s->corpus);
    free(s->corpus_spec);
    sb_operands_destroy(s->operands);
    *s = (sb_source){0};
}
