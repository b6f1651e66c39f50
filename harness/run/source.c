#include "harness/run/source.h"

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
    const sb_model_ops *ops = sb_model_find(p->model);
    if (s->model != NULL && strcmp(s->model_json, p->model_json) == 0 && s->model->ops == ops)
        return SB_OK;
    close_model(s);
    if (ops == NULL)
        return sb_fail(SB_ERR_USAGE, "unknown model %s", p->model);
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

/* Every rank makes the row itself; differing corpora on differing hosts must not go unseen. */
sb_status sb_source_input(sb_source *s, const sb_point *p, int64_t row, sb_input *in)
{
    char       root[sizeof in->sha256];
    sb_gen_req req = {
        .seed = p->seed, .row = row, .length_tokens = p->length_tokens, .params = p->task_params};
    sb_comm  *c  = s->comm;
    sb_status st = need_model(s, p);
    if (st == SB_OK)
        st = need_corpus(s, p);
    req.corpus = s->corpus;
    if (st == SB_OK)
        st = p->task->generate(p->task, &req, in);
    if (st != SB_OK)
        (void)sb_wrap(st, "%s %s %lld row %lld", p->task->suite, p->task->name,
                      (long long)p->length_tokens, (long long)row);
    if ((st = sb_comm_agree(c, st)) != SB_OK)
        return st;
    memcpy(root, in->sha256, sizeof root);
    if ((st = sb_comm_bcast(c, root, (int64_t)sizeof root, 0)) != SB_OK)
        return st;
    if (strcmp(root, in->sha256) != 0)
        st = sb_fail(
            SB_ERR_USAGE,
            "rank %d makes another input than rank 0 from corpus %s: is it the same on every host?",
            c->rank, p->corpus);
    return sb_comm_agree(c, st);
}

void sb_source_fini(sb_source *s)
{
    close_model(s);
    sb_corpus_close(s->corpus);
    free(s->corpus_spec);
    *s = (sb_source){0};
}
